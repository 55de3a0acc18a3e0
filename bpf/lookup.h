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

/* Odd: what tells an IPv6 key's lower half from its upper one in the hash. */
#define LOOKUP_MUL_LO 0xd1342543de82ef95ull

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
	__u64 action;  /* in: where to start; out: a verdict when done */
	__u64 first;   /* PORTS: ranges still to search, */
	__u64 ranges;  /* and their number */
	__u64 lengths; /* SOURCES: lengths tried so far, */
	__u64 probe;   /* and lines of this one */
	__u64 proto;   /* PROTO_BIT_* */
	__u64 port;    /* destination, host order */
	__u64 ifindex; /* of the incoming interface */
	__u64 v6;
	__u64 src_hi, src_lo; /* as in struct line6; IPv4 in src_lo */
	__u32 src[4];	      /* network order; IPv4 in the first */
};

LOOKUP_INLINE const void *lookup_line(const __u8 *table, table_params params, __u64 line)
{
	if (line >= params->lines)
		return (void *)0;
	lookup_opaque(line); /* or clang computes the address before the check */
	return table + params->lines_offset + line * 64;
}

/* The same of one family's own lines. */
LOOKUP_INLINE const void *lookup_family_line(const __u8 *table, family_params family, __u64 line)
{
	if (line >= family->lines)
		return (void *)0;
	lookup_opaque(line);
	return table + family->offset + line * 64;
}

/* @index and the WORDS_SLACK words behind it, or NULL. */
LOOKUP_INLINE const __u32 *lookup_words(const __u8 *table, table_params params, __u64 index)
{
	if (index >= params->words)
		return (void *)0;
	lookup_opaque(index);
	return (const __u32 *)(table + params->words_offset + index * 4);
}

/* The fallback of a service, see FALLBACKS_MAX, or 0. */
LOOKUP_INLINE __u32 lookup_fallback(const __u8 *table, table_params params, __u64 id)
{
	const __u32 *word = id < params->n_fallbacks ? lookup_words(table, params, id) : (void *)0;

	return word ? *word : 0;
}

/* ---- prefixes ---- */

/* Half an IPv6 address as keys have it, from two words in network order. */
LOOKUP_INLINE __u64 lookup_half(__u32 first, __u32 second)
{
	return first | (__u64)second << 32;
}

/* Multiplicative hashing: the product's upper half, scaled to the number of lines. */
LOOKUP_INLINE __u64 lookup_home4(__u64 mul, __u32 lines, __u32 key, __u32 len)
{
	__u32 hash = ((key | (__u64)len << 32) * mul) >> 32;

	return ((__u64)hash * lines) >> 32;
}

LOOKUP_INLINE __u64 lookup_home6(__u64 mul, __u32 lines, __u64 hi, __u64 lo, __u32 len)
{
	__u32 hash = ((hi + len + lo * LOOKUP_MUL_LO) * mul) >> 32;

	return ((__u64)hash * lines) >> 32;
}

/* What a search of one line comes to. */
#define FOUND_NONE 0 /* not here, nor in the following lines */
#define FOUND_NEXT 1 /* not here, but look into the next line */
#define FOUND 2
#define FOUND_MORE 3 /* found, and longer prefixes exist */

/* What is in slot @i, given the line's flags. */
LOOKUP_INLINE int lookup_found(__u8 flags, __u64 i)
{
	return flags >> i & 1 ? FOUND_MORE : FOUND;
}

LOOKUP_INLINE int lookup_in_line4(const struct line4 *line, __u32 key, __u32 len, __u64 *action)
{
	LOOKUP_UNROLL
	for (__u64 i = 0; i < LINE4_SLOTS; i++) {
		if (line->key[i] != key || line->len[i] != len)
			continue;
		*action = line->action[i];
		return lookup_found(line->flags, i);
	}
	return line->flags & LINE_NEXT ? FOUND_NEXT : FOUND_NONE;
}

LOOKUP_INLINE int lookup_in_line6(const struct line6 *line, __u64 hi, __u64 lo, __u32 len,
				  __u64 *action)
{
	LOOKUP_UNROLL
	for (__u64 i = 0; i < LINE6_SLOTS; i++) {
		if (line->key[i][1] != lo || line->key[i][0] != hi || line->len[i] != len)
			continue;
		*action = line->action[i];
		return lookup_found(line->flags, i);
	}
	return line->flags & LINE_NEXT ? FOUND_NEXT : FOUND_NONE;
}

/* A search for the longest prefix that holds an address. */
struct search {
	__u64 hi, lo;	/* as in struct line6; IPv4 in lo */
	__u64 level;	/* where the search is in the tree of lengths; LEVELS_MAX: done */
	__u64 probe;	/* lines of that level that sent it on */
	__u64 best;	/* action of the longest prefix found so far */
	__u64 v6;
};

#define SEARCH_STEPS_MAX (DEPTH_MAX * PROBES_MAX)

LOOKUP_INLINE int lookup_search_line4(const __u8 *table, table_params params, struct search *s,
				      __u64 level)
{
	family_params v4 = &params->v4;
	__u32 len = v4->levels[level].len;
	__u32 key = s->lo & v4->levels[level].mask_lo;
	__u64 home = lookup_home4(v4->mul, v4->lines, key, len);
	const struct line4 *line = lookup_family_line(table, v4, home + s->probe);

	return line ? lookup_in_line4(line, key, len, &s->best) : FOUND_NONE;
}

