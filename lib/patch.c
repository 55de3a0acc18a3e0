// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "patch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"
#include "cleanup.h"
#include "compile.h"
#include "lookup.h"
#include "overlay.h"

/* Words that may be unused, beside one of this many. */
#define UNUSED_MIN 16384
#define UNUSED_PART 8
/* An entry counts as so many words. */
#define ENTRY_WORDS 2
/* Nodes looked at for the longest walk, and how many of them in a row. */
#define NODES_SEEN_MAX 20000
#define NODES_DEEP_MAX 512

struct patch {
	const struct part *part;
	struct anybind_ruleset old; /* a view */
	struct builder builder;	    /* the words to append */
	struct overlay overlay;
	struct table_header header; /* of the new image */
};

/* ---- the longest walk ---- */

struct depth {
	const struct patch *patch;
	unsigned int seen, deep;
};

/* The @n words of the node at @at, whoever has them, or NULL. */
static const uint32_t *node_words(const struct patch *p, uint32_t at, uint64_t n)
{
	const struct table_header *old = p->part->table->header;
	const struct nodes *nodes = &p->builder.nodes;

	if (at < nodes->base)
		return n <= nodes->base - at ? (const uint32_t *)((const char *)old +
								  old->params.words_offset) + at
					     : NULL;
	at -= nodes->base;
	return at <= nodes->n && n <= nodes->n - at ? nodes->words + at : NULL;
}

/* Steps that @action may need, WALK_STEPS_MAX + 1: too many, or not to be told. */
static uint32_t action_depth(struct depth *d, uint32_t action, uint64_t before)
{
	uint32_t at = action >> ACTION_SHIFT, max, steps = 0;
	const uint32_t *node;
	uint64_t n;

	if ((action & ACTION_TAG) != ACTION_NODE)
		return 3;
	node = node_words(d->patch, at, 3);
	if (!node || at >= before || d->seen++ >= NODES_SEEN_MAX || d->deep >= NODES_DEEP_MAX)
		return WALK_STEPS_MAX + 1;
	d->deep++;
	switch (node[0] & NODE_KIND) {
	case NODE_PORTS:
		n = (node[0] >> NODE_SHIFT) + (uint64_t)node[1];
		node = node_words(d->patch, at, 3 + 2 * n);
		steps = node ? action_depth(d, node[2], at) : WALK_STEPS_MAX + 1;
		for (uint64_t i = 0; i < n && steps <= WALK_STEPS_MAX; i++) {
			max = action_depth(d, node[3 + 2 * i + 1], at);
			steps = max > steps ? max : steps;
		}
		steps += 17;
		break;
	case NODE_TEST:
		steps = action_depth(d, node[1], at);
		max = action_depth(d, node[2], at);
		steps = (max > steps ? max : steps) + 1;
		break;
	default:
		steps = WALK_STEPS_MAX + 1;
	}
	d->deep--;
	return steps <= WALK_STEPS_MAX ? steps : WALK_STEPS_MAX + 1;
}

/* ---- actions ---- */

static int compile_rules(struct patch *p, const struct rule *rules, size_t n, uint32_t fallback,
			 uint32_t other, uint32_t *ret_action)
{
	int r = ports_compile(&p->builder, rules, n, other, other == fallback, ret_action);

	return !r && p->builder.lines.n ? -EAGAIN : r;
}

/* Rules of the table as the new services are numbered, checked. */
static int compile_old_rules(struct patch *p, size_t begin, size_t n, uint32_t fallback,
			     uint32_t other, uint32_t *ret_action)
{
	_cleanup_free_ struct rule *rules = malloc(n * sizeof(*rules));
	struct anybind_ruleset rs = p->old;
	int r;

	if (!rules)
		return -ENOMEM;
	rs.rules += begin;
	rs.n_rules = n;
	r = ruleset_validate_part(&rs);
	if (r < 0)
		return r;
	memcpy(rules, rs.rules, n * sizeof(*rules));
	for (size_t i = 0; i < n; i++)
		if (rules[i].action == ANYBIND_BIND)
			rules[i].service = p->part->services[rules[i].service];
	return compile_rules(p, rules, n, fallback, other, ret_action);
}

/* What the prefixes around the changed one do, from the shortest on. */
static int compile_around(struct patch *p, uint32_t fallback, uint32_t *ret_action)
{
	const struct rule *prefix = &p->part->prefix;
	uint32_t action = fallback;
	int r = 0;

	for (uint8_t len = 1; len < prefix->dst_len && !r; len++) {
		uint8_t dst[16] = { 0 };
		size_t begin, n;

		memcpy(dst, prefix->dst, (len + 7u) / 8);
		if (len % 8)
			dst[len / 8] &= 0xff00 >> len % 8;
		n = part_find(&p->old, prefix->family, dst, len, &begin);
		if (n)
			r = compile_old_rules(p, begin, n, fallback, action, &action);
	}
	if (!r)
		*ret_action = action;
	return r;
}

