/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the peers' programs and the benchmark agree on. */
#ifndef ANYBIND_BENCH_PEERS_H
#define ANYBIND_BENCH_PEERS_H

#include <linux/types.h>

/* Services of the rules, each with one UDP socket a family. */
#define SERVICES 16
#define PEER_SLOT(service, v6) ((service) << 1 | (v6))

/* Key of the design with an LPM trie, most significant first as a trie wants it. */
struct binding_key {
	__u32 prefixlen; /* in bits of what follows */
	__u8 protocol;
	__u16 port; /* host order; 0: any */
	__u32 addr[4]; /* network order, IPv4 mapped */
} __attribute__((packed));

struct binding {
	__u32 slot;
	__u32 prefixlen;
};

struct binding_counters {
	__u64 received;
	__u64 missing;
	__u64 incompatible;
};

#endif
