// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "lookup.h"
#include "builder.h"

/* The most that a BPF program may address in one map value. */
#define IMAGE_MAX (512ull << 20)

/* Of the table's parts, in bytes. */
static size_t align(size_t offset, size_t to)
{
	return (offset + to - 1) / to * to;
}

#define LINES_OFFSET align(sizeof(struct table_header), 64)

struct compiled {
	struct builder builder;
	struct table_header header;
};

/* ---- prefixes of one family ---- */

struct ancestor {
	struct entry entry;
	uint32_t action;
};

static void entry_of_rule(const struct rule *rule, struct entry *ret)
{
	uint64_t half[2];
	uint32_t v4;

	*ret = (struct entry){ .len = rule->dst_len };
	memcpy(half, rule->dst, 16);
	memcpy(&v4, rule->dst, 4);
	if (rule->family == 6) {
		ret->hi = be64toh(half[0]);
		ret->lo = be64toh(half[1]);
	} else {
		ret->lo = be32toh(v4);
	}
}

static size_t same_prefix(const struct rule *rules, size_t n)
{
	size_t i = 1;

	while (i < n && rules[i].dst_len == rules[0].dst_len &&
	       !memcmp(rules[i].dst, rules[0].dst, 16))
		i++;
	return i;
}

/*
 * An entry for every prefix of the @n rules, which are of one family. A prefix
 * that does nothing else than the one around it needs none.
 */
static int prefix_entries(struct builder *builder, const struct rule *rules, size_t n,
			  struct entries *entries, uint32_t *ret_fallback)
{
	struct ancestor chain[129];
	uint32_t fallback = ACTION_VERDICT;
	size_t depth = 0;

	for (size_t i = 0, count; i < n; i += count) {
		struct entry entry;
		uint32_t other;
		int r;

		count = same_prefix(rules + i, n - i);
		entry_of_rule(&rules[i], &entry);
		while (depth && !entry_covers(rules[0].family == 6, &chain[depth - 1].entry, &entry))
			depth--;
		other = depth ? chain[depth - 1].action : fallback;
		/* The default action itself cannot send on to the default action. */
		r = ports_compile(builder, rules + i, count, other,
				  entry.len && other == fallback, &entry.action);
		if (r < 0)
			return r;
		if (!entry.len) {
			fallback = entry.action;
			continue;
		}
		if (entry.action == other)
			continue;
		chain[depth++] = (struct ancestor){ entry, entry.action };
		r = entries_add(entries, &entry);
		if (r < 0)
			return r;
	}
	*ret_fallback = fallback;
	return 0;
}

static int compile_family(struct compiled *c, const struct rule *rules, size_t n, bool v6,
			  struct family_params *params)
{
	struct entries entries = { 0 };
	uint32_t line0;
	int r;

	r = prefix_entries(&c->builder, rules, n, &entries, &params->fallback);
	if (!r)
		r = entries_join(v6, &entries);
	if (r >= 0)
		r = entries_plan(v6, &entries, params->fallback, params);
	if (!r && entries.n) {
		r = lines_add(&c->builder.lines, v6, &entries, &line0, &params->lines,
			      &params->mul);
		params->offset = LINES_OFFSET + 64 * (uint64_t)line0;
	}
	free(entries.v);
	return r;
}

/* ---- the longest walk ---- */

struct depths {
	const struct compiled *c;
	uint32_t *at; /* by index in words: steps from a node that starts there */
};

static uint32_t depth_of(const struct depths *depths, uint32_t action)
{
	return (action & ACTION_TAG) == ACTION_NODE ? depths->at[action >> ACTION_SHIFT] : 3;
}

static uint32_t max32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Steps of the deepest action in the lines of a SOURCES node. */
static uint32_t lines_depth(const struct depths *depths, bool v6, uint32_t line0, uint32_t lines)
{
	uint32_t max = 0;

	for (uint32_t i = 0; i < lines; i++) {
		const uint8_t *line = depths->c->builder.lines.v[line0 + i];
		const uint32_t *action = v6 ? ((const struct line6 *)line)->action
					    : ((const struct line4 *)line)->action;

		for (unsigned int slot = 0; slot < (v6 ? LINE6_SLOTS : LINE4_SLOTS); slot++)
			max = max32(max, depth_of(depths, action[slot]));
	}
	return max;
}

/* Steps from the node at @at; *ret_n is its length in words. */
static uint32_t node_depth(const struct depths *depths, bool v6, uint32_t at, size_t *ret_n)
{
	const uint32_t *node = depths->c->builder.nodes.words + at;
	uint32_t count = node[0] >> NODE_SHIFT, depth;

	switch (node[0] & NODE_KIND) {
	case NODE_PORTS:
		depth = depth_of(depths, node[2]);
		for (uint32_t i = 0; i < count + node[1]; i++)
			depth = max32(depth, depth_of(depths, node[3 + 2 * i + 1]));
		*ret_n = 3 + 2 * (count + node[1]);
		return depth + 17;
	case NODE_TEST:
		*ret_n = v6 ? 12 : 6;
		return max32(depth_of(depths, node[1]), depth_of(depths, node[2])) + 1;
	default:
		*ret_n = 6 + 5 * count;
		depth = lines_depth(depths, v6, node[2], node[3]);
		return max32(depth, depth_of(depths, node[1])) + count * PROBES_MAX + 1;
	}
}

