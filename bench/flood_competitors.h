/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Ways to get a flood's packets to a socket, and one turn of each. */
#ifndef ANYBIND_BENCH_FLOOD_COMPETITORS_H
#define ANYBIND_BENCH_FLOOD_COMPETITORS_H

#include "flood_places.h"
#include "flood_sockets.h"
#include "flood_world.h"
#include "samples.h"

/* So many take the kernel a while to free. */
#define MANY_SOCKETS 100

enum how {
	BY_EXACT,   /* a socket on each of the first .sockets addresses */
	BY_ANY,	    /* one on INADDR_ANY */
	BY_TPROXY,  /* one that nftables names */
	BY_PROGRAM, /* an sk_lookup program */
	BY_NOTHING, /* packets are made, and dropped before the kernel receives them */
};

struct competitor {
	char name[48];
	enum how how;
	enum world world;
	size_t sockets;			     /* of BY_EXACT */
	int program;			     /* of BY_PROGRAM; borrowed */
	const struct flood_sockets *targets; /* of BY_PROGRAM; NULL: it passes to INADDR_ANY */
	uint32_t warm;			     /* packets before those that count */

	struct samples ns; /* of one packet */
	struct samples ratio, added; /* to and over the mean of the reference's turns beside it */
};

enum flood_kind { FLOOD_UDP, FLOOD_SYN, FLOOD_COOKIES, FLOOD_KINDS };
extern const char *const flood_names[FLOOD_KINDS];

/* One flood at one place. */
struct flood {
	const struct worlds *worlds;
	struct injector *injector;
	const struct setting *setting;
	enum flood_kind kind;
	bool v6;
};

/*
 * Sets the competitor up, floods it with @blocks of @packets, takes it down.
 * *ret_ns: the mean of the blocks. -EBADMSG: *ret_lost packets, more than one
 * in a thousand, did not get to their sockets.
 */
int competitor_turn(const struct competitor *competitor, const struct flood *flood,
		    uint32_t packets, unsigned int blocks, double *ret_ns, uint64_t *ret_lost);

#endif
