// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * sk_lookup: packet -> action -> verdict -> service -> socket.
 *
 * linux/bpf.h and not vmlinux.h: the hook's context is stable UAPI, and
 * relocating accesses to it makes the verifier refuse them.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "lookup.h"
#include "slots.h"

#define AF_INET 2
#define ENOENT 2
#define EAFNOSUPPORT 97
#define EPROTOTYPE 91
#define ESOCKTNOSUPPORT 94

/* 2^64 divided by the golden ratio */
#define HASH_MUL 0x9e3779b97f4a7c15ull

/* Of this generation. Reads of it are constants to the verifier. */
const volatile struct table_params params;

/*
 * This generation's table: the value of a map that the library puts in the
 * place of this one. As data of the program its address is a constant, and
 * reading it costs no lookup.
 */
#define TABLE_PLACEHOLDER 4096
__u8 table[TABLE_PLACEHOLDER] SEC(".data.table");

/* The rest belongs to the namespace, like the slots, and outlives generations. */
struct group {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct group_element));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SLOTS_OWN);
	__type(key, __u32);
	__array(values, struct group);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERVICE_IDS);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SERVICE_IDS);
	__type(key, __u32);
	__type(value, struct registry_entry);
} registry SEC(".maps");

static __always_inline const __u8 *table_value(void)
{
	const __u8 *value = table;

	lookup_opaque(value); /* it is larger than clang thinks */
	__builtin_assume(value);
	return value;
}

/* PROTO_BIT_TCP (for 6) or PROTO_BIT_UDP (for 17), without a branch. */
static __always_inline __u32 proto_bit(const struct bpf_sk_lookup *ctx)
{
	return (ctx->protocol >> 4) + 1;
}

static __always_inline void load_destination(const struct bpf_sk_lookup *ctx, struct search *s,
					     bool v6)
{
	s->v6 = v6;
	if (v6) {
		s->hi = lookup_half(ctx->local_ip6[0], ctx->local_ip6[1]);
		s->lo = lookup_half(ctx->local_ip6[2], ctx->local_ip6[3]);
	} else {
		s->lo = ctx->local_ip4;
	}
}

struct search_loop {
	struct search search;
	const __u8 *table;
};

/*
 * A zero that the verifier does not know as one. What it is added to becomes
 * any number to the verifier, so that all turns of a loop look alike to it and
 * one suffices; else it follows the loop for every value that comes up.
 */
static __always_inline __u64 unknown_zero(const __u8 *table)
{
	return ((const struct table_header *)table)->zero;
}

static long search_step(__u64 i, struct search_loop *loop)
{
	long done = lookup_search_step(loop->table, &params, &loop->search);
	__u64 zero = unknown_zero(loop->table);

	loop->search.level += zero;
	loop->search.probe += zero;
	loop->search.best += zero;
	return done;
}

/*
 * The rest of a search that the first line did not end. This function and
 * walk() are global, so that the verifier looks at them once and not anew for
 * every way that leads to them: a change must not wait for it.
 */
__noinline __u32 search_on(struct bpf_sk_lookup *ctx, __u64 level, __u64 probe, __u64 best)
{
	struct search_loop loop = {
		.search = { .level = level, .probe = probe, .best = best },
		.table = table_value(),
	};

	load_destination(ctx, &loop.search, ctx->family != AF_INET);
	bpf_loop(SEARCH_STEPS_MAX, search_step, &loop, 0);
	return loop.search.best;
}

struct walk_loop {
	struct walk walk;
	const __u8 *table;
};

static long walk_step(__u64 i, struct walk_loop *loop)
{
	long done = lookup_step(loop->table, &params, &loop->walk);
	__u64 zero = unknown_zero(loop->table);

	loop->walk.action += zero;
	loop->walk.first += zero;
	loop->walk.ranges += zero;
	loop->walk.lengths += zero;
	loop->walk.probe += zero;
	return done;
}

