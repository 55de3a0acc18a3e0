// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A flood made where it hurts: the XDP program is run by BPF_PROG_TEST_RUN with
 * live frames and writes source, destination and ports of each packet before
 * the kernel receives it. All that are compared get the same packets by the
 * same program.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flood.h"
#include "spread.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, union destinations);
} order SEC(".maps");

struct flood_aim aim;
__u64 position;

/* Finaliser of MurmurHash3. */
static __always_inline __u64 mix(__u64 x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
	return x ^ x >> 33;
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Ports, and a checksum over @sum and what else changes in the header. */
static __always_inline int write_l4(void *l4, void *end, __u64 sum, __u64 random, __u16 dport)
{
	__u16 sport = bpf_htons(0x400 | random >> 32);
	struct tcphdr *tcp = l4;
	struct udphdr *udp = l4;

	sum += (__u64)sport + dport + aim.fixed_l4;
	if (aim.tcp) {
		if ((void *)(tcp + 1) > end)
			return XDP_ABORTED;
		tcp->source = sport;
		tcp->dest = dport;
		tcp->seq = random >> 16;
		tcp->check = fold(sum + tcp->seq);
	} else {
		if ((void *)(udp + 1) > end)
			return XDP_ABORTED;
		udp->source = sport;
		udp->dest = dport;
		/* None at all over IPv4; 0 would mean none, which IPv6 does not allow. */
		udp->check = aim.v6 ? fold(sum) ?: 0xffff : 0;
	}
	return aim.drop ? XDP_DROP : XDP_PASS;
}

static __always_inline int write4(void *l3, void *end, __u64 at, const struct destination4 *to)
{
	struct iphdr *ip = l3;
	__u64 random = mix(at);
	__u64 addresses;

	if ((void *)(ip + 1) > end)
		return XDP_ABORTED;
	/* Or the route of the packet before would do for this one, too. */
	ip->tos = at << 2;
	ip->saddr = bpf_htonl(FLOOD_SOURCE4 | (random & ~FLOOD_SOURCE4_MASK));
	ip->daddr = to->addr;
	addresses = (__u64)ip->saddr + ip->daddr;
	ip->check = fold(addresses + aim.fixed_ip + bpf_htons(ip->tos));
	return write_l4(ip + 1, end, addresses, random, to->port);
}

static __always_inline int write6(void *l3, void *end, __u64 at, const struct destination6 *to)
{
	struct ipv6hdr *ip = l3;
	__u64 random = mix(at);
	__u32 *src, *dst;

	if ((void *)(ip + 1) > end)
		return XDP_ABORTED;
	src = ip->saddr.in6_u.u6_addr32;
	dst = ip->daddr.in6_u.u6_addr32;
	ip->priority = at;
	src[2] = random;
	src[3] = random >> 32;
	dst[0] = to->addr[0];
	dst[1] = to->addr[1];
	dst[2] = to->addr[2];
	dst[3] = to->addr[3];
	return write_l4(ip + 1, end,
			(__u64)src[2] + src[3] + dst[0] + dst[1] + dst[2] + dst[3], random,
			to->port);
}

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	union destinations *to;
	__u64 at = position++;
	__u32 zero = 0, i;

	to = bpf_map_lookup_elem(&order, &zero);
	if (!to)
		return XDP_ABORTED;
	i = at & aim.mask & (DESTINATIONS - 1);
	data += sizeof(struct ethhdr);
	return aim.v6 ? write6(data, end, at, &to->v6[i]) : write4(data, end, at, &to->v4[i]);
}

/* What the server sends back to the flood goes nowhere, as if it had been sent. */
SEC("tc")
int swallow(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end)
		return TC_ACT_OK;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return (bpf_ntohl(ip->daddr) & FLOOD_SOURCE4_MASK) == FLOOD_SOURCE4 ?
			       TC_ACT_STOLEN :
			       TC_ACT_OK;
	if (eth->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(ip6 + 1) > end)
		return TC_ACT_OK;
	return (bpf_ntohl(ip6->daddr.in6_u.u6_addr32[0]) & FLOOD_SOURCE6_MASK) == FLOOD_SOURCE6 ?
		       TC_ACT_STOLEN :
		       TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
