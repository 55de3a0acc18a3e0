// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "prefixes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

int entries_add(struct entries *entries, const struct entry *entry)
{
	if (entries->n == entries->cap) {
		size_t cap = entries->cap ? entries->cap * 2 : 64;
		struct entry *grown = reallocarray(entries->v, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		entries->v = grown;
		entries->cap = cap;
	}
	entries->v[entries->n++] = *entry;
	return 0;
}

static int compare(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;

	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	return (int)a->len - (int)b->len;
}

void entries_sort(struct entries *entries)
{
	for (size_t i = 1; i < entries->n; i++)
		if (compare(&entries->v[i - 1], &entries->v[i]) > 0) {
			qsort(entries->v, entries->n, sizeof(*entries->v), compare);
			return;
		}
}

void prefix_mask(bool v6, unsigned int len, __u64 *ret_hi, __u64 *ret_lo)
{
	if (!v6) {
		*ret_hi = 0;
		*ret_lo = len ? 0xffffffffu << (32 - len) : 0;
		return;
	}
	*ret_hi = len >= 64 ? ~0ull : len ? ~0ull << (64 - len) : 0;
	*ret_lo = len >= 128 ? ~0ull : len > 64 ? ~0ull << (128 - len) : 0;
}

static void mask(bool v6, unsigned int len, uint64_t *hi, uint64_t *lo)
{
	__u64 mask_hi, mask_lo;

	prefix_mask(v6, len, &mask_hi, &mask_lo);
	*hi &= mask_hi;
	*lo &= mask_lo;
}

bool entry_covers(bool v6, const struct entry *outer, const struct entry *inner)
{
	uint64_t hi = inner->hi, lo = inner->lo;

	if (outer->len > inner->len)
		return false;
	mask(v6, outer->len, &hi, &lo);
	return hi == outer->hi && lo == outer->lo;
}

/* ---- joining ---- */

/* Are @a and @b the lower and the upper half of one prefix, with one action? */
static bool are_halves(bool v6, const struct entry *a, const struct entry *b)
{
	struct entry parent = *a;

	if (a->len != b->len || a->action != b->action || a->len < 2)
		return false;
	parent.len--;
	return compare(a, b) < 0 && entry_covers(v6, &parent, b) && entry_covers(v6, &parent, a);
}

/*
 * One length: moves pairs of halves from @level to their parents in @above,
 * whose own action, if they have one, can no longer be reached.
 */
static int join_level(bool v6, struct entries *level, struct entries *above)
{
	struct entries merged = { 0 };
	size_t kept = 0, next = 0;
	int r = 0;

	for (size_t i = 0; i < level->n && !r; i++) {
		struct entry parent = level->v[i];

		if (i + 1 == level->n || !are_halves(v6, &level->v[i], &level->v[i + 1])) {
			level->v[kept++] = level->v[i];
			continue;
		}
		i++;
		parent.len--;
		while (next < above->n && compare(&above->v[next], &parent) < 0 && !r)
			r = entries_add(&merged, &above->v[next++]);
		if (next < above->n && !compare(&above->v[next], &parent))
			next++;
		if (!r)
			r = entries_add(&merged, &parent);
	}
	if (kept == level->n || r < 0) {
		free(merged.v);
		return r;
	}
	level->n = kept;
	while (next < above->n && !r)
		r = entries_add(&merged, &above->v[next++]);
	free(above->v);
	*above = merged;
	return r;
}

int entries_join(bool v6, struct entries *entries)
{
	struct entries levels[129] = { 0 };
	size_t before = entries->n;
	int r = 0;

	for (size_t i = 0; i < entries->n && !r; i++)
		r = entries_add(&levels[entries->v[i].len], &entries->v[i]);
	for (unsigned int len = 128; len > 1 && !r; len--)
		r = join_level(v6, &levels[len], &levels[len - 1]);
	if (!r)
		entries->n = 0;
	for (unsigned int len = 0; len <= 128; len++) {
		for (size_t i = 0; i < levels[len].n && !r; i++)
			entries->v[entries->n++] = levels[len].v[i];
		free(levels[len].v);
	}
	if (!r && entries->n)
		entries_sort(entries);
	/* Joining only ever takes entries away, so they fit where they were. */
	return r < 0 ? r : (int)(before != entries->n);
}

/* ---- the tree of lengths ---- */

/* Cheapest trees over lengths i to j - 1 in use, by height; for one plan. */
struct planner {
	unsigned int n;
	uint8_t len[LEVELS_MAX];
	uint64_t weight[LEVELS_MAX + 1]; /* sums: of lengths before the i-th */
	uint64_t cost[DEPTH_MAX + 1][LEVELS_MAX + 1][LEVELS_MAX + 1];
	uint8_t root[DEPTH_MAX + 1][LEVELS_MAX + 1][LEVELS_MAX + 1];
};

#define COST_MAX (UINT64_MAX / 4)

static void plan_range(struct planner *p, unsigned int height, unsigned int i, unsigned int j)
{
	uint64_t weight = p->weight[j] - p->weight[i];

	p->cost[height][i][j] = i == j ? 0 : COST_MAX;
	if (i == j || !height)
		return;
	/* From the longest: a tie goes to the root that needs fewer markers. */
	for (unsigned int root = j; root-- > i;) {
		uint64_t cost = weight + p->cost[height - 1][i][root] +
				p->cost[height - 1][root + 1][j];

		if (cost < p->cost[height][i][j]) {
			p->cost[height][i][j] = cost;
			p->root[height][i][j] = root;
		}
	}
}

static uint8_t emit_levels(const struct planner *p, bool v6, unsigned int height, unsigned int i,
			   unsigned int j, struct family_params *params)
{
	unsigned int at = params->n_levels, root;
	__u64 hi, lo;

	if (i == j)
		return LEVEL_NONE;
	root = p->root[height][i][j];
	params->n_levels++;
	params->levels[at].len = p->len[root];
	prefix_mask(v6, p->len[root], &hi, &lo);
	prefix_key(v6, hi, lo, &params->levels[at].mask_hi, &params->levels[at].mask_lo);
	params->levels[at].shorter = emit_levels(p, v6, height - 1, i, root, params);
	params->levels[at].longer = emit_levels(p, v6, height - 1, root + 1, j, params);
	return at;
}

/*
 * The binary search tree with the least expected number of probes: lengths
 * weigh as many prefixes as they have, and a little each, since traffic need
 * not follow the rules.
 */
static int plan_levels(bool v6, const struct entries *entries, struct family_params *params)
{
	_cleanup_free_ struct planner *p = calloc(1, sizeof(*p));
	size_t counts[129] = { 0 };

	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < entries->n; i++)
		counts[entries->v[i].len]++;
	for (unsigned int len = 1; len <= 128; len++)
		if (counts[len]) {
			p->len[p->n++] = len;
			p->weight[p->n] = p->weight[p->n - 1] + 64 * counts[len] + entries->n;
		}
	for (unsigned int height = 0; height <= DEPTH_MAX; height++)
		for (unsigned int size = 0; size <= p->n; size++)
			for (unsigned int i = 0; i + size <= p->n; i++)
				plan_range(p, height, i, i + size);
	params->n_levels = 0;
	emit_levels(p, v6, DEPTH_MAX, 0, p->n, params);
	return 0;
}

