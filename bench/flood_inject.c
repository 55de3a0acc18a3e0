// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_inject.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "flood.h"
#include "flood.skel.h"
#include "kernel.h"

/* Payload of a datagram: with it the frame is as long as Ethernet's shortest. */
#define PAYLOAD 18
/* What a NIC hands over at once. */
#define BATCH 64

int injector_open(struct injector *ret)
{
	struct injector injector = { 0 };
	size_t size;
	int r;

	injector.skel = flood_bpf__open_and_load();
	if (!injector.skel)
		return -errno;
	r = kernel_mmap(bpf_map__fd(injector.skel->maps.order), true, (void **)&injector.order,
			&size);
	if (r < 0) {
		flood_bpf__destroy(injector.skel);
		return r;
	}
	*ret = injector;
	return 0;
}

void injector_close(struct injector *injector)
{
	flood_bpf__destroy(injector->skel);
}

int injector_attach(struct injector *injector, unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(injector->skel->progs.swallow));
	int r = bpf_xdp_attach(ifindex, bpf_program__fd(injector->skel->progs.flood), 0, NULL);

	if (!r)
		r = bpf_tc_hook_create(&hook);
	return r ? r : bpf_tc_attach(&hook, &opts);
}

/* ---- what packets have in common ---- */

static uint32_t sum_words(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i += 2) {
		uint16_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

/* The four options that every stack's SYN has would be parsed alike for all: one is enough. */
static size_t put_l4(uint8_t *l4, bool tcp)
{
	static const uint8_t mss[] = { TCPOPT_MAXSEG, TCPOLEN_MAXSEG, 1460 >> 8, 1460 & 0xff };

	if (tcp) {
		struct tcphdr *header = (struct tcphdr *)l4;

		*header = (struct tcphdr){ .doff = (sizeof(*header) + sizeof(mss)) / 4,
					   .syn = 1,
					   .window = htons(64240) };
		memcpy(header + 1, mss, sizeof(mss));
		return sizeof(*header) + sizeof(mss);
	}
	*(struct udphdr *)l4 = (struct udphdr){ .len = htons(sizeof(struct udphdr) + PAYLOAD) };
	return sizeof(struct udphdr) + PAYLOAD;
}

static uint8_t *put_l3(uint8_t *l3, bool v6, uint8_t protocol, size_t l4_size)
{
	struct ip6_hdr *ip6 = (struct ip6_hdr *)l3;
	struct iphdr *ip = (struct iphdr *)l3;

	if (v6) {
		*ip6 = (struct ip6_hdr){ .ip6_flow = htonl(6u << 28),
					 .ip6_plen = htons(l4_size),
					 .ip6_nxt = protocol,
					 .ip6_hlim = 64 };
		ip6->ip6_src.s6_addr32[0] = htonl(FLOOD_SOURCE6);
		return l3 + sizeof(*ip6);
	}
	*ip = (struct iphdr){ .version = 4,
			      .ihl = 5,
			      .tot_len = htons(sizeof(*ip) + l4_size),
			      .frag_off = htons(IP_DF),
			      .ttl = 64,
			      .protocol = protocol };
	return l3 + sizeof(*ip);
}

void injector_aim(struct injector *injector, bool v6, bool tcp, uint32_t destinations)
{
	struct flood_aim *aim = &injector->skel->bss->aim;
	struct ether_header *eth = (struct ether_header *)injector->packet;
	uint8_t *l3 = (uint8_t *)(eth + 1), *l4, protocol = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	size_t l3_size = v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr);
	size_t l4_size;

	memset(injector->packet, 0, sizeof(injector->packet));
	ether_aton_r(FLOOD_MAC, (struct ether_addr *)eth->ether_dhost);
	ether_aton_r(FLOOD_PEER_MAC, (struct ether_addr *)eth->ether_shost);
	eth->ether_type = htons(v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	l4_size = put_l4(l3 + l3_size, tcp);
	l4 = put_l3(l3, v6, protocol, l4_size);
	*aim = (struct flood_aim){
		.mask = destinations - 1,
		.fixed_ip = sum_words(l3, l3_size),
		.fixed_l4 = sum_words(l4, l4_size) + htons(protocol) + htons(l4_size) +
			    (v6 ? sum_words(l3 + 8, 16) : 0),
		.v6 = v6,
		.tcp = tcp,
	};
	injector->size = l4 + l4_size - injector->packet;
}

int injector_run(struct injector *injector, unsigned int ifindex, uint32_t packets, bool drop,
		 double *ret_ns)
{
	struct xdp_md ctx = { .data_end = injector->size, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = injector->packet,
		    .data_size_in = injector->size, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .repeat = packets, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

	injector->skel->bss->aim.drop = drop;
	if (bpf_prog_test_run_opts(bpf_program__fd(injector->skel->progs.flood), &opts) < 0)
		return -errno;
	*ret_ns = opts.duration;
	return 0;
}
