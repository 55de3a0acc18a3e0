/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Floods of one kind at one device of the caller's network namespace. */
#ifndef ANYBIND_BENCH_FLOOD_INJECT_H
#define ANYBIND_BENCH_FLOOD_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spread.h"

#define FLOOD_MAC "02:00:00:00:00:01"	   /* of the device that is flooded */
#define FLOOD_PEER_MAC "02:00:00:00:00:02" /* of the one at its other end */

struct injector {
	struct flood_bpf *skel;
	union destinations *order; /* the caller writes them, drawn in the order of the packets */
	uint8_t packet[128];	   /* what all packets have in common */
	size_t size;
};

int injector_open(struct injector *ret);
void injector_close(struct injector *injector);

/*
 * Attaches the program to a device of the caller's namespace, where it sees no
 * packet, and swallows what the server answers there. Without the first every
 * run would wait 10 to 20 ms for the kernel to patch its code.
 */
int injector_attach(struct injector *injector, unsigned int ifindex);

/* From now on UDP datagrams or SYNs to the first @destinations, a power of two. */
void injector_aim(struct injector *injector, bool v6, bool tcp, uint32_t destinations);

/*
 * Has the kernel receive @packets at the device. *ret_ns: wall clock time of one
 * packet, without the time in which this thread had to let others run.
 * @drop: only makes them.
 */
int injector_run(struct injector *injector, unsigned int ifindex, uint32_t packets, bool drop,
		 double *ret_ns);

#endif