/* ---- lines ---- */

/* The action at @entry's place by the table's shorter prefixes. */
static uint32_t found_action(const struct patch *p, const struct family_params *family,
			     const struct entry *entry)
{
	bool v6 = p->part->prefix.family == 6, used[129] = { false };
	uint32_t action = family->fallback;

	for (uint32_t i = 0; i < family->n_levels; i++)
		if (family->levels[i].len <= 128)
			used[family->levels[i].len] = true;
	for (uint8_t len = entry->len - 1; len > 0; len--) {
		struct entry around = *entry;
		__u64 hi, lo;

		if (!used[len])
			continue;
		prefix_mask(v6, len, &hi, &lo);
		around.hi &= hi;
		around.lo &= lo;
		around.len = len;
		if (overlay_find(&p->overlay, &around, &action))
			break;
	}
	return action;
}

/* Marks the way to @entry's length. */
static int put_markers(struct patch *p, const struct family_params *family,
		       const struct entry *entry)
{
	uint32_t at = 0, n = 0;

	for (;; n++) {
		struct entry marker = *entry;
		__u64 hi, lo;

		if (at >= family->n_levels || n > LEVELS_MAX)
			return -EAGAIN; /* of that length there is none */
		marker.len = family->levels[at].len;
		if (marker.len == entry->len)
			return 0;
		if (marker.len > entry->len) {
			at = family->levels[at].shorter;
			continue;
		}
		at = family->levels[at].longer;
		prefix_mask(p->overlay.v6, marker.len, &hi, &lo);
		marker.hi &= hi;
		marker.lo &= lo;
		marker.more = true;
		if (!marker.len)
			return -EAGAIN;
		marker.action = found_action(p, family, &marker);
		if (!overlay_mark(&p->overlay, &marker))
			return -EAGAIN;
	}
}

static int open_lines(struct patch *p, const struct family_params *family)
{
	const struct table_header *old = p->part->table->header;
	uint64_t begin = old->params.lines_offset, end = begin + 64 * (uint64_t)old->params.lines;

	if (family->offset < begin || family->offset % 64 || begin % 64 ||
	    family->offset + 64 * (uint64_t)family->lines > end || !family->lines ||
	    family->n_levels > LEVELS_MAX)
		return -EAGAIN;
	p->overlay.v6 = p->part->prefix.family == 6;
	p->overlay.old = (const void *)((const char *)old + family->offset);
	p->overlay.n = family->lines;
	p->overlay.mul = family->mul;
	return 0;
}

/* ---- one prefix ---- */

static bool is_leaf(const struct patch *p, const struct family_params *family)
{
	const struct part *part = p->part;
	size_t next = part->begin + part->n_before;
	const struct rule *rule = &p->old.rules[next];

	if (part->prefix.dst_len < family->removed)
		return false;
	return next == p->old.n_rules || rule->family != part->prefix.family ||
	       rule->dst_len <= part->prefix.dst_len ||
	       !prefix_equal(rule->dst, part->prefix.dst, part->prefix.dst_len);
}

static int patch_prefix(struct patch *p, struct family_params *family)
{
	const struct part *part = p->part;
	struct depth depth = { .patch = p };
	struct entry entry;
	uint32_t other = 0;
	int r;

	if (!is_leaf(p, family))
		return -EAGAIN;
	r = open_lines(p, family);
	if (!r)
		r = compile_around(p, family->fallback, &other);
	if (r < 0)
		return r;
	entry_of(part->prefix.family, part->prefix.dst, part->prefix.dst_len, &entry);
	entry.action = other;
	if (part->after->n_rules)
		r = compile_rules(p, part->after->rules, part->after->n_rules, family->fallback,
				  other, &entry.action);
	else if (part->prefix.dst_len > family->removed)
		family->removed = part->prefix.dst_len;
	if (r < 0)
		return r;
	/* An action for a single port goes on with the default one. */
	if (action_depth(&depth, entry.action, UINT32_MAX) +
		    action_depth(&depth, family->fallback, UINT32_MAX) > WALK_STEPS_MAX)
		return -E2BIG;
	r = put_markers(p, family, &entry);
	if (!r && !overlay_put(&p->overlay, &entry))
		r = -EAGAIN;
	return r;
}

/* ---- the image ---- */

