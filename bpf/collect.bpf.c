// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Iterators over a namespace's TCP and UDP sockets that put those with given
 * cookies into their slots: no descriptor and no process is needed.
 *
 * These look into the kernel's own structures, so they need its BTF. Declared
 * is only what is read; offsets are relocated at load.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "collect.h"

#define TCP_ESTABLISHED 1
#define TCP_LISTEN 10

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct sock_common {
	__u16 skc_num;
	unsigned char skc_state;
	unsigned char skc_reuseport : 1;
	struct {
		__s64 counter;
	} skc_cookie;
};

struct sock {
	struct sock_common __sk_common;
	__u8 sk_kern_sock : 1;
	__u16 sk_protocol;
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

struct udp_sock {
	struct inet_sock inet;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
};

#pragma clang attribute pop

/* Insert none, list those on this port, host order; 0: insert those wanted. */
const volatile __u32 list_port;
/* Into slots that are empty only. */
const volatile bool claim;

/* Cookie to slot. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} wanted SEC(".maps");

/* The library may put another in its place. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

/*
 * Is it to be told of? The cookie is read and not made: whoever asks for
 * a socket has its cookie from the kernel.
 */
static __always_inline bool is_wanted(const struct sock_common *skc, bool fits)
{
	__u64 cookie = skc->skc_cookie.counter;

	if (list_port)
		return fits && skc->skc_num == list_port;
	return bpf_map_lookup_elem(&wanted, &cookie) != NULL;
}

static __always_inline __u32 common_flags(struct sock_common *skc, const struct sock *sk, bool fits,
					  __u32 protocol)
{
	__u32 flags = 0;

	if (BPF_CORE_READ_BITFIELD(skc, skc_reuseport))
		flags |= COLLECT_REUSEPORT;
	if (!fits)
		flags |= COLLECT_STATE;
	if (sk->sk_protocol != protocol)
		flags |= COLLECT_PROTOCOL;
	if (BPF_CORE_READ_BITFIELD(sk, sk_kern_sock))
		flags |= COLLECT_KERNEL;
	return flags;
}

/* @sk is for the map, in the type that the verifier knows it by. */
static __always_inline void collect(struct seq_file *seq, void *sk, __u64 cookie, __u32 flags)
{
	struct collect_record record = { .cookie = cookie, .flags = flags };
	const __u32 *found = list_port ? NULL : bpf_map_lookup_elem(&wanted, &cookie);
	__u32 slot;

	if (found && !(flags & ~COLLECT_REUSEPORT)) {
		slot = *found;
		record.error =
			bpf_map_update_elem(&sockets, &slot, sk, claim ? BPF_NOEXIST : BPF_ANY);
	}
	bpf_seq_write(seq, &record, sizeof(record));
}

SEC("iter/tcp")
int collect_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	const struct tcp_sock *tcp;
	__u32 flags = 0;
	bool listens;

	if (!skc)
		return 0;
	listens = skc->skc_state == TCP_LISTEN;
	if (!is_wanted(skc, listens))
		return 0;
	/* No TCP, or what is left of a connection, which has no struct sock. */
	tcp = bpf_skc_to_tcp_sock(skc);
	if (!tcp) {
		collect(ctx->meta->seq, skc, skc->skc_cookie.counter, COLLECT_STATE);
		return 0;
	}
	flags = common_flags(skc, &tcp->inet_conn.icsk_inet.sk, listens, IPPROTO_TCP);
	if (bpf_core_field_exists(tcp->is_mptcp) && tcp->is_mptcp)
		flags |= COLLECT_MPTCP;
	collect(ctx->meta->seq, skc, skc->skc_cookie.counter, flags);
	return 0;
}

SEC("iter/udp")
int collect_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *udp = ctx->udp_sk;
	struct sock_common *skc;
	bool fits;

	if (!udp)
		return 0;
	skc = &udp->inet.sk.__sk_common;
	fits = skc->skc_state != TCP_ESTABLISHED;
	if (is_wanted(skc, fits))
		collect(ctx->meta->seq, udp, skc->skc_cookie.counter,
			common_flags(skc, &udp->inet.sk, fits, IPPROTO_UDP));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
