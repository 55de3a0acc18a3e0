/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "clash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "order.h"

void clashes_free(struct clashes *clashes)
{
	free(clashes->pairs);
	*clashes = (struct clashes){0};
}

int clashes_add(struct clashes *clashes, size_t a, size_t b)
{
	if (clashes->n == clashes->cap) {
		size_t cap = clashes->cap ? 2 * clashes->cap : 16;
		struct clash *pairs = reallocarray(clashes->pairs, cap, sizeof(*pairs));

		if (!pairs)
			return -ENOMEM;
		clashes->pairs = pairs;
		clashes->cap = cap;
	}
	clashes->pairs[clashes->n++] = (struct clash){(uint32_t)a, (uint32_t)b};
	return 0;
}

bool clash_same_group(const struct rule *a, const struct rule *b)
{
	return memcmp(a->dst, b->dst, sizeof(a->dst)) == 0 && a->family == b->family &&
	       a->dst_len == b->dst_len && a->proto == b->proto &&
	       a->port_hi - a->port_lo == b->port_hi - b->port_lo;
}

static int compare_origin(const struct rule *a, const struct rule *b)
{
	int d = b->src_len - a->src_len;

	if (d == 0)
		d = memcmp(a->src, b->src, sizeof(a->src));
	return d ? d : a->dev - b->dev;
}

static int compare_by_origin(const void *a, const void *b, void *data)
{
	const uint32_t *x = a, *y = b;
	const struct rule *rules = data;
	int d = compare_origin(&rules[*x], &rules[*y]);

	return d ? d : rules[*x].port_lo - rules[*y].port_lo;
}

static uint64_t origin_key(uint32_t index, const void *data)
{
	return order_source_key((const struct rule *)data + index);
}

/*
 * Ranges of a chain in which each overlaps the next. Whose source or device
 * differ may overlap, and any number of them may stand between two that may not.
 */
static int clashes_in_chain(const struct rule *rules, size_t begin, size_t end,
			    struct clashes *clashes)
{
	_cleanup_free_ uint32_t *order = malloc((end - begin) * sizeof(*order));
	int r;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < end - begin; i++)
		order[i] = (uint32_t)(begin + i);
	r = order_sort(order, end - begin,
		       &(struct order_by){compare_by_origin, origin_key, (void *)rules});
	for (size_t i = 1; i < end - begin && r == 0; i++) {
		const struct rule *a = &rules[order[i - 1]], *b = &rules[order[i]];

		if (compare_origin(a, b) == 0 && a->port_lo != b->port_lo &&
		    b->port_lo <= a->port_hi)
			r = clashes_add(clashes, order[i - 1], order[i]);
	}
	return r;
}

int clashes_in_group(const struct rule *rules, size_t begin, size_t end, struct clashes *clashes)
{
	if (rules[begin].port_lo == rules[begin].port_hi)
		return 0;
	for (size_t i = begin, next; i < end; i = next) {
		int r;

		for (next = i + 1; next < end && rules[next].port_lo <= rules[next - 1].port_hi;
		     next++)
			;
		if (rules[next - 1].port_lo == rules[i].port_lo)
			continue;
		r = clashes_in_chain(rules, i, next, clashes);
		if (r < 0)
			return r;
	}
	return 0;
}

int clashes_in_all(const struct rule *rules, size_t n, struct clashes *clashes)
{
	for (size_t i = 0, next; i < n; i = next) {
		int r = 0;

		for (next = i + 1; next < n && clash_same_group(&rules[i], &rules[next]); next++)
			;
		if (next - i > 1)
			r = clashes_in_group(rules, i, next, clashes);
		if (r < 0)
			return r;
	}
	return 0;
}
