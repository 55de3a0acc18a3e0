// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Serves all TCP ports of 192.0.2.0/24 but ssh's with one listener on
 * 127.0.0.1, says where packets to two of them go, and cleans up. The argument
 * is a bpffs to keep the state in, instead of the system's own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <anybind.h>

static const char rules[] = "service demo missing drop\n"
			    "bind demo tcp 192.0.2.0/24 any except 22\n";

static void say(const struct anybind_report *report)
{
	for (size_t i = 0; i < anybind_report_count(report); i++) {
		const struct anybind_message *message = anybind_report_get(report, i);

		fprintf(stderr, "steer: %s%s\n",
			message->severity == ANYBIND_WARNING ? "warning: " : "", message->text);
		if (message->hint)
			fprintf(stderr, "%s\n", message->hint);
	}
}

static int listen_on_loopback(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(fd, 16) == 0)
		return fd;
	perror("steer: cannot listen");
	if (fd >= 0)
		close(fd);
	return -1;
}

static int put_in_force(struct anybind *anybind, struct anybind_report *report)
{
	struct anybind_ruleset *ruleset;
	int r = anybind_ruleset_parse(&ruleset, rules, strlen(rules), "built in", report);

	if (r < 0)
		return r;
	r = anybind_commit(anybind, ruleset, 0, report);
	anybind_ruleset_free(ruleset);
	return r;
}

static int give_socket(struct anybind *anybind, int fd, struct anybind_report *report)
{
	struct anybind_sockets *sockets;
	int r = anybind_sockets_of_fds(anybind, &sockets, &fd, 1, report);

	if (r < 0)
		return r;
	r = anybind_register(anybind, "demo", sockets, NULL, report);
	anybind_sockets_free(sockets);
	return r;
}

static void set_address(struct sockaddr_storage *ret, const char *host, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	inet_pton(AF_INET, host, &address.sin_addr);
	memcpy(ret, &address, sizeof(address));
}

static int explain(struct anybind *anybind, uint16_t port, struct anybind_report *report)
{
	struct anybind_flow flow = {.protocol = IPPROTO_TCP};
	struct anybind_explanation *e = NULL;
	int r;

	set_address(&flow.source, "198.51.100.7", 40000);
	set_address(&flow.destination, "192.0.2.99", port);
	r = anybind_explain(anybind, &flow, &e, report);
	if (!e)
		return r;
	printf("port %u: %s, to %s (%s)\n", port, e->rule ? e->rule : "no rule",
	       e->socket ? e->socket->address : "the normal lookup", e->check_text);
	anybind_explanation_free(e);
	return r;
}

/* In a namespace that has no dispatcher yet: somebody's rules are not ours to replace. */
static int steer(struct anybind *anybind, int fd, struct anybind_report *report)
{
	int r = anybind_load(anybind, report), unloaded;

	if (r > 0)
		fprintf(stderr, "steer: a dispatcher is loaded already\n");
	if (r)
		return r < 0 ? r : -EEXIST;
	r = put_in_force(anybind, report);
	if (r >= 0)
		r = give_socket(anybind, fd, report);
	if (r >= 0)
		r = explain(anybind, 4242, report);
	if (r >= 0)
		r = explain(anybind, 22, report);
	/* Without this the rules would outlive the program. */
	unloaded = anybind_unload(anybind, report);
	return r < 0 ? r : unloaded;
}

static int run(const char *bpffs, int fd, struct anybind_report *report)
{
	struct anybind_options options = {.size = sizeof(options), .bpffs = bpffs};
	struct anybind *anybind;
	int r = anybind_open(&anybind, &options, report);

	if (r < 0)
		return r;
	r = anybind_begin(anybind, report); /* nobody else changes anything until the end */
	if (r >= 0)
		r = steer(anybind, fd, report);
	anybind_close(anybind);
	return r;
}

int main(int argc, char *argv[])
{
	struct anybind_report *report = anybind_report_new();
	int fd = listen_on_loopback(), r;

	if (!report || fd < 0)
		return EXIT_FAILURE;
	r = run(argc > 1 ? argv[1] : NULL, fd, report);
	say(report);
	anybind_report_free(report);
	close(fd);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
