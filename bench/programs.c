// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "programs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cleanup.h"
#include "peers.skel.h"
#include "trie.h"

const char *const program_names[PROGRAMS] = { "pass", "fixed", "lpm", "anybind" };

double cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* ---- sockets ---- */

static int open_socket(bool v6, uint16_t *ret_port, uint64_t *ret_cookie)
{
	struct sockaddr_in6 addr6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in addr4 = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *addr = v6 ? (struct sockaddr *)&addr6 : (struct sockaddr *)&addr4;
	socklen_t size = v6 ? sizeof(addr6) : sizeof(addr4), cookie_size = sizeof(*ret_cookie);
	_cleanup_close_ int fd = socket(addr->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, addr, size) < 0 || getsockname(fd, addr, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret_cookie, &cookie_size) < 0)
		return -errno;
	*ret_port = ntohs(v6 ? addr6.sin6_port : addr4.sin_port);
	return take_fd(&fd);
}

int sockets_open(struct sockets *ret, bool v6)
{
	struct sockets sockets;

	memset(sockets.fd, -1, sizeof(sockets.fd));
	for (unsigned int i = 0; i < SERVICES; i++) {
		sockets.fd[i] = open_socket(v6, &sockets.port[i], &sockets.cookie[i]);
		if (sockets.fd[i] < 0) {
			int r = sockets.fd[i];

			sockets_close(&sockets);
			return r;
		}
	}
	*ret = sockets;
	return 0;
}

void sockets_close(struct sockets *sockets)
{
	for (unsigned int i = 0; i < SERVICES; i++)
		if (sockets->fd[i] >= 0)
			close(sockets->fd[i]);
}

/* ---- peers ---- */

static int load_peers(struct programs *programs, const struct host_rules *rules,
		      const struct sockets *sockets, bool with_lpm)
{
	struct peers_bpf *peers = programs->peers = peers_bpf__open();
	int r;

	if (!peers)
		return -errno;
	bpf_map__set_max_entries(peers->maps.bindings, with_lpm ? rules->n : 1);
	r = peers_bpf__load(peers);
	for (unsigned int i = 0; i < SERVICES && !r; i++)
		r = kernel_slot_set(bpf_map__fd(peers->maps.sockets), PEER_SLOT(i, rules->v6),
				    sockets->fd[i]);
	if (!r && with_lpm)
		r = trie_fill(bpf_map__fd(peers->maps.bindings), rules);
	if (r < 0)
		return r;
	programs->fd[PASS] = bpf_program__fd(peers->progs.peer_pass);
	programs->fd[FIXED] = bpf_program__fd(peers->progs.peer_fixed);
	if (with_lpm)
		programs->fd[LPM] = bpf_program__fd(peers->progs.peer_lpm);
	return 0;
}

/* ---- the dispatcher, as in production ---- */

static int load_dispatcher(struct programs *programs, const struct host_rules *rules,
			   const struct sockets *sockets, struct anybind_report *report)
{
	struct anybind_ruleset *rs;
	struct compiled *compiled;
	int r = host_rules_parse(rules, &rs, report);

	if (r < 0)
		return r;
	r = compile(&compiled, rs, report);
	if (!r) {
		r = kernel_load(&programs->generation, &programs->maps, compiled, 1, 0, report);
		compile_free(compiled);
	}
	anybind_ruleset_free(rs);
	for (unsigned int i = 0; i < SERVICES && !r; i++)
		r = kernel_slot_set(programs->maps.fd[MAP_SOCKETS], SLOT(i, 1, rules->v6), sockets->fd[i]);
	programs->fd[ANYBIND] = programs->generation.program;
	return r;
}

/* ---- all of them ---- */

int programs_load(struct programs *ret, const struct host_rules *rules,
		  const struct sockets *sockets, bool with_lpm, struct anybind_report *report)
{
	struct programs programs = { .generation = GENERATION_NONE, .maps = KERNEL_MAPS_NONE };
	int r;

	memset(programs.fd, -1, sizeof(programs.fd));
	r = load_peers(&programs, rules, sockets, with_lpm);
	if (!r)
		r = load_dispatcher(&programs, rules, sockets, report);
	if (r < 0) {
		programs_close(&programs);
		return r;
	}
	*ret = programs;
	return 0;
}

void programs_close(struct programs *programs)
{
	peers_bpf__destroy(programs->peers);
	generation_close(&programs->generation);
	kernel_maps_close(&programs->maps);
}

int programs_run(const struct programs *programs, enum program which,
		 const struct host_rule *rule, const struct sockets *sockets, bool v6,
		 unsigned int repeat, double *ret_ns)
{
	struct bpf_sk_lookup ctx = {
		.family = v6 ? AF_INET6 : AF_INET,
		.protocol = IPPROTO_UDP,
		.remote_port = htons(12345),
		.local_port = rule->port,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx), .repeat = repeat);
	uint64_t expect = which == PASS ? 0 : sockets->cookie[which == FIXED ? 0 : rule->service];
	double before;

	if (v6)
		memcpy(ctx.local_ip6, rule->addr, sizeof(ctx.local_ip6));
	else
		ctx.local_ip4 = rule->addr[0];
	before = cpu_time();
	if (bpf_prog_test_run_opts(programs->fd[which], &opts) < 0)
		return -errno;
	*ret_ns = (cpu_time() - before) / repeat;
	return opts.retval == SK_PASS && ctx.cookie == expect ? 0 : -EBADMSG;
}