/*
 * Nodes lead only to nodes before them, so one pass finds the longest way that
 * a packet can take. @split: where IPv6's nodes begin.
 */
static int check_depth(const struct compiled *c, size_t split, struct anybind_report *report)
{
	size_t first = c->header.params.n_fallbacks, n_words = c->builder.nodes.n, n;
	_cleanup_free_ uint32_t *at = calloc(n_words + 1, sizeof(*at));
	struct depths depths = { c, at };

	if (!at)
		return report_oom(report);
	for (size_t i = first; i < n_words; i += n) {
		at[i] = node_depth(&depths, i >= split, i, &n);
		if (at[i] > WALK_STEPS_MAX)
			return report_error(report, -E2BIG,
					    "Use fewer rules with `from` or `dev` on one prefix.",
					    "rules are nested too deep: a packet could need "
					    "more than %u steps", WALK_STEPS_MAX);
	}
	return 0;
}

/* ---- the image ---- */

static void lay_out(struct compiled *c)
{
	static const uint32_t slack[WORDS_SLACK];
	const struct anybind_ruleset *rs = c->builder.rs;
	struct table_header *h = &c->header;

	memcpy(h->magic, ANYBIND_MAGIC, sizeof(h->magic));
	h->layout = ANYBIND_LAYOUT;
	h->params.lines = c->builder.lines.n;
	h->params.words = c->builder.nodes.n;
	h->params.has_nodes = c->builder.nodes.used > 0;
	h->params.lines_offset = LINES_OFFSET;
	h->params.words_offset = h->params.lines_offset + 64 * c->builder.lines.n;
	h->services_offset = h->params.words_offset + 4 * c->builder.nodes.n + sizeof(slack);
	h->n_services = rs->n_services;
	h->devices_offset = h->services_offset + rs->n_services * sizeof(*rs->services);
	h->n_devices = rs->n_devices;
	h->rules_offset = align(h->devices_offset + rs->n_devices * sizeof(*rs->devices), 16);
	h->n_rules = rs->n_rules;
	h->size = h->rules_offset + rs->n_rules * sizeof(*rs->rules);
}

static int too_large(struct anybind_report *report, const struct anybind_ruleset *rs)
{
	return report_error(report, -E2BIG, "Join prefixes or port ranges where you can.",
			    "%zu rules do not fit into one table of at most %llu MiB", rs->n_rules,
			    IMAGE_MAX >> 20);
}

/* Tables, nodes and layout; what is wrong is reported. */
static int build(struct compiled *c, struct anybind_report *report)
{
	const struct anybind_ruleset *rs = c->builder.rs;
	size_t n_v4 = 0, split;
	int r;

	while (n_v4 < rs->n_rules && rs->rules[n_v4].family == 4)
		n_v4++;
	r = builder_add_fallbacks(&c->builder, &c->header.params.n_fallbacks);
	if (!r && n_v4)
		r = compile_family(c, rs->rules, n_v4, false, &c->header.params.v4);
	split = c->builder.nodes.n;
	if (!r && n_v4 < rs->n_rules)
		r = compile_family(c, rs->rules + n_v4, rs->n_rules - n_v4, true,
				   &c->header.params.v6);
	if (r < 0)
		return r == -E2BIG ? too_large(report, rs) : report_oom(report);
	r = check_depth(c, split, report);
	if (r < 0)
		return r;
	lay_out(c);
	return c->header.size <= IMAGE_MAX ? 0 : too_large(report, rs);
}

int compile(struct compiled **ret, const struct anybind_ruleset *rs, struct anybind_report *report)
{
	struct compiled *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return report_oom(report);
	c->builder.rs = rs;
	r = build(c, report);
	if (r < 0) {
		compile_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void compile_free(struct compiled *c)
{
	if (!c)
		return;
	builder_free(&c->builder);
	free(c);
}

size_t compile_size(const struct compiled *c)
{
	return c->header.size;
}

const struct table_params *compile_params(const struct compiled *c)
{
	return &c->header.params;
}

static void copy(void *image, uint64_t offset, const void *from, size_t size)
{
	if (size)
		memcpy((char *)image + offset, from, size);
}

void compile_write(const struct compiled *c, uint64_t generation, uint64_t changed, void *image)
{
	const struct anybind_ruleset *rs = c->builder.rs;
	const struct table_header *h = &c->header;
	struct table_header *out = image;

	*out = *h;
	out->generation = generation;
	out->changed = changed;
	copy(image, h->params.lines_offset, c->builder.lines.v, 64 * c->builder.lines.n);
	copy(image, h->params.words_offset, c->builder.nodes.words, 4 * c->builder.nodes.n);
	copy(image, h->services_offset, rs->services, rs->n_services * sizeof(*rs->services));
	copy(image, h->devices_offset, rs->devices, rs->n_devices * sizeof(*rs->devices));
	copy(image, h->rules_offset, rs->rules, rs->n_rules * sizeof(*rs->rules));
}
