/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The lookup itself, compiled for the kernel and for the library, so that
 * `explain` and the tests read a table with the very code that steers packets.
 *
 * A table may be hostile (read back from the kernel): every access is checked
 * against table_params, which the verifier demands anyway. Loop counters are
 * 64 bits wide: clang spills 32-bit ones in a way that the verifier takes for
 * an endless loop.
 */
#ifndef ANYBIND_LOOKUP_H
#define ANYBIND_LOOKUP_H

#include "abi.h"

#define LOOKUP_INLINE static inline __attribute__((always_inline))

#ifdef __clang__
#define LOOKUP_UNROLL _Pragma("unroll")
#else
#define LOOKUP_UNROLL _Pragma("GCC unroll 8")
#endif

/* Keeps the compiler from seeing through a value (and making branches of it). */
#define lookup_opaque(x) __asm__ volatile("" : "+r"(x))

/* Constants live in the program's read-only data; volatile keeps clang from folding them. */
typedef const volatile struct table_params *table_params;
typedef const volatile struct family_params *family_params;

/* One packet on its way through nodes; see lookup_step(). */
struct walk {
	__u32 action;  /* in: where to start; out: a verdict when done */
	__u32 lengths; /* SOURCES: lengths tried so far */
	__u32 proto;   /* PROTO_BIT_* */
	__u32 port;    /* destination, host order */
	__u32 ifindex; /* of the incoming interface */
	__u32 v6;
	__u32 src[4]; /* network order; IPv4 in the first */
	__u64 src_hi, src_lo; /* host order; IPv4 in src_lo */
};

LOOKUP_INLINE const void *lookup_line(const __u8 *table, table_params params, __u64 line)
{
	if (line >= params->lines)
		return (void *)0;
	lookup_opaque(line); /* or clang computes the address before the check */
	return table + params->lines_offset + line * 64;
}

/* @index and the WORDS_SLACK words behind it, or NULL. */
LOOKUP_INLINE const __u32 *lookup_words(const __u8 *table, table_params params, __u64 index)
{
	if (index >= params->words)
		return (void *)0;
	lookup_opaque(index);
	return (const __u32 *)(table + params->words_offset + index * 4);
}

/* ---- prefixes ---- */

LOOKUP_INLINE __u32 lookup_mask4(__u32 len)
{
	return len ? 0xffffffffu << (32 - len) : 0;
}

LOOKUP_INLINE void lookup_mask6(__u32 len, __u64 *hi, __u64 *lo)
{
	*hi = len >= 64 ? ~0ull : len ? ~0ull << (64 - len) : 0;
	*lo = len >= 128 ? ~0ull : len > 64 ? ~0ull << (128 - len) : 0;
}

/* Multiplicative hashing: the product's upper half, scaled to the number of lines. */
LOOKUP_INLINE __u64 lookup_home4(__u64 mul, __u32 lines, __u32 key, __u32 len)
{
	__u32 hash = ((key | (__u64)len << 32) * mul) >> 32;

	return ((__u64)hash * lines) >> 32;
}

LOOKUP_INLINE __u64 lookup_home6(__u64 mul, __u32 lines, __u64 hi, __u64 lo, __u32 len)
{
	__u64 x = (hi + len) * mul;
	__u32 hash;

	x ^= x >> 32;
	hash = ((x ^ lo) * mul) >> 32;
	return ((__u64)hash * lines) >> 32;
}

/* The slot's length byte if it holds (key, len), else 0. */
#define lookup_len_matches(byte, want) ((byte) && !(((byte) ^ (want)) & 0x7f))

/* What a search of one line comes to. */
#define FOUND_NONE 0 /* not here, nor in the following lines */
#define FOUND_NEXT 1 /* not here, but look into the next line */
#define FOUND 2
#define FOUND_MORE 3 /* found, and longer prefixes exist */

LOOKUP_INLINE int lookup_in_line4(const struct line4 *line, __u32 key, __u32 len, __u32 *action)
{
	LOOKUP_UNROLL
	for (__u64 i = 0; i < LINE4_SLOTS; i++) {
		__u8 byte;

		if (line->key[i] != key)
			continue;
		byte = line->len[i];
		if (!lookup_len_matches(byte, len))
			continue;
		*action = line->action[i];
		return byte & LINE_MORE ? FOUND_MORE : FOUND;
	}
	return line->next ? FOUND_NEXT : FOUND_NONE;
}

