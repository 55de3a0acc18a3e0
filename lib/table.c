// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "table.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "lookup.h"

/* Do @n things of @each bytes at @offset lie within @size, aligned to @to? */
static bool fits(uint64_t offset, uint64_t n, uint64_t each, uint64_t to, uint64_t size)
{
	return offset % to == 0 && offset <= size && n <= (size - offset) / each;
}

static bool is_sound(const struct table_header *h, size_t size)
{
	const struct table_params *p = &h->params;

	return h->size >= sizeof(*h) && h->size <= size &&
	       fits(p->v4.offset, p->v4.lines, 64, 8, h->size) &&
	       fits(p->v6.offset, p->v6.lines, 64, 8, h->size) &&
	       fits(p->lines_offset, p->lines, 64, 8, h->size) &&
	       fits(p->words_offset, (uint64_t)p->words + WORDS_SLACK, 4, 4, h->size) &&
	       p->n_fallbacks <= p->words &&
	       fits(h->services_offset, h->n_services, sizeof(struct service), 4, h->size) &&
	       fits(h->devices_offset, h->n_devices, sizeof(struct device), 4, h->size) &&
	       fits(h->rules_offset, h->n_rules, sizeof(struct rule), 4, h->size);
}

int table_open(struct table *ret, const void *image, size_t size, struct anybind_report *report)
{
	const struct table_header *h = image;

	if (size < sizeof(*h) || memcmp(h->magic, ANYBIND_MAGIC, sizeof(h->magic)))
		return report_error(report, -EUCLEAN,
				    "`anybind unload` clears it away; then apply the rules again.",
				    "the state in the kernel is not anybind's, or damaged");
	if (h->layout != ANYBIND_LAYOUT)
		return report_error(report, -ENOTSUP,
				    "Use the version that wrote it, or `anybind unload` (steering "
				    "stops) and apply the rules again.",
				    "the state in the kernel has layout %u; this is anybind %s, "
				    "which reads layout %u",
				    h->layout, anybind_version(), ANYBIND_LAYOUT);
	if (!is_sound(h, size))
		return report_error(report, -EUCLEAN,
				    "`anybind unload` clears it away; then apply the rules again.",
				    "the table in the kernel is damaged: its parts do not fit into "
				    "its %zu bytes", size);
	*ret = (struct table){ h, size };
	return 0;
}

bool table_is_cut(const void *image, size_t size)
{
	const struct table_header *h = image;

	return size >= sizeof(*h) && !memcmp(h->magic, ANYBIND_MAGIC, sizeof(h->magic)) &&
	       h->layout == ANYBIND_LAYOUT && h->size > size;
}

struct anybind_ruleset table_view(const struct table *table)
{
	const struct table_header *h = table->header;
	char *image = (char *)h;

	return (struct anybind_ruleset){
		.rules = (struct rule *)(image + h->rules_offset),
		.n_rules = h->n_rules,
		.services = (struct service *)(image + h->services_offset),
		.n_services = h->n_services,
		.devices = (struct device *)(image + h->devices_offset),
		.n_devices = h->n_devices,
	};
}

int table_damaged(struct anybind_report *report)
{
	return report_error(report, -EUCLEAN,
			    "`anybind unload` clears it away; then apply the rules again.",
			    "the rules in the kernel are damaged");
}

int table_checked(const struct table *table, struct anybind_ruleset *ret,
		  struct anybind_report *report)
{
	struct anybind_ruleset rs = table_view(table);
	int r = ruleset_validate(&rs);

	if (r == -EUCLEAN)
		return table_damaged(report);
	if (r < 0)
		return report_oom(report);
	if (!rs.n_rules)
		rs.rules = NULL;
	*ret = rs;
	return 0;
}

int table_ruleset(const struct table *table, struct anybind_ruleset **ret,
		  struct anybind_report *report)
{
	struct anybind_ruleset rs;
	int r = table_checked(table, &rs, report);

	if (r < 0)
		return r;
	return ruleset_copy(ret, &rs) < 0 ? report_oom(report) : 0;
}

/* The action that a search for @dst (as in struct rule) starts with. */
static uint32_t search(const struct table *table, bool v6, const uint8_t dst[16])
{
	const struct table_params *params = &table->header->params;
	const struct family_params *family = v6 ? &params->v6 : &params->v4;
	struct search s = { .v6 = v6, .best = family->fallback };
	uint32_t word[4];

	memcpy(word, dst, 16);
	s.hi = v6 ? lookup_half(word[0], word[1]) : 0;
	s.lo = v6 ? lookup_half(word[2], word[3]) : word[0];
	for (unsigned int i = 0; i < SEARCH_STEPS_MAX && family->lines; i++)
		if (lookup_search_step((const uint8_t *)table->header, params, &s))
			break;
	return s.best;
}

uint32_t table_lookup(const struct table *table, uint8_t family, uint8_t proto,
		      const uint8_t dst[16], uint16_t port, const uint8_t src[16], uint32_t ifindex)
{
	const struct table_params *params = &table->header->params;
	struct walk w = {
		.proto = proto == IPPROTO_TCP ? PROTO_BIT_TCP : PROTO_BIT_UDP,
		.port = port,
		.ifindex = ifindex,
		.v6 = family == 6,
		.action = search(table, family == 6, dst),
	};

	memcpy(w.src, src, 16);
	w.src_hi = lookup_half(w.src[0], w.src[1]);
	w.src_lo = w.v6 ? lookup_half(w.src[2], w.src[3]) : w.src[0];
	for (uint32_t i = 0; i < WALK_STEPS_MAX; i++)
		if (lookup_step((const uint8_t *)table->header, params, &w))
			break;
	return w.action & ACTION_TAG ? VERDICT_PASS : w.action >> ACTION_SHIFT;
}

uint32_t table_fallback(const struct table *table, uint32_t id)
{
	return lookup_fallback((const uint8_t *)table->header, &table->header->params, id);
}

size_t table_lookup_bytes(const struct table *table)
{
	const struct table_params *p = &table->header->params;

	return 64ull * p->lines + 4ull * (p->words + WORDS_SLACK);
}

size_t table_rules_bytes(const struct table *table)
{
	const struct table_header *h = table->header;

	return h->n_services * sizeof(struct service) + h->n_devices * sizeof(struct device) +
	       h->n_rules * sizeof(struct rule);
}
