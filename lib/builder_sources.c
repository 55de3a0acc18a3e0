// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `from` and `dev`: a chain of tests, or a set of prefixes where it would be long. */
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "builder.h"
#include "verdict.h"

/* Longer chains of tests become a SOURCES node. */
#define CHAIN_MAX 8

/* A SOURCES node and what it was made of, so that equal sets share one. */
struct source_memo {
	uint64_t hash;
	struct entry *entries;
	size_t n;
	uint32_t other, action;
	bool v6;
};

int builder_add_fallbacks(struct builder *builder, uint32_t *ret_n)
{
	const struct anybind_ruleset *rs = builder->rs;
	uint32_t words[SERVICE_IDS] = { 0 }, n = 0;
	bool any = false;

	for (size_t i = 0; i < rs->n_services; i++) {
		const struct service *service = &rs->services[i];

		n = service->id >= n ? service->id + 1 : n;
		if (!service->fallback)
			continue;
		any = true;
		words[service->id] =
			VERDICT_SERVICE(rs->services[service->fallback - 1].id, false);
	}
	*ret_n = any ? n : 0;
	return nodes_append(&builder->nodes, words, *ret_n);
}

uint32_t verdict_action(const struct builder *builder, const struct rule *rule)
{
	return rule_verdict(builder->rs, rule) << ACTION_SHIFT | ACTION_VERDICT;
}

static uint32_t rule_ifindex(const struct builder *builder, const struct rule *rule)
{
	return rule->dev ? builder->rs->devices[rule->dev - 1].ifindex : 0;
}

/* One TEST node: @rule's verdict if its source and device match, else @other. */
static int add_test(struct builder *builder, const struct rule *rule, bool with_source,
		    uint32_t other, uint32_t *ret_action)
{
	bool v6 = rule->family == 6;
	uint32_t node[12] = {
		NODE_TEST, verdict_action(builder, rule), other, rule_ifindex(builder, rule),
	};
	__u64 hi, lo;
	uint32_t at;
	int r;

	if (with_source && v6) {
		prefix_mask(true, rule->src_len, &hi, &lo);
		hi = htobe64(hi);
		lo = htobe64(lo);
		memcpy(&node[4], rule->src, 16);
		memcpy(&node[8], &hi, 8);
		memcpy(&node[10], &lo, 8);
	} else if (with_source) {
		memcpy(&node[4], rule->src, 4);
		prefix_mask(false, rule->src_len, &hi, &lo);
		node[5] = htobe32(lo);
	}
	r = nodes_add(&builder->nodes, node, v6 ? 12 : 6, &at);
	if (r < 0)
		return r;
	*ret_action = at << ACTION_SHIFT | ACTION_NODE;
	return 0;
}

/* Tests for @rules, strongest first; a rule without condition ends the chain. */
static int add_chain(struct builder *builder, const struct rule *const *rules, size_t n,
		     bool with_source, uint32_t other, uint32_t *ret_action)
{
	uint32_t action = other;
	int r = 0;

	while (n-- && !r) {
		const struct rule *rule = rules[n];

		if (rule->dev && !rule_ifindex(builder, rule))
			continue; /* no such device: nothing can come in by it */
		if (!rule->dev && !(with_source && rule->src_len))
			action = verdict_action(builder, rule);
		else
			r = add_test(builder, rule, with_source, action, &action);
	}
	if (!r)
		*ret_action = action;
	return r;
}

static void source_entry(const struct rule *rule, struct entry *ret)
{
	uint64_t hi, lo;
	uint32_t v4;

	memcpy(&hi, rule->src, 8);
	memcpy(&lo, rule->src + 8, 8);
	memcpy(&v4, rule->src, 4);
	*ret = (struct entry){ .len = rule->src_len };
	if (rule->family == 6) {
		ret->hi = be64toh(hi);
		ret->lo = be64toh(lo);
	} else {
		ret->lo = be32toh(v4);
	}
}

static int by_source(const void *pa, const void *pb)
{
	const struct rule *a = *(const struct rule *const *)pa;
	const struct rule *b = *(const struct rule *const *)pb;
	int r = memcmp(a->src, b->src, 16);

	if (r)
		return r;
	return a->src_len != b->src_len ? a->src_len - b->src_len : rule_precedence(a, b);
}