LOOKUP_INLINE int lookup_search_line6(const __u8 *table, table_params params, struct search *s,
				      __u64 level)
{
	family_params v6 = &params->v6;
	__u32 len = v6->levels[level].len;
	__u64 hi = s->hi & v6->levels[level].mask_hi;
	__u64 lo = s->lo & v6->levels[level].mask_lo;
	__u64 home = lookup_home6(v6->mul, v6->lines, hi, lo, len);
	const struct line6 *line = lookup_family_line(table, v6, home + s->probe);

	return line ? lookup_in_line6(line, hi, lo, len, &s->best) : FOUND_NONE;
}

/* Where the search goes after what a line came to. */
LOOKUP_INLINE void lookup_search_on(family_params family, struct search *s, __u64 level, int found)
{
	if (found == FOUND_NEXT && s->probe < PROBES_MAX - 1) {
		s->probe++;
		return;
	}
	s->probe = 0;
	if (found == FOUND)
		s->level = LEVELS_MAX;
	else
		s->level = found == FOUND_MORE ? family->levels[level].longer
					       : family->levels[level].shorter;
}

/* One line of a search. Returns 1 when s->best is the answer. */
LOOKUP_INLINE int lookup_search_step(const __u8 *table, table_params params, struct search *s)
{
	__u64 level = s->level;

	if (level >= LEVELS_MAX)
		return 1;
	lookup_opaque(level); /* or clang reads s->level again, unchecked */
	if (s->v6)
		lookup_search_on(&params->v6, s, level,
				 lookup_search_line6(table, params, s, level));
	else
		lookup_search_on(&params->v4, s, level,
				 lookup_search_line4(table, params, s, level));
	return s->level >= LEVELS_MAX;
}

/* ---- actions ---- */

/* PORT and PROTO: the verdict, or the family's default action. */
LOOKUP_INLINE __u32 lookup_inline_action(__u32 action, __u32 proto, __u32 port, __u32 fallback)
{
	if (!(action >> ACTION_SHIFT & proto))
		return fallback;
	if ((action & ACTION_TAG) == ACTION_PORT && (action >> ACTION_PORT_SHIFT & 0xffff) != port)
		return fallback;
	return action >> ACTION_VERDICT_SHIFT << ACTION_SHIFT | ACTION_VERDICT;
}

/*
 * PORTS: binary search for the range that holds the port, one halving a step;
 * stays on the node until one range is left.
 */
LOOKUP_INLINE __u32 lookup_ports(const __u8 *table, table_params params, struct walk *w,
				 const __u32 *node, __u64 at)
{
	__u64 n_tcp = node[0] >> NODE_SHIFT, half;
	const __u32 *range;
	__u64 below;

	if (!w->ranges) {
		w->ranges = w->proto == PROTO_BIT_TCP ? n_tcp : node[1];
		w->first = at + 3 + (w->proto == PROTO_BIT_TCP ? 0 : 2 * n_tcp);
		if (!w->ranges)
			return node[2];
	}
	half = w->ranges >> 1;
	range = lookup_words(table, params, w->first + 2 * half);
	if (!range) {
		w->ranges = 0;
		return ACTION_VERDICT;
	}
	if (!half) {
		w->ranges = 0;
		return (range[0] & 0xffff) <= w->port && w->port <= range[0] >> 16 ? range[1]
										    : node[2];
	}
	/* All ones if the range starts at the port or below: no branch to mispredict. */
	below = (__u64)(range[0] & 0xffff) - w->port - 1;
	lookup_opaque(below);
	w->first += 2 * half & (__u64)((__s64)below >> 63);
	w->ranges -= half;
	return w->action;
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

/* SOURCES: one line a step; stays on the node until lengths run out. */
LOOKUP_INLINE __u32 lookup_sources(const __u8 *table, table_params params, struct walk *w,
				   const __u32 *node, __u64 at)
{
	const __u32 *length = lookup_words(table, params, at + 6 + 5 * w->lengths);
	__u64 mul = node[4] | (__u64)node[5] << 32, home = node[2] + w->probe, hi, lo;
	__u64 action = node[1];
	const void *line;
	int found = FOUND_NONE;

	if (w->lengths >= node[0] >> NODE_SHIFT || !length) {
		w->lengths = 0;
		return action;
	}
	hi = w->src_hi & (length[1] | (__u64)length[2] << 32);
	lo = w->src_lo & (length[3] | (__u64)length[4] << 32);
	if (w->v6) {
		home += lookup_home6(mul, node[3], hi, lo, *length);
		line = lookup_line(table, params, home);
		if (line)
			found = lookup_in_line6(line, hi, lo, *length, &action);
	} else {
		home += lookup_home4(mul, node[3], lo, *length);
		line = lookup_line(table, params, home);
		if (line)
			found = lookup_in_line4(line, lo, *length, &action);
	}
	if (found >= FOUND) {
		w->lengths = w->probe = 0;
		return action;
	}
	if (found == FOUND_NEXT && w->probe < PROBES_MAX - 1) {
		w->probe++;
	} else {
		w->probe = 0;
		w->lengths++;
	}
	return w->action;
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
		w->action = lookup_inline_action(action, w->proto, w->port,
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
		w->action = lookup_ports(table, params, w, node, at);
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
#define WALK_STEPS_MAX (1 << 16)

#endif
