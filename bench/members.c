// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What a lookup costs where a service has several sockets: one dispatcher with
 * a service of 1, of 8 and of 1,000, in turn within each round, by test runs of
 * its program. Works in namespaces of its own and fails if a socket of another
 * service is chosen.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "programs.h"
#include "samples.h"

#define BPFFS "/run/bpf"
#define SIZES 3
#define SOCKETS_MAX 1000
/* Program runs in one sample, all of one flow; each round has another flow. */
#define RUNS 32768

static const unsigned int sizes[SIZES] = { 1, 8, SOCKETS_MAX };

struct subject {
	uint16_t port; /* that the rule is for, host order */
	uint64_t cookies[SOCKETS_MAX];
	unsigned int n;
	struct samples ns;
};

__attribute__((noreturn)) static void die(int code, const char *what)
{
	fprintf(stderr, "members: %s: %s\n", what, strerrordesc_np(-code));
	exit(1);
}

/* ---- set-up ---- */

static void enter(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	const struct rlimit files = { SOCKETS_MAX * 2 + 100, SOCKETS_MAX * 2 + 100 };
	_cleanup_close_ int fd = -1;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		die(-errno, "cannot make namespaces (are you root?)");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0 || mkdir(BPFFS, 0700) < 0 ||
	    mount("bpf", BPFFS, "bpf", 0, "mode=700") < 0)
		die(-errno, "cannot set up the namespaces");
}

static void add_socket(struct anybind *a, const char *name, struct subject *service)
{
	const struct anybind_register_options adding = { .size = sizeof(adding), .add = true };
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(uint64_t);
	/* Left open: a registration ends with its socket. */
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r;
	struct anybind_sockets *sockets;

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &service->cookies[service->n++], &size) < 0)
		die(-errno, "cannot open a socket");
	r = anybind_sockets_of_fds(a, &sockets, &fd, 1, NULL);
	if (!r) {
		r = anybind_register(a, name, sockets, &adding, NULL);
		anybind_sockets_free(sockets);
	}
	if (r < 0)
		die(r, "cannot register a socket");
}

static struct anybind *make_services(struct subject services[SIZES])
{
	const struct anybind_options options = { .size = sizeof(options), .bpffs = BPFFS };
	struct anybind_ruleset *rs;
	struct anybind *a;
	char text[64 * SIZES] = "";
	int r;

	for (unsigned int i = 0; i < SIZES; i++) {
		services[i].port = 1001 + i;
		sprintf(text + strlen(text), "bind s%u udp 192.0.2.0/24 %u\n", i, services[i].port);
	}
	r = anybind_ruleset_parse(&rs, text, strlen(text), "rules", NULL);
	if (!r)
		r = anybind_open(&a, &options, NULL);
	if (!r)
		r = anybind_commit(a, rs, 0, NULL);
	if (r < 0)
		die(r, "cannot load the rules");
	anybind_ruleset_free(rs);
	for (unsigned int i = 0; i < SIZES; i++) {
		char name[8];

		snprintf(name, sizeof(name), "s%u", i);
		while (services[i].n < sizes[i])
			add_socket(a, name, &services[i]);
	}
	return a;
}

/* ---- measuring ---- */

static bool has_cookie(const struct subject *service, uint64_t cookie)
{
	bool found = false;

	for (unsigned int i = 0; i < service->n; i++)
		found |= service->cookies[i] == cookie;
	return found;
}

static double look_up(int program, const struct subject *service, uint16_t client, int repeat)
{
	struct bpf_sk_lookup ctx = {
		.family = AF_INET,
		.protocol = IPPROTO_UDP,
		.remote_ip4 = htonl(0xc6336402), /* 198.51.100.2 */
		.remote_port = htons(client),
		.local_ip4 = htonl(0xc0000207), /* 192.0.2.7 */
		.local_port = service->port,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx), .repeat = repeat);
	double before = cpu_time();

	if (bpf_prog_test_run_opts(program, &opts) < 0)
		die(-errno, "test run");
	if (opts.retval != SK_PASS || !has_cookie(service, ctx.cookie))
		die(-EBADMSG, "a lookup chose no socket of its service");
	return (cpu_time() - before) / repeat;
}

static void measure(int program, struct subject services[SIZES], unsigned int rounds)
{
	for (unsigned int round = 0; round < rounds; round++)
		for (unsigned int turn = 0; turn < SIZES; turn++) {
			struct subject *service = &services[(turn + round) % SIZES];

			look_up(program, service, 10000 + round, RUNS / 8);
			samples_add(&service->ns, look_up(program, service, 10000 + round, RUNS));
		}
}

static json_t *report(const struct subject services[SIZES])
{
	json_t *cases = json_array();

	printf("One program run, hot; CPU ns, median (q1-q3) of the rounds, each with another flow.\n"
	       "/1: ratio to the service of one socket, round by round.\n\n"
	       " sockets            ns       /1\n");
	for (unsigned int i = 0; i < SIZES; i++) {
		const struct samples *ns = &services[i].ns;
		struct samples ratio = samples_ratio(ns, NULL, &services[0].ns, NULL);

		printf("%8u %5.0f (%.0f-%.0f)  %.3f (%.2f-%.2f)\n", sizes[i], samples_median(ns),
		       samples_quantile(ns, 0.25), samples_quantile(ns, 0.75),
		       samples_median(&ratio), samples_quantile(&ratio, 0.25),
		       samples_quantile(&ratio, 0.75));
		json_array_append_new(cases, json_pack("{s:i, s:o, s:o}", "sockets", sizes[i], "ns",
						       samples_json(ns), "to_one",
						       samples_json(&ratio)));
	}
	return cases;
}

int main(int argc, char *argv[])
{
	static struct subject services[SIZES];
	struct current current = CURRENT_NONE;
	const char *path = NULL;
	unsigned int rounds = 200;
	struct anybind *a;
	json_t *root;
	int r;

	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--quick")) {
			rounds = 50;
		} else if (!strcmp(argv[i], "--json") && i + 1 < argc) {
			path = argv[++i];
		} else {
			fprintf(stderr, "usage: members [--quick] [--json FILE]\n");
			return 2;
		}
	enter();
	a = make_services(services);
	r = dispatcher_read(a, &current, NULL);
	if (r < 0)
		die(r, "cannot open the dispatcher");
	measure(current.generation.program, services, rounds);
	root = json_pack("{s:i, s:s, s:i, s:o}", "version", 1, "benchmark", "members", "rounds",
			 rounds, "cases", report(services));
	if (path && json_dump_file(root, path, JSON_INDENT(2)) < 0)
		die(-EIO, "cannot write the results");
	json_decref(root);
	current_close(&current);
	anybind_unload(a, NULL);
	anybind_close(a);
	return 0;
}
