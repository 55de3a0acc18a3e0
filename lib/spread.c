// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "spread.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"

/* Places for the lightest member, or for each on the average: how finely shares are cut. */
#define PLACES_LIGHTEST 8
#define PLACES_AVERAGE 64

#define NO_MEMBER UINT32_MAX

/* A member with a weight, while a table is built. */
struct share {
	uint32_t slot, weight;
	uint64_t quota; /* places that it should have */
	uint64_t has;
	uint64_t rest; /* of the division that gave the quota */
};

static size_t table_size(const struct share *shares, size_t n, size_t n_old)
{
	uint64_t total = 0, lightest = SPREAD_WEIGHT_MAX, wanted;
	size_t size = 1;

	for (size_t i = 0; i < n; i++) {
		total += shares[i].weight;
		if (shares[i].weight < lightest)
			lightest = shares[i].weight;
	}
	wanted = n * PLACES_AVERAGE;
	if (total * PLACES_LIGHTEST / lightest > wanted)
		wanted = total * PLACES_LIGHTEST / lightest;
	if (n == 1)
		wanted = 1;
	while ((size < wanted || size < n_old) && size < SPREAD_MAX)
		size *= 2;
	return size;
}

static int by_rest(const void *pa, const void *pb)
{
	const struct share *a = *(struct share *const *)pa, *b = *(struct share *const *)pb;

	if (a->rest != b->rest)
		return a->rest > b->rest ? -1 : 1;
	return a->slot < b->slot ? -1 : a->slot > b->slot;
}

/* Places in proportion to weight; what rounding leaves over goes to the largest rests. */
static int set_quotas(struct share *shares, size_t n, size_t size)
{
	_cleanup_free_ struct share **order = calloc(n, sizeof(*order));
	uint64_t total = 0, given = 0;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		total += shares[i].weight;
	for (size_t i = 0; i < n; i++) {
		shares[i].quota = shares[i].weight * (uint64_t)size / total;
		shares[i].rest = shares[i].weight * (uint64_t)size % total;
		given += shares[i].quota;
		order[i] = &shares[i];
	}
	qsort(order, n, sizeof(*order), by_rest);
	for (size_t i = 0; given < size; i++, given++)
		order[i]->quota++;
	return 0;
}

static int by_slot(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static struct share *find(struct share *shares, size_t n, uint32_t slot)
{
	const struct share key = {.slot = slot};

	return bsearch(&key, shares, n, sizeof(*shares), by_slot);
}

/*
 * Places that keep their member: as many as its quota allows. They are visited
 * in an order that jumps through the table, so that what a member gives up is
 * not all in one region (an odd stride visits each place of a power of two).
 */
static void keep_places(uint32_t *table, size_t size, const uint32_t *old, size_t n_old,
			struct share *shares, size_t n)
{
	const size_t stride = (size_t)(size * 0.6180339887) | 1;

	for (size_t i = 0, at = 0; i < size; i++, at = (at + stride) & (size - 1)) {
		struct share *share = n_old ? find(shares, n, old[at & (n_old - 1)]) : NULL;

		table[at] = NO_MEMBER;
		if (share && share->has < share->quota) {
			table[at] = share->slot;
			share->has++;
		}
	}
}

static void fill_places(uint32_t *table, size_t size, struct share *shares, size_t n)
{
	size_t next = 0;

	for (size_t at = 0; at < size; at++) {
		if (table[at] != NO_MEMBER)
			continue;
		/* In turn, so that neighbouring places go to different members. */
		while (shares[next].has == shares[next].quota)
			next = (next + 1) % n;
		table[at] = shares[next].slot;
		shares[next].has++;
		next = (next + 1) % n;
	}
}

int spread_build(const uint32_t *old, size_t n_old, const struct spread_member *members, size_t n,
		 uint32_t **ret_table, size_t *ret_n)
{
	_cleanup_free_ struct share *shares = calloc(n + 1, sizeof(*shares));
	_cleanup_free_ uint32_t *table = NULL;
	size_t n_shares = 0, size;
	int r;

	if (!shares)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (members[i].weight)
			shares[n_shares++] = (struct share){.slot = members[i].slot,
							    .weight = members[i].weight};
	if (!n_shares) {
		*ret_table = NULL;
		*ret_n = 0;
		return 0;
	}
	qsort(shares, n_shares, sizeof(*shares), by_slot);
	size = table_size(shares, n_shares, n_old);
	table = calloc(size, sizeof(*table));
	if (!table)
		return -ENOMEM;
	r = set_quotas(shares, n_shares, size);
	if (r < 0)
		return r;
	keep_places(table, size, old, n_old, shares, n_shares);
	fill_places(table, size, shares, n_shares);
	*ret_table = take_ptr(table);
	*ret_n = size;
	return 0;
}