/* Actions that need more than a glance: port lists, sources, devices. */
__noinline __u32 walk(struct bpf_sk_lookup *ctx, __u64 action)
{
	struct walk_loop loop = {
		.walk = {
			.action = action,
			.proto = proto_bit(ctx),
			.port = ctx->local_port,
			.ifindex = ctx->ingress_ifindex,
			.v6 = ctx->family ^ AF_INET,
		},
		.table = table_value(),
	};
	struct walk *w = &loop.walk;

	w->first = w->ranges = w->lengths = w->probe = unknown_zero(loop.table);
	if (w->v6) {
		w->src[0] = ctx->remote_ip6[0];
		w->src[1] = ctx->remote_ip6[1];
		w->src[2] = ctx->remote_ip6[2];
		w->src[3] = ctx->remote_ip6[3];
		w->src_hi = lookup_half(w->src[0], w->src[1]);
		w->src_lo = lookup_half(w->src[2], w->src[3]);
	} else {
		w->src[0] = ctx->remote_ip4;
		w->src_lo = w->src[0];
	}
	bpf_loop(WALK_STEPS_MAX, walk_step, &loop, 0);
	return w->action & ACTION_TAG ? ACTION_VERDICT : w->action;
}

/*
 * Action for the packet's destination: nearly always one line away, and decided
 * in it. @v6 is a constant.
 */
static __always_inline __u32 find(struct bpf_sk_lookup *ctx, bool v6)
{
	family_params family = v6 ? &params.v6 : &params.v4;
	const __u8 *table = table_value();
	struct search s = { .best = family->fallback };
	int found;

	if (!family->lines)
		return s.best;
	load_destination(ctx, &s, v6);
	found = v6 ? lookup_search_line6(table, &params, &s, 0)
		   : lookup_search_line4(table, &params, &s, 0);
	if (found != FOUND) {
		lookup_search_on(family, &s, 0, found);
		if (s.level < LEVELS_MAX)
			s.best = search_on(ctx, s.level, s.probe, s.best);
	}
	if ((s.best & ACTION_TAG) == ACTION_PORT || (s.best & ACTION_TAG) == ACTION_PROTO)
		s.best = lookup_inline_action(s.best, proto_bit(ctx), ctx->local_port,
					      family->fallback);
	return s.best;
}

/* The packet's verdict. */
static __always_inline __u32 classify(struct bpf_sk_lookup *ctx)
{
	__u32 action = ctx->family == AF_INET ? find(ctx, false) : find(ctx, true);

	if (params.has_nodes && action & ACTION_TAG)
		action = walk(ctx, action);
	return action >> ACTION_SHIFT;
}

/* ---- sockets ---- */

#define NO_SOCKET (-ENOENT)
#define HAS_GROUP 1

/* 0, NO_SOCKET, or what bpf_sk_assign() says. */
static __always_inline long assign(struct bpf_sk_lookup *ctx, __u32 slot)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&sockets, &slot);
	long err;

	if (!sk)
		return NO_SOCKET;
	err = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return err;
}

/* The same number for all packets of a flow. */
static __always_inline __u32 flow_hash(const struct bpf_sk_lookup *ctx)
{
	__u64 x = (__u64)ctx->remote_port << 16 | ctx->local_port;

	if (ctx->family == AF_INET) {
		x ^= (__u64)ctx->remote_ip4 << 32;
		x = (x ^ ctx->local_ip4) * HASH_MUL;
	} else {
		x = (x ^ ctx->remote_ip6[0] ^ (__u64)ctx->remote_ip6[1] << 32) * HASH_MUL;
		x = (x ^ x >> 32 ^ ctx->remote_ip6[2] ^ (__u64)ctx->remote_ip6[3] << 32) * HASH_MUL;
		x = (x ^ x >> 32 ^ ctx->local_ip6[0] ^ (__u64)ctx->local_ip6[1] << 32) * HASH_MUL;
		x = (x ^ x >> 32 ^ ctx->local_ip6[2] ^ (__u64)ctx->local_ip6[3] << 32) * HASH_MUL;
	}
	x = (x ^ x >> 32) * HASH_MUL;
	return x >> 32;
}