static int finish(struct patch *p)
{
	const struct table_header *old = p->part->table->header;
	struct table_header *h = &p->header;
	uint64_t size = old->params.words + 16ull * old->params.lines, patched;

	h->params.words = p->builder.nodes.base + p->builder.nodes.n;
	h->params.has_nodes |= p->builder.nodes.n > 0;
	patched = old->patched + p->builder.nodes.n + ENTRY_WORDS * p->overlay.n_lines;
	if (patched > UNUSED_MIN + size / UNUSED_PART || patched > UINT32_MAX)
		return -EAGAIN;
	h->patched = patched;
	image_lay_out(h, p->part->after,
		      p->old.n_rules - p->part->n_before + p->part->after->n_rules);
	return h->size <= IMAGE_MAX ? 0 : -E2BIG;
}

/* Services and devices mean in the words what they meant there. */
static bool same_numbers(const struct patch *p)
{
	const struct anybind_ruleset *after = p->part->after;

	for (size_t i = 0; i < p->old.n_services; i++)
		if (p->old.services[i].id != after->services[p->part->services[i]].id)
			return false;
	for (size_t i = 0; i < after->n_services; i++)
		if (after->services[i].id >= SERVICE_IDS)
			return false;
	for (size_t i = 0; i < p->old.n_devices; i++)
		if (p->old.devices[i].ifindex != after->devices[i].ifindex)
			return false;
	return true;
}

static int plan(struct patch *p)
{
	const struct table_header *old = p->part->table->header;
	struct table_params *params = &p->header.params;
	int r = 0;

	p->old = table_view(p->part->table);
	p->header = *old;
	p->builder.rs = p->part->after;
	p->builder.nodes.base = old->params.words;
	if (!same_numbers(p) || old->params.lines_offset != IMAGE_LINES_OFFSET)
		return -EAGAIN;
	if (p->part->prefix.family)
		r = patch_prefix(p, p->part->prefix.family == 6 ? &params->v6 : &params->v4);
	return r < 0 ? r : finish(p);
}

int patch(struct patch **ret, const struct part *part)
{
	struct patch *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->part = part;
	r = plan(p);
	if (r < 0) {
		patch_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void patch_free(struct patch *p)
{
	if (!p)
		return;
	builder_free(&p->builder);
	free(p);
}

/* Rules of the old table from @begin on to @to; a service that cannot be stays one. */
static struct rule *write_rules(const struct patch *p, size_t begin, size_t end, struct rule *to)
{
	memcpy(to, p->old.rules + begin, (end - begin) * sizeof(*to));
	for (size_t i = 0; p->part->renumbers && i < end - begin; i++)
		if (to[i].action == ANYBIND_BIND)
			to[i].service = to[i].service < p->old.n_services
						? p->part->services[to[i].service]
						: SERVICE_NO_ID;
	return to + (end - begin);
}

static void copy(void *to, const void *from, size_t size)
{
	if (size)
		memcpy(to, from, size);
}

static void write_image(const void *data, uint64_t generation, uint64_t changed, void *image)
{
	const struct patch *p = data;
	const struct part *part = p->part;
	const struct table_header *h = &p->header, *old = part->table->header;
	const struct family_params *family = p->overlay.v6 ? &h->params.v6 : &h->params.v4;
	struct table_header *header = image;
	char *out = image;
	uint32_t *words = (uint32_t *)(out + h->params.words_offset);
	struct rule *rules = (struct rule *)(out + h->rules_offset);

	*header = *h;
	header->generation = generation;
	header->changed = changed;
	copy(out + h->params.lines_offset, (const char *)old + old->params.lines_offset,
	     64 * (size_t)old->params.lines);
	for (size_t i = 0; i < p->overlay.n_lines; i++)
		memcpy(out + family->offset + 64 * (size_t)p->overlay.lines[i].at,
		       p->overlay.lines[i].v, 64);
	copy(words, (const char *)old + old->params.words_offset, 4 * (size_t)old->params.words);
	copy(words + old->params.words, p->builder.nodes.words, 4 * p->builder.nodes.n);
	copy(out + h->services_offset, part->after->services,
	     h->n_services * sizeof(struct service));
	copy(out + h->devices_offset, part->after->devices, h->n_devices * sizeof(struct device));
	rules = write_rules(p, 0, part->begin, rules);
	copy(rules, part->after->rules, part->after->n_rules * sizeof(*rules));
	write_rules(p, part->begin + part->n_before, p->old.n_rules, rules + part->after->n_rules);
}

struct image patch_image(const struct patch *p)
{
	return (struct image){ p->header.size, &p->header.params, write_image, p };
}