LOOKUP_INLINE int lookup_in_line6(const struct line6 *line, __u64 hi, __u64 lo, __u32 len,
				  __u32 *action)
{
	LOOKUP_UNROLL
	for (__u64 i = 0; i < LINE6_SLOTS; i++) {
		__u8 byte;

		if (line->key[i][1] != lo || line->key[i][0] != hi)
			continue;
		byte = line->len[i];
		if (!lookup_len_matches(byte, len))
			continue;
		*action = line->action[i];
		return byte & LINE_MORE && len != 128 ? FOUND_MORE : FOUND;
	}
	return line->next ? FOUND_NEXT : FOUND_NONE;
}

LOOKUP_INLINE int lookup_probe4(const __u8 *table, table_params params, __u64 line, __u32 key,
				__u32 len, __u32 *action)
{
	int found = FOUND_NONE;

	for (__u64 i = 0; i < PROBES_MAX; i++) {
		const struct line4 *l = lookup_line(table, params, line + i);

		if (!l)
			break;
		found = lookup_in_line4(l, key, len, action);
		if (found != FOUND_NEXT)
			break;
	}
	return found;
}

LOOKUP_INLINE int lookup_probe6(const __u8 *table, table_params params, __u64 line, __u64 hi,
				__u64 lo, __u32 len, __u32 *action)
{
	int found = FOUND_NONE;

	for (__u64 i = 0; i < PROBES_MAX; i++) {
		const struct line6 *l = lookup_line(table, params, line + i);

		if (!l)
			break;
		found = lookup_in_line6(l, hi, lo, len, action);
		if (found != FOUND_NEXT)
			break;
	}
	return found;
}

/* The longest prefix that holds @addr (host order): its action. */
LOOKUP_INLINE __u32 lookup_prefix4(const __u8 *table, table_params params, __u32 addr)
{
	family_params v4 = &params->v4;
	__u32 best = v4->fallback;
	__u64 level = 0;

	if (!v4->lines)
		return best;
	for (__u64 i = 0; i < DEPTH_MAX; i++) {
		__u32 len = v4->levels[level].len & 0x3f;
		__u32 key = addr & lookup_mask4(len);
		__u64 home = v4->line0 + lookup_home4(v4->mul, v4->lines, key, len);
		int found = lookup_probe4(table, params, home, key, len, &best);

		if (found == FOUND)
			break;
		level = found == FOUND_MORE ? v4->levels[level].longer : v4->levels[level].shorter;
		if (level >= LEVELS_MAX)
			break;
	}
	return best;
}

LOOKUP_INLINE __u32 lookup_prefix6(const __u8 *table, table_params params, __u64 hi, __u64 lo)
{
	family_params v6 = &params->v6;
	__u32 best = v6->fallback;
	__u64 level = 0;

	if (!v6->lines)
		return best;
	for (__u64 i = 0; i < DEPTH_MAX; i++) {
		__u32 len = v6->levels[level].len;
		__u64 mask_hi, mask_lo, home;
		int found;

		lookup_mask6(len, &mask_hi, &mask_lo);
		mask_hi &= hi;
		mask_lo &= lo;
		home = v6->line0 + lookup_home6(v6->mul, v6->lines, mask_hi, mask_lo, len);
		found = lookup_probe6(table, params, home, mask_hi, mask_lo, len, &best);
		if (found == FOUND)
			break;
		level = found == FOUND_MORE ? v6->levels[level].longer : v6->levels[level].shorter;
		if (level >= LEVELS_MAX)
			break;
	}
	return best;
}

/* ---- actions ---- */

/* PORT and PROTO: the verdict, or the family's default action. */
LOOKUP_INLINE __u32 lookup_inline_action(const __u8 *table, table_params params, __u32 action,
					 __u32 proto, __u32 port, __u32 fallback)
{
	const __u32 *verdict;

	if (!(action >> ACTION_SHIFT & proto))
		return fallback;
	if ((action & ACTION_TAG) == ACTION_PORT && (action >> ACTION_PORT_SHIFT & 0xffff) != port)
		return fallback;
	verdict = lookup_words(table, params, action >> ACTION_INDEX_SHIFT);
	return verdict ? *verdict << ACTION_SHIFT | ACTION_VERDICT : ACTION_VERDICT;
}