static __always_inline const struct group_element *group_element(__u32 group, __u32 index)
{
	void *elements = bpf_map_lookup_elem(&groups, &group);

	return elements ? bpf_map_lookup_elem(elements, &index) : NULL;
}

/* Tries the sockets of a window in turn. */
struct window_turn {
	struct bpf_sk_lookup *ctx;
	__u32 first, best;
	__s32 err;
	bool barren; /* no socket will ever take such a packet */
};

static long try_place(__u64 i, struct window_turn *turn)
{
	long err = assign(turn->ctx, turn->first + i);

	if (err != NO_SOCKET) {
		turn->best = i;
		turn->err = err;
	}
	/* One that was shut down or connected may be used again, unheard of. */
	if (err != NO_SOCKET && err != -EAFNOSUPPORT)
		turn->barren = false;
	return !err;
}

/* A socket of a window. */
__noinline int assign_window(struct bpf_sk_lookup *ctx, __u32 first)
{
	__u32 index = WINDOW_OF(first), v6 = ctx->family != AF_INET, version;
	struct window *w = bpf_map_lookup_elem(&windows, &index);
	struct window_turn turn = { .ctx = ctx, .first = first, .err = NO_SOCKET, .barren = true };
	long err;

	if (!w)
		return NO_SOCKET;
	err = assign(ctx, first + (w->best[v6] & (WINDOW_SLOTS - 1)));
	if (!err)
		return 0;
	if (w->barren[v6] == *(volatile __u32 *)&w->version)
		return err;
	/* Atomic, so that the sockets are looked at later. */
	version = __sync_fetch_and_add(&w->version, 0);
	turn.best = w->best[v6];
	bpf_loop(WINDOW_SLOTS, try_place, &turn, 0);
	w->best[v6] = turn.best;
	if (turn.err && turn.barren)
		w->barren[v6] = version;
	return turn.err;
}

/* What is in a place of a group's table, or one of its members. */
static __always_inline long assign_member(struct bpf_sk_lookup *ctx,
					  const struct group_element *member)
{
	if (member->b & GROUP_WINDOW)
		return assign_window(ctx, member->a);
	return assign(ctx, member->a);
}

/* Tries the members of a group in turn, from any one on. */
struct turn {
	struct bpf_sk_lookup *ctx;
	__u32 group, next, n;
	__s32 err;
};

static long try_member(__u64 i, struct turn *turn)
{
	const struct group_element *member;

	turn->next = turn->next + 1 < turn->n ? turn->next + 1 : 0;
	member = group_element(turn->group, GROUP_HEAD + turn->next);
	if (!member)
		return 1;
	turn->err = assign_member(turn->ctx, member);
	return !turn->err;
}

/*
 * A socket of a group. The error of the socket that the flow belongs to, if no
 * other could take it either.
 */
__noinline int assign_group(struct bpf_sk_lookup *ctx, __u32 group)
{
	void *elements = bpf_map_lookup_elem(&groups, &group);
	const struct group_element *head, *counts, *place;
	__u32 hash = flow_hash(ctx), index = 0;
	struct turn turn = { .ctx = ctx, .group = group };
	long err = NO_SOCKET;

	if (!elements)
		return NO_SOCKET;
	head = bpf_map_lookup_elem(elements, &index);
	if (!head)
		return NO_SOCKET;
	index = head->b + (hash & head->a);
	place = bpf_map_lookup_elem(elements, &index);
	if (place)
		err = assign_member(ctx, place);
	if (!err)
		return 0;
	counts = group_element(group, 1);
	if (!counts || counts->a <= !!place) /* there is no other */
		return err;
	turn.n = counts->a;
	turn.next = hash % turn.n;
	turn.err = err;
	bpf_loop(turn.n, try_member, &turn, 0);
	return turn.err ? err : 0;
}

