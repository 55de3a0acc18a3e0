/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the program that makes the flood's packets and the benchmark agree on. */
#ifndef ANYBIND_BENCH_FLOOD_H
#define ANYBIND_BENCH_FLOOD_H

#include <linux/types.h>

/*
 * Sources of the flood: 10.128.0.0/9 and fd01::/16. Nothing else lives there,
 * so what is sent back to them can be told from answers to real clients.
 */
#define FLOOD_SOURCE4 0x0a800000u
#define FLOOD_SOURCE4_MASK 0xff800000u
#define FLOOD_SOURCE6 0xfd010000u /* first 32 bits */
#define FLOOD_SOURCE6_MASK 0xffff0000u

/* How each packet differs from the template that the benchmark gives. */
struct flood_aim {
	__u32 mask;	/* destinations in use, less one */
	__u32 fixed_ip; /* sum of the 16-bit words that stay, as the checksums want it */
	__u32 fixed_l4;
	__u8 v6;
	__u8 tcp;
	__u8 drop; /* make the packet, then drop it: what the generator itself costs */
	__u8 zero;
};

#endif
