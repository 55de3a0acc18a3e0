// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Hash lines with linear probing by line. A search stops at the first line
 * that nothing was pushed on from, so nearly every one reads a single line.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "prefixes.h"

/*
 * Entries a line on the average, in percent of its slots. Fuller lines made no
 * difference to lookups that could be told from noise, but IPv6's few slots then
 * need more than PROBES_MAX lines so often that tables are built several times.
 */
#define LOAD_PERCENT4 50
#define LOAD_PERCENT6 50

/* Odd, with well mixed bits; the first is 2^64 divided by the golden ratio. */
static const uint64_t multipliers[] = {
	0x9e3779b97f4a7c15u, 0xd6e8feb86659fd93u, 0xa0761d6478bd642fu, 0xe7037ed1a0b428dbu,
	0x8ebc6af09c88c6e3u, 0x589965cc75374cc3u, 0x1d8e4e27c47d124fu, 0xeb44accab455d165u,
};

/* The first empty one of @n slots, or @n. */
static unsigned int empty_slot(const uint8_t len[], unsigned int n)
{
	unsigned int i = 0;

	while (i < n && len[i])
		i++;
	return i;
}

void prefix_key(bool v6, uint64_t hi, uint64_t lo, __u64 *ret_hi, __u64 *ret_lo)
{
	*ret_hi = v6 ? lookup_half(htobe32(hi >> 32), htobe32((uint32_t)hi)) : 0;
	*ret_lo = v6 ? lookup_half(htobe32(lo >> 32), htobe32((uint32_t)lo))
		     : htobe32((uint32_t)lo);
}

static bool put4(struct line4 *line, const struct entry *e, uint32_t key)
{
	unsigned int i = empty_slot(line->len, LINE4_SLOTS);

	if (i == LINE4_SLOTS) {
		line->flags |= LINE_NEXT;
		return false;
	}
	line->key[i] = key;
	line->action[i] = e->action;
	line->len[i] = e->len;
	line->flags |= e->more << i;
	return true;
}

static bool put6(struct line6 *line, const struct entry *e, uint64_t hi, uint64_t lo)
{
	unsigned int i = empty_slot(line->len, LINE6_SLOTS);

	if (i == LINE6_SLOTS) {
		line->flags |= LINE_NEXT;
		return false;
	}
	line->key[i][0] = hi;
	line->key[i][1] = lo;
	line->action[i] = e->action;
	line->len[i] = e->len;
	line->flags |= e->more << i;
	return true;
}

bool line_put(bool v6, void *line, const struct entry *entry, uint64_t hi, uint64_t lo)
{
	return v6 ? put6(line, entry, hi, lo) : put4(line, entry, lo);
}

uint64_t line_home(bool v6, uint64_t mul, uint32_t n_lines, const struct entry *entry,
		   __u64 *ret_hi, __u64 *ret_lo)
{
	prefix_key(v6, entry->hi, entry->lo, ret_hi, ret_lo);
	return v6 ? lookup_home6(mul, n_lines, *ret_hi, *ret_lo, entry->len)
		  : lookup_home4(mul, n_lines, *ret_lo, entry->len);
}

/* Fills @lines with all entries; false if one would need too many probes. */
static bool fill(uint8_t (*lines)[64], uint32_t n_lines, bool v6, const struct entries *entries,
		 uint64_t mul)
{
	memset(lines, 0, (size_t)n_lines * 64);
	for (size_t i = 0; i < entries->n; i++) {
		const struct entry *e = &entries->v[i];
		unsigned int probe = 0;
		__u64 hi, lo, home = line_home(v6, mul, n_lines, e, &hi, &lo);

		for (;; probe++) {
			if (probe == PROBES_MAX || home + probe >= n_lines)
				return false;
			if (line_put(v6, lines[home + probe], e, hi, lo))
				break;
		}
	}
	return true;
}

static int reserve(struct lines *lines, size_t n)
{
	size_t cap = lines->cap ? lines->cap : 8;
	void *grown;

	if (n <= lines->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	grown = aligned_alloc(64, cap * 64);
	if (!grown)
		return -ENOMEM;
	if (lines->n)
		memcpy(grown, lines->v, lines->n * 64);
	free(lines->v);
	lines->v = grown;
	lines->cap = cap;
	return 0;
}

int lines_add(struct lines *lines, bool v6, const struct entries *entries, uint32_t *ret_line0,
	      uint32_t *ret_lines, __u64 *ret_mul)
{
	size_t percent = v6 ? LINE6_SLOTS * LOAD_PERCENT6 : LINE4_SLOTS * LOAD_PERCENT4;
	size_t n = entries->n * 100 / percent + 1;
	int r;

	for (unsigned int try = 0; try < 3 * sizeof(multipliers) / sizeof(multipliers[0]); try++) {
		uint64_t mul = multipliers[try % (sizeof(multipliers) / sizeof(multipliers[0]))];

		if (lines->n + n > UINT32_MAX)
			return -E2BIG;
		r = reserve(lines, lines->n + n);
		if (r < 0)
			return r;
		if (fill(lines->v + lines->n, n, v6, entries, mul)) {
			*ret_line0 = lines->n;
			*ret_lines = n;
			*ret_mul = mul;
			lines->n += n;
			return 0;
		}
		n += n / 8 + 1;
	}
	return -E2BIG;
}