/* What comes of a single socket in a service's own slot, or HAS_GROUP. */
static __always_inline long assign_own(struct bpf_sk_lookup *ctx, __u32 slot)
{
	return bpf_map_lookup_elem(&groups, &slot) ? HAS_GROUP : assign(ctx, slot);
}

/* The slot of the service, protocol and family: families are 2 and 10, protocols 6 and 17. */
static __always_inline __u32 own_slot(const struct bpf_sk_lookup *ctx, __u32 id)
{
	return SLOT(id, ctx->protocol >> 4, ctx->family >> 3);
}

static __always_inline void count(struct counters *c, long err)
{
	switch (err) {
	case 0:
		c->steered++;
		break;
	case NO_SOCKET:
		c->missing++;
		break;
	case -EAFNOSUPPORT:
		c->eafnosupport++;
		break;
	case -EPROTOTYPE:
		c->eprototype++;
		break;
	case -ESOCKTNOSUPPORT:
		c->esocktnosupport++;
		break;
	default:
		c->other++;
	}
}

/*
 * Gives the packet to any socket of the service and counts what came of it.
 * @err: of assign_own().
 */
static __always_inline long assign_service(struct bpf_sk_lookup *ctx, __u32 id, long err)
{
	struct counters *c = bpf_map_lookup_elem(&counters, &id);
	__u32 slot = own_slot(ctx, id);

	if (err == HAS_GROUP)
		err = assign_group(ctx, slot);
	if (err == NO_SOCKET && !(slot & 1)) { /* a dual-stack socket serves IPv4 too */
		err = assign_own(ctx, slot | 1);
		if (err == HAS_GROUP)
			err = assign_group(ctx, slot | 1);
	}
	if (c)
		count(c, err);
	return err;
}

/* Tries the services behind one that has no usable socket, in turn. */
struct chain {
	struct bpf_sk_lookup *ctx;
	const __u8 *table;
	__u64 id; /* of the service tried last */
	__s64 err;
};

static long try_fallback(__u64 i, struct chain *chain)
{
	__u32 next = lookup_fallback(chain->table, &params, chain->id);

	if (!next)
		return 1;
	chain->id = VERDICT_ID(next) + unknown_zero(chain->table);
	chain->err = assign_service(chain->ctx, chain->id,
				    assign_own(chain->ctx, own_slot(chain->ctx, chain->id)));
	return !chain->err;
}

/*
 * The rest of steer(), where a single socket in the service's own slot did not
 * do: @err says why. Global, so that the way of most packets is short and needs
 * few registers.
 */
__noinline int steer_on(struct bpf_sk_lookup *ctx, __u32 verdict, int err)
{
	struct chain chain = {.ctx = ctx, .table = table_value(), .id = VERDICT_ID(verdict)};

	chain.err = assign_service(ctx, chain.id, err);
	if (chain.err && params.n_fallbacks)
		bpf_loop(FALLBACKS_MAX, try_fallback, &chain, 0);
	if (!chain.err)
		return SK_PASS;
	return verdict & VERDICT_MISSING_PASS ? SK_PASS : SK_DROP;
}

/*
 * Gives the packet to a socket of the service or of those that stand in for it;
 * else the policy of the service that the rule names holds.
 */
static __always_inline int steer(struct bpf_sk_lookup *ctx, __u32 verdict)
{
	__u32 id = VERDICT_ID(verdict);
	int err = assign_own(ctx, own_slot(ctx, id));
	struct counters *c;

	if (err)
		return steer_on(ctx, verdict, err) ? SK_PASS : SK_DROP;
	c = bpf_map_lookup_elem(&counters, &id);
	if (c)
		c->steered++;
	return SK_PASS;
}

SEC("sk_lookup")
int anybind_dispatch(struct bpf_sk_lookup *ctx)
{
	__u32 verdict = classify(ctx);

	if (VERDICT_IS_SERVICE(verdict))
		return steer(ctx, verdict);
	return verdict == VERDICT_PASS ? SK_PASS : SK_DROP;
}

/* The hook's helpers are open to every licence; this names ours to the kernel. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
