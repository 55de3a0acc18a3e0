// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_competitors.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "kernel.h"

/* Packets until code and data that are always needed are in the caches again. */
#define WARM 640

const char *const flood_names[FLOOD_KINDS] = { "UDP", "SYN", "SYN cookies" };

struct turn {
	struct flood_sockets own; /* opened for this turn */
	const struct flood_sockets *targets;
	int link;
	uint64_t received; /* by the targets, before */
};

static int open_sockets(struct flood_sockets *sockets, const struct competitor *c,
			const struct flood *flood)
{
	struct flood_socket_options options = { .v6 = flood->v6,
						.tcp = flood->kind != FLOOD_UDP,
						.transparent = c->how == BY_TPROXY };
	const struct host_rules *addresses = &flood->setting->addresses;
	int r = 0;

	if (c->how == BY_TPROXY)
		return flood_sockets_add(sockets, &options, NULL, TPROXY_PORT);
	if (c->how != BY_EXACT)
		return flood_sockets_add(sockets, &options, NULL, FLOOD_PORT);
	for (size_t i = 0; i < c->sockets && !r; i++)
		r = flood_sockets_add(sockets, &options, addresses->v[i].addr, FLOOD_PORT);
	return r;
}

/* SYNs that were answered by a cookie, in the namespace of this thread; 0: it cannot be told. */
static uint64_t cookies_sent(void)
{
	char names[4096], values[4096], *save_name, *save_value;
	FILE *file = fopen("/proc/thread-self/net/netstat", "re");
	uint64_t sent = 0;

	if (!file)
		return 0;
	if (fgets(names, sizeof(names), file) && fgets(values, sizeof(values), file)) {
		char *name = strtok_r(names, " \n", &save_name);
		char *value = strtok_r(values, " \n", &save_value);

		for (; name && value; name = strtok_r(NULL, " \n", &save_name),
				      value = strtok_r(NULL, " \n", &save_value))
			if (!strcmp(name, "SyncookiesSent"))
				sent = strtoull(value, NULL, 10);
	}
	fclose(file);
	return sent;
}

static int received(const struct turn *turn, const struct flood *flood, uint64_t *ret)
{
	if (flood->kind != FLOOD_COOKIES)
		return flood_sockets_drops(turn->targets, ret);
	*ret = cookies_sent();
	return 0;
}

static int begin(struct turn *turn, const struct competitor *c, const struct flood *flood)
{
	int netns = flood->worlds->netns[c->world];
	int r = worlds_enter(flood->worlds, c->world);

	if (!r && !c->targets)
		r = open_sockets(&turn->own, c, flood);
	turn->targets = c->targets ? c->targets : &turn->own;
	if (!r && c->how == BY_PROGRAM) {
		turn->link = kernel_attach(c->program, netns);
		if (turn->link < 0)
			r = turn->link;
	}
	return r ? r : received(turn, flood, &turn->received);
}

/* What the kernel frees later is freed before somebody else's turn: a grace period, and ticks. */
static int end(struct turn *turn, const struct flood *flood)
{
	bool many = turn->own.n >= MANY_SOCKETS;

	flood_sockets_close(&turn->own);
	if (turn->link >= 0)
		close(turn->link);
	if (many) {
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
	}
	return worlds_enter(flood->worlds, WORLD_MAIN);
}

static int flood_it(struct turn *turn, const struct competitor *c, const struct flood *flood,
		    uint32_t packets, unsigned int blocks, double *ret_ns, uint64_t *ret_lost)
{
	unsigned int ifindex = flood->worlds->ifindex[c->world];
	bool drop = c->how == BY_NOTHING;
	/* Each socket keeps a datagram or two, or a half-open connection, and drops the rest. */
	uint32_t kept = flood->kind == FLOOD_COOKIES ? 0 : 2 * turn->targets->n;
	uint32_t warm = WARM + c->warm + 2 * kept;
	double ns, sum = 0;
	uint64_t sent = warm + (uint64_t)packets * blocks, after;
	int r = injector_run(flood->injector, ifindex, warm, drop, &ns);

	for (unsigned int i = 0; i < blocks && !r; i++) {
		r = injector_run(flood->injector, ifindex, packets, drop, &ns);
		sum += ns;
	}
	if (!r)
		r = received(turn, flood, &after);
	if (r < 0)
		return r;
	/* The kernel may have answered a SYN or two in spite of all. */
	if (!drop && after - turn->received + kept + sent / 1000 < sent) {
		*ret_lost = sent - (after - turn->received);
		return -EBADMSG;
	}
	*ret_ns = sum / blocks;
	return 0;
}

int competitor_turn(const struct competitor *competitor, const struct flood *flood,
		    uint32_t packets, unsigned int blocks, double *ret_ns, uint64_t *ret_lost)
{
	struct turn turn = { .own = FLOOD_SOCKETS_NONE, .link = -1 };
	int r = begin(&turn, competitor, flood);
	int ended;

	if (!r)
		r = flood_it(&turn, competitor, flood, packets, blocks, ret_ns, ret_lost);
	ended = end(&turn, flood);
	return r ? r : ended;
}
