/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the program that looks up many destinations and the benchmark agree on. */
#ifndef ANYBIND_BENCH_SPREAD_H
#define ANYBIND_BENCH_SPREAD_H

#include <linux/types.h>

/* Destinations in the order of their lookup: a power of two. */
#define DESTINATIONS (1 << 20)
#define LOOKUPS_PER_RUN 64

/* Addresses and ports in network order; @expect: port of the service's socket, host order. */
struct destination4 {
	__u32 addr;
	__u16 port;
	__u16 expect;
};

struct destination6 {
	__u32 addr[4];
	__u16 port;
	__u16 expect;
	__u32 zero;
};

union destinations {
	struct destination4 v4[DESTINATIONS];
	struct destination6 v6[DESTINATIONS];
};

#endif
