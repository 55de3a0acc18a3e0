// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A server without any privilege that is reached wherever the service's rules
 * say: it listens on loopback, has anybind's agent register that, and tells
 * each client at which address it was asked.
 *
 *	cc agent.c `pkg-config --cflags --libs libanybind`
 *	./a.out SERVICE [PATH-OF-AGENT]
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <anybind.h>

static int listen_at(const struct sockaddr *address, socklen_t len)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, address, len) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	perror("agent: cannot listen");
	exit(EXIT_FAILURE);
}

static void say(const struct anybind_report *report)
{
	for (size_t i = 0; i < anybind_report_count(report); i++) {
		const struct anybind_message *message = anybind_report_get(report, i);

		fprintf(stderr, "agent: %s\n", message->text);
		if (message->hint)
			fprintf(stderr, "  %s\n", message->hint);
	}
}

static void answer(int listener)
{
	struct sockaddr_storage asked;
	socklen_t len = sizeof(asked);
	char host[INET6_ADDRSTRLEN], port[8];
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return;
	if (getsockname(fd, (struct sockaddr *)&asked, &len) == 0 &&
	    getnameinfo((struct sockaddr *)&asked, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		dprintf(fd, "asked at %s port %s\n", host, port);
	close(fd);
}

int main(int argc, char *argv[])
{
	struct sockaddr_in v4 = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct anybind_report *report = anybind_report_new();
	struct pollfd ready[2];
	int fds[2];

	if (argc < 2 || argc > 3 || !report) {
		fprintf(stderr, "Usage: agent SERVICE [PATH-OF-AGENT]\n");
		return EXIT_FAILURE;
	}
	fds[0] = listen_at((struct sockaddr *)&v4, sizeof(v4));
	fds[1] = listen_at((struct sockaddr *)&v6, sizeof(v6));

	if (anybind_agent_register(argv[2], argv[1], fds, 2, report) < 0) {
		say(report);
		return EXIT_FAILURE;
	}
	anybind_report_free(report);
	printf("registered\n");
	fflush(stdout);

	for (int i = 0; i < 2; i++)
		ready[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	while (poll(ready, 2, -1) > 0)
		for (int i = 0; i < 2; i++)
			if (ready[i].revents)
				answer(fds[i]);
	return EXIT_FAILURE;
}