/* Entries for each source prefix; what its rules leave open goes to the next shorter one. */
static int source_entries(struct builder *builder, const struct rule **rules, size_t n,
			  uint32_t other, struct entries *entries)
{
	size_t chain[129], depth = 0;
	bool v6 = rules[0]->family == 6;
	int r;

	qsort(rules, n, sizeof(*rules), by_source);
	for (size_t i = 0, end; i < n; i = end) {
		struct entry entry;
		uint32_t shorter;

		for (end = i + 1; end < n && rules[end]->src_len == rules[i]->src_len &&
				  !memcmp(rules[end]->src, rules[i]->src, 16);)
			end++;
		source_entry(rules[i], &entry);
		while (depth && !entry_covers(v6, &entries->v[chain[depth - 1]], &entry))
			depth--;
		shorter = depth ? entries->v[chain[depth - 1]].action : other;
		r = add_chain(builder, rules + i, end - i, false, shorter, &entry.action);
		if (r < 0)
			return r;
		chain[depth++] = entries->n;
		r = entries_add(entries, &entry);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A length as a SOURCES node has it; see abi.h. */
static void add_length(bool v6, uint32_t len, uint32_t *words)
{
	__u64 hi, lo;

	prefix_mask(v6, len, &hi, &lo);
	prefix_key(v6, hi, lo, &hi, &lo);
	words[0] = len;
	words[1] = (uint32_t)hi;
	words[2] = hi >> 32;
	words[3] = (uint32_t)lo;
	words[4] = lo >> 32;
}

static int add_sources_node(struct builder *builder, bool v6, const struct entries *entries,
			    uint32_t other, uint32_t *ret_action)
{
	uint32_t node[6 + 5 * 128], line0, lines, at;
	bool used[129] = { false };
	size_t n_lengths = 0;
	__u64 mul;
	int r = lines_add(&builder->lines, v6, entries, &line0, &lines, &mul);

	if (r < 0)
		return r;
	for (size_t i = 0; i < entries->n; i++)
		used[entries->v[i].len] = true;
	for (uint32_t len = 128; len > 0; len--)
		if (used[len])
			add_length(v6, len, node + 6 + 5 * n_lengths++);
	node[0] = NODE_SOURCES | (uint32_t)n_lengths << NODE_SHIFT;
	node[1] = other;
	node[2] = line0;
	node[3] = lines;
	node[4] = (uint32_t)mul;
	node[5] = mul >> 32;
	r = nodes_add(&builder->nodes, node, 6 + 5 * n_lengths, &at);
	if (r < 0)
		return r;
	*ret_action = at << ACTION_SHIFT | ACTION_NODE;
	return 0;
}

static uint64_t hash_entries(const struct entries *entries, uint32_t other)
{
	uint64_t hash = other;

	for (size_t i = 0; i < entries->n; i++) {
		const struct entry *e = &entries->v[i];

		hash = (hash ^ e->hi) * 0x9e3779b97f4a7c15u;
		hash = (hash ^ hash >> 32 ^ e->lo) * 0x9e3779b97f4a7c15u;
		hash = (hash ^ hash >> 32 ^ e->action ^ (uint64_t)e->len << 32) *
		       0x9e3779b97f4a7c15u;
	}
	return hash;
}

static bool memo_is(const struct source_memo *memo, uint64_t hash, bool v6,
		    const struct entries *entries, uint32_t other)
{
	if (memo->hash != hash || memo->n != entries->n || memo->other != other || memo->v6 != v6)
		return false;
	for (size_t i = 0; i < memo->n; i++) {
		const struct entry *a = &memo->entries[i], *b = &entries->v[i];

		if (a->hi != b->hi || a->lo != b->lo || a->action != b->action || a->len != b->len)
			return false;
	}
	return true;
}

/* The place in the (open addressing) memos of this set, or the free one for it. */
static struct source_memo *find_memo(const struct builder *builder, uint64_t hash, bool v6,
				     const struct entries *entries, uint32_t other)
{
	for (size_t i = hash >> 32;; i++) {
		struct source_memo *memo = &builder->memos[i & (builder->cap_memos - 1)];

		if (!memo->n || (entries && memo_is(memo, hash, v6, entries, other)))
			return memo;
	}
}

static int grow_memos(struct builder *builder)
{
	struct builder grown = *builder;

	grown.cap_memos = builder->cap_memos ? builder->cap_memos * 2 : 16;
	grown.memos = calloc(grown.cap_memos, sizeof(*grown.memos));
	if (!grown.memos)
		return -ENOMEM;
	for (size_t i = 0; i < builder->cap_memos; i++)
		if (builder->memos[i].n)
			*find_memo(&grown, builder->memos[i].hash, false, NULL, 0) =
				builder->memos[i];
	free(builder->memos);
	*builder = grown;
	return 0;
}

/* Rules that all have a source, as a set of prefixes. */
static int add_sources(struct builder *builder, const struct rule *const *rules, size_t n,
		       uint32_t other, uint32_t *ret_action)
{
	_cleanup_free_ const struct rule **sorted = malloc(n * sizeof(*sorted));
	struct entries entries = { 0 };
	bool v6 = rules[0]->family == 6;
	struct source_memo *memo;
	uint64_t hash;
	int r = -ENOMEM;

	if (sorted) {
		memcpy(sorted, rules, n * sizeof(*sorted));
		r = source_entries(builder, sorted, n, other, &entries);
	}
	if (!r && builder->n_memos * 2 >= builder->cap_memos)
		r = grow_memos(builder);
	if (r < 0)
		goto out;
	hash = hash_entries(&entries, other);
	memo = find_memo(builder, hash, v6, &entries, other);
	if (!memo->n) {
		uint32_t action;

		r = add_sources_node(builder, v6, &entries, other, &action);
		if (r < 0)
			goto out;
		*memo = (struct source_memo){
			hash, take_ptr(entries.v), entries.n, other, action, v6,
		};
		builder->n_memos++;
	}
	*ret_action = memo->action;
out:
	free(entries.v);
	return r;
}

int sources_compile(struct builder *builder, const struct rule *const *rules, size_t n,
		    uint32_t other, uint32_t *ret_action)
{
	size_t with_source = 0;
	int r;

	/* Longer sources come first, so those without one are at the end. */
	while (with_source < n && rules[with_source]->src_len)
		with_source++;
	r = add_chain(builder, rules + with_source, n - with_source, false, other, &other);
	if (r < 0)
		return r;
	if (with_source > CHAIN_MAX)
		return add_sources(builder, rules, with_source, other, ret_action);
	return add_chain(builder, rules, with_source, true, other, ret_action);
}

void builder_free(struct builder *builder)
{
	for (size_t i = 0; i < builder->cap_memos; i++)
		free(builder->memos[i].entries);
	free(builder->memos);
	free(builder->lines.v);
	nodes_free(&builder->nodes);
}