/* ---- markers ---- */

/* Prefixes that hold the current one, outermost first. */
struct chain {
	const struct entry *v[129];
	unsigned int n;
};

static uint32_t chain_action(const struct chain *chain, unsigned int len, uint32_t fallback)
{
	for (unsigned int i = chain->n; i-- > 0;)
		if (chain->v[i]->len <= len)
			return chain->v[i]->action;
	return fallback;
}

/* Markers for @entry at each level where the way to its length goes to `longer`. */
static int add_markers(bool v6, const struct entry *entry, const struct chain *chain,
		       uint32_t fallback, const struct family_params *params,
		       struct entries *markers)
{
	for (unsigned int at = 0; params->levels[at].len != entry->len;) {
		unsigned int len = params->levels[at].len;
		struct entry marker = { entry->hi, entry->lo, 0, len, true };
		int r;

		if (len > entry->len) {
			at = params->levels[at].shorter;
			continue;
		}
		at = params->levels[at].longer;
		mask(v6, len, &marker.hi, &marker.lo);
		marker.action = chain_action(chain, len, fallback);
		r = entries_add(markers, &marker);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Makes one of entries at the same place: markers only add `more`. */
static void drop_duplicates(struct entries *entries)
{
	size_t n = 0;

	for (size_t i = 0; i < entries->n; i++) {
		if (n && !compare(&entries->v[n - 1], &entries->v[i]))
			entries->v[n - 1].more |= entries->v[i].more;
		else
			entries->v[n++] = entries->v[i];
	}
	entries->n = n;
}

int entries_plan(bool v6, struct entries *entries, uint32_t fallback, struct family_params *params)
{
	struct entries markers = { 0 };
	struct chain chain = { .n = 0 };
	int r = 0;

	if (!entries->n)
		return 0;
	r = plan_levels(v6, entries, params);
	for (size_t i = 0; i < entries->n && !r; i++) {
		const struct entry *entry = &entries->v[i];

		while (chain.n && !entry_covers(v6, chain.v[chain.n - 1], entry))
			chain.n--;
		chain.v[chain.n++] = entry;
		if (params->n_levels > 1)
			r = add_markers(v6, entry, &chain, fallback, params, &markers);
	}
	for (size_t i = 0; i < markers.n && !r; i++)
		r = entries_add(entries, &markers.v[i]);
	if (!r && markers.n) {
		entries_sort(entries);
		drop_duplicates(entries);
	}
	free(markers.v);
	return r;
}
