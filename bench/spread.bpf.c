// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Looks up one destination after the other as an arriving packet would: the
 * helper runs the namespace's sk_lookup programs from the same place.
 *
 * The order is read sequentially, which costs all that are compared the same
 * and next to nothing. Where the next destination stands depends (by nothing)
 * on the socket that was found: without that the CPU would begin the next
 * lookup while it waits for memory, as it cannot between two packets.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "spread.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, union destinations);
} order SEC(".maps");

bool v6;
__u64 position;
__u64 mismatches;
/* The port that is expected: (destination's & by_rule) | always; 0: no socket. */
__u32 by_rule, always;

/* Bits in which the port of the socket found differs from the one expected. */
static __always_inline __u64 look_up(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
				     __u32 size, __u32 expect)
{
	struct bpf_sock *sk = bpf_sk_lookup_udp(skb, tuple, size, BPF_F_CURRENT_NETNS, 0);
	__u32 port = 0;

	if (sk) {
		port = sk->src_port;
		bpf_sk_release(sk);
	}
	return port ^ ((expect & by_rule) | always);
}

static __always_inline __u64 look_up4(struct __sk_buff *skb, const struct destination4 *to)
{
	struct bpf_sock_tuple tuple = {
		.ipv4 = { .saddr = 0x010200c0, .sport = 0x3930, .daddr = to->addr,
			  .dport = to->port },
	};

	return look_up(skb, &tuple, sizeof(tuple.ipv4), to->expect);
}

static __always_inline __u64 look_up6(struct __sk_buff *skb, const struct destination6 *to)
{
	struct bpf_sock_tuple tuple = {
		.ipv6 = { .saddr = { 0xb80d0120, 0, 0, 0x01000000 }, .sport = 0x3930,
			  .daddr = { to->addr[0], to->addr[1], to->addr[2], to->addr[3] },
			  .dport = to->port },
	};

	return look_up(skb, &tuple, sizeof(tuple.ipv6), to->expect);
}

SEC("tc")
int spread(struct __sk_buff *skb)
{
	__u64 at = position, wrong = 0;
	__u32 zero = 0;
	union destinations *to = bpf_map_lookup_elem(&order, &zero);

	if (!to)
		return TC_ACT_SHOT;
	for (__u64 i = 0; i < LOOKUPS_PER_RUN; i++) {
		__u64 differ;

		at &= DESTINATIONS - 1;
		differ = v6 ? look_up6(skb, &to->v6[at]) : look_up4(skb, &to->v4[at]);
		wrong += differ != 0;
		at += 1 + differ;
	}
	position = at;
	mismatches += wrong;
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
