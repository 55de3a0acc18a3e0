// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * listen(2) in a cgroup: the new listener goes into the window of a follow.
 *
 * The hook's context is stable UAPI, as in dispatch.bpf.c; what tells the
 * kernel's own sockets and MPTCP's is read from the kernel's structures.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "abi.h"
#include "slots.h"

#define AF_INET 2
#define AF_INET6 10
#define EEXIST 17
#define EINVAL 22

#define NSEC_PER_SEC 1000000000ull

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock {
	__u8 sk_kern_sock : 1;
};

struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	bool is_mptcp; /* with CONFIG_MPTCP */
};

#pragma clang attribute pop

/* The follow. Its map is pinned, for those who ask. */
struct follow_state follow;

/* Is the listener bound to what the follow names? */
static __always_inline bool is_followed(struct bpf_sock_ops *ops)
{
	const __u32 *a = (const __u32 *)follow.address;

	if (!follow.family)
		return true;
	if (ops->local_port != follow.port)
		return false;
	if (ops->family == AF_INET)
		return follow.family == AF_INET && ops->local_ip4 == a[0];
	if (follow.family == AF_INET) /* IPv4-mapped */
		return !ops->local_ip6[0] && !ops->local_ip6[1] &&
		       ops->local_ip6[2] == bpf_htonl(0xffff) && ops->local_ip6[3] == a[0];
	return ops->local_ip6[0] == a[0] && ops->local_ip6[1] == a[1] &&
	       ops->local_ip6[2] == a[2] && ops->local_ip6[3] == a[3];
}

/* Why a socket must not be in a map; 0: it may. */
static __always_inline int unfit(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	const struct tcp_sock *tcp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (!tcp)
		return -EINVAL;
	/* First, since that is the kernel's own, too. */
	if (bpf_core_field_exists(tcp->is_mptcp) && tcp->is_mptcp)
		return FOLLOW_MPTCP;
	if (BPF_CORE_READ_BITFIELD(&tcp->inet_conn.icsk_inet.sk, sk_kern_sock))
		return FOLLOW_KERNEL;
	return 0;
}

struct newcomer {
	struct bpf_sock_ops *ops;
	__u64 cookie;
	__u32 first, place;
	__s32 err;
};

/* Was it there before? A socket that listens a second time has its slot already. */
static long find_place(__u64 i, struct newcomer *n)
{
	__u32 slot = n->first + i;
	const struct slot_record *record = bpf_map_lookup_elem(&records, &slot);

	if (!record || record->cookie != n->cookie)
		return 0;
	n->place = i;
	return 1;
}

static __always_inline long put(struct newcomer *n, __u64 flags)
{
	__u32 slot = n->first + n->place;

	return bpf_sock_map_update(n->ops, &sockets, &slot, flags);
}

/* This place, if it is free. */
static long take_place(__u64 i, struct newcomer *n)
{
	n->place = i;
	n->err = put(n, BPF_NOEXIST);
	return n->err != -EEXIST;
}

/* The record is complete once it has its cookie. */
static __always_inline void write_record(const struct newcomer *n)
{
	__u32 slot = n->first + n->place;
	struct slot_record *record = bpf_map_lookup_elem(&records, &slot);

	if (!record)
		return;
	*(volatile __u64 *)&record->cookie = 0;
	record->since = bpf_ktime_get_boot_ns() / NSEC_PER_SEC;
	record->uid = follow.uid;
	record->flags = RECORD_BOOT;
	__builtin_memcpy(record->how, "follow", sizeof("follow"));
	*(volatile __u64 *)&record->cookie = n->cookie;
}

/* A place that is free or, where none is, one whose socket has to go. */
static __always_inline void find_room(struct newcomer *n, struct window *w)
{
	bpf_loop(WINDOW_SLOTS, take_place, n, 0);
	if (n->err == -EEXIST) {
		n->place = WINDOW_SLOTS - 1 -
			   __sync_fetch_and_add(&w->turnover, 1) % WINDOW_TURNOVER;
		n->err = put(n, BPF_ANY);
	}
}

/* 0, or why the kernel does not take it. */
static __always_inline int insert(struct bpf_sock_ops *ops, struct window *w, __u32 first)
{
	struct newcomer n = { .ops = ops, .cookie = bpf_get_socket_cookie(ops), .first = first,
			      .place = WINDOW_SLOTS };

	bpf_loop(WINDOW_SLOTS, find_place, &n, 0);
	if (n.place < WINDOW_SLOTS)
		n.err = put(&n, BPF_NOEXIST);
	else
		find_room(&n, w);
	if (n.err && n.err != -EEXIST)
		return n.err;
	if (!n.err)
		write_record(&n);
	/* Whoever sees the new version sees the socket, or that it can be used again. */
	__sync_fetch_and_add(&w->version, 1);
	return 0;
}

static __always_inline void listens(struct bpf_sock_ops *ops)
{
	__u32 first = follow.window[FOLLOW_TCP | (ops->family == AF_INET6)], index;
	struct window *w;
	int err = unfit(ops);

	if (!first)
		return;
	index = WINDOW_OF(first);
	w = bpf_map_lookup_elem(&windows, &index);
	if (!w)
		return;
	if (!err)
		err = insert(ops, w, first);
	if (!err) {
		__sync_fetch_and_add(&follow.registered, 1);
		return;
	}
	follow.error = err;
	__sync_fetch_and_add(&follow.refused, 1);
}

/*
 * It is called for much else, for every connection of the cgroup, and answers
 * nothing: what other programs have answered stays.
 */
SEC("sockops")
int anybind_follow(struct bpf_sock_ops *ops)
{
	if (ops->op == BPF_SOCK_OPS_TCP_LISTEN_CB &&
	    bpf_get_netns_cookie(ops) == follow.netns_cookie && is_followed(ops))
		listens(ops);
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
