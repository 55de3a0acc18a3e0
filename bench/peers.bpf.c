// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What the dispatcher is measured against: programs that do nothing, that
 * assign a socket without any rules, in steps, and that classify by two lookups
 * in an LPM trie (the published design of cloudflare/tubular).
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "peers.h"

#define AF_INET 2

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2 * SERVICES);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

/* The benchmark gives it its size. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct binding_key);
	__type(value, struct binding);
} bindings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * SERVICES);
	__type(key, __u32);
	__type(value, struct binding_counters);
} counters SEC(".maps");

SEC("sk_lookup")
int peer_pass(struct bpf_sk_lookup *ctx)
{
	return SK_PASS;
}

static __always_inline int assign(struct bpf_sk_lookup *ctx, __u32 slot)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&sockets, &slot);
	long err;

	if (!sk)
		return SK_DROP;
	err = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return err ? SK_DROP : SK_PASS;
}

SEC("sk_lookup")
int peer_fixed(struct bpf_sk_lookup *ctx)
{
	return assign(ctx, PEER_SLOT(0, ctx->family != AF_INET));
}

/* Finds the same socket and leaves it. */
SEC("sk_lookup")
int peer_found(struct bpf_sk_lookup *ctx)
{
	__u32 slot = PEER_SLOT(0, ctx->family != AF_INET);
	struct bpf_sock *sk = bpf_map_lookup_elem(&sockets, &slot);

	if (!sk)
		return SK_DROP;
	bpf_sk_release(sk);
	return SK_PASS;
}

SEC("sk_lookup")
int peer_counted(struct bpf_sk_lookup *ctx)
{
	__u32 slot = PEER_SLOT(0, ctx->family != AF_INET);
	struct binding_counters *c = bpf_map_lookup_elem(&counters, &slot);

	if (c)
		c->received++;
	return assign(ctx, slot);
}

/* One of all sockets, by where the packet goes: no rules, but as many sockets. */
SEC("sk_lookup")
int peer_any(struct bpf_sk_lookup *ctx)
{
	bool v6 = ctx->family != AF_INET;
	__u32 addr = v6 ? ctx->local_ip6[3] : 0, hash;

	barrier_var(addr); /* or clang chooses an address to load from, see below */
	hash = (addr ^ ctx->local_ip4) * 0x9e3779b1 >> 28;

	return assign(ctx, PEER_SLOT(hash & (SERVICES - 1), v6));
}

static __always_inline const struct binding *find(struct bpf_sk_lookup *ctx)
{
	struct binding_key key = {
		.prefixlen = 8 * (sizeof(key) - sizeof(key.prefixlen)),
		.protocol = ctx->protocol,
		.port = ctx->local_port,
	};
	const struct binding *exact, *any;

	if (ctx->family == AF_INET) {
		__u32 addr = ctx->local_ip4;

		/* Or clang chooses an address to load from, which the context forbids. */
		barrier_var(addr);
		key.addr[2] = bpf_htonl(0xffff);
		key.addr[3] = addr;
	} else {
		key.addr[0] = ctx->local_ip6[0];
		key.addr[1] = ctx->local_ip6[1];
		key.addr[2] = ctx->local_ip6[2];
		key.addr[3] = ctx->local_ip6[3];
	}
	exact = bpf_map_lookup_elem(&bindings, &key);
	key.port = 0;
	any = bpf_map_lookup_elem(&bindings, &key);
	return exact && !(any && any->prefixlen > exact->prefixlen) ? exact : any;
}

SEC("sk_lookup")
int peer_lpm(struct bpf_sk_lookup *ctx)
{
	const struct binding *binding = find(ctx);
	struct binding_counters *c;
	struct bpf_sock *sk;
	__u32 slot;
	long err;

	if (!binding)
		return SK_PASS;
	slot = binding->slot;
	c = bpf_map_lookup_elem(&counters, &slot);
	if (!c)
		return SK_DROP;
	c->received++;
	sk = bpf_map_lookup_elem(&sockets, &slot);
	if (!sk) {
		c->missing++;
		return SK_DROP;
	}
	err = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	if (err) {
		c->incompatible++;
		return SK_DROP;
	}
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