/* PORTS: the action of the range that holds the port, by binary search. */
LOOKUP_INLINE __u32 lookup_ports(const __u8 *table, table_params params, const __u32 *node,
				 __u64 at, __u32 proto, __u32 port)
{
	__u64 n = proto == PROTO_BIT_TCP ? node[0] >> NODE_SHIFT : node[1];
	__u64 first = at + 3 + (proto == PROTO_BIT_TCP ? 0 : 2 * (__u64)(node[0] >> NODE_SHIFT));
	__u32 other = node[2];
	const __u32 *range;

	if (!n)
		return other;
	for (__u64 i = 0; i < 17 && n > 1; i++) {
		__u64 half = n >> 1;
		__u64 below;

		range = lookup_words(table, params, first + 2 * half);
		if (!range)
			return ACTION_VERDICT;
		/* All ones if the range starts at the port or below: no branch to mispredict. */
		below = (__u64)(*range & 0xffff) - port - 1;
		lookup_opaque(below);
		first += 2 * half & (__u64)((__s64)below >> 63);
		n -= half;
	}
	range = lookup_words(table, params, first);
	if (!range)
		return ACTION_VERDICT;
	return (range[0] & 0xffff) <= port && port <= range[0] >> 16 ? range[1] : other;
}

LOOKUP_INLINE __u32 lookup_test(const struct walk *w, const __u32 *node)
{
	__u32 differ;

	if (node[3] && node[3] != w->ifindex)
		return node[2];
	if (w->v6)
		differ = ((w->src[0] ^ node[4]) & node[8]) | ((w->src[1] ^ node[5]) & node[9]) |
			 ((w->src[2] ^ node[6]) & node[10]) | ((w->src[3] ^ node[7]) & node[11]);
	else
		differ = (w->src[0] ^ node[4]) & node[5];
	return differ ? node[2] : node[1];
}

/* SOURCES: tries one length a step; stays on the node until lengths run out. */
LOOKUP_INLINE __u32 lookup_sources(const __u8 *table, table_params params, struct walk *w,
				   const __u32 *node, __u64 at)
{
	const __u32 *length = lookup_words(table, params, at + 6 + w->lengths);
	__u64 line0 = node[2], mul = node[4] | (__u64)node[5] << 32, home;
	__u32 action = node[1];
	int found;

	if (w->lengths >= node[0] >> NODE_SHIFT || !length) {
		w->lengths = 0;
		return action;
	}
	w->lengths++;
	if (w->v6) {
		__u64 hi, lo;

		lookup_mask6(*length, &hi, &lo);
		hi &= w->src_hi;
		lo &= w->src_lo;
		home = lookup_home6(mul, node[3], hi, lo, *length);
		found = lookup_probe6(table, params, line0 + home, hi, lo, *length, &action);
	} else {
		__u32 key = (__u32)w->src_lo & lookup_mask4(*length & 0x3f);

		home = lookup_home4(mul, node[3], key, *length);
		found = lookup_probe4(table, params, line0 + home, key, *length, &action);
	}
	if (found < FOUND)
		return w->action;
	w->lengths = 0;
	return action;
}

/* One step along a walk. Returns 1 when w->action has become a verdict. */
LOOKUP_INLINE int lookup_step(const __u8 *table, table_params params, struct walk *w)
{
	__u32 action = w->action;
	__u64 at = action >> ACTION_SHIFT;
	__u32 tag = action & ACTION_TAG;
	const __u32 *node;

	if (tag == ACTION_VERDICT)
		return 1;
	if (tag != ACTION_NODE) {
		w->action = lookup_inline_action(table, params, action, w->proto, w->port,
						 w->v6 ? params->v6.fallback : params->v4.fallback);
		return 0;
	}
	node = lookup_words(table, params, at);
	if (!node) {
		w->action = ACTION_VERDICT;
		return 1;
	}
	switch (node[0] & NODE_KIND) {
	case NODE_PORTS:
		w->action = lookup_ports(table, params, node, at, w->proto, w->port);
		break;
	case NODE_TEST:
		w->action = lookup_test(w, node);
		break;
	case NODE_SOURCES:
		w->action = lookup_sources(table, params, w, node, at);
		break;
	default:
		w->action = ACTION_VERDICT;
	}
	return 0;
}

/* Steps that a table may need at most; compile.c refuses rules that need more. */
#define WALK_STEPS_MAX (1 << 20)

#endif
