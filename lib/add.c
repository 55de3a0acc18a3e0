/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Adding one ruleset to another. The sum is built beside them and takes the
 * ruleset's place only when nothing can fail any more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clash.h"
#include "cleanup.h"
#include "cross.h"
#include "error.h"
#include "fallback.h"
#include "names.h"
#include "ruleset.h"
#include "seal.h"

struct addition {
	const struct anybind_ruleset *a, *b; /* the ruleset, and what comes to it */
	struct anybind_ruleset sum;
	uint32_t *services_a, *services_b, *devices_a, *devices_b; /* to the sum's indices */
	uint32_t *fresh;  /* positions in the sum of rules that are new there */
	uint32_t *origin; /* index of fresh[i] in b's rules */
	size_t n_fresh;
	bool replace, changed, exists;
	struct anybind_report *report;
};

static void addition_done(struct addition *add)
{
	ruleset_clear(&add->sum);
	free(add->services_a);
	free(add->services_b);
	free(add->devices_a);
	free(add->devices_b);
	free(add->fresh);
	free(add->origin);
}

static uint32_t line_of(const struct anybind_ruleset *rs, size_t i)
{
	return rs->lines ? rs->lines[i] : 0;
}

static bool is_declared(const struct anybind_ruleset *rs, size_t i)
{
	return !rs->declarations || rs->declarations[i].is_explicit;
}

static uint32_t declared_at(const struct anybind_ruleset *rs, size_t i)
{
	return rs->declarations ? rs->declarations[i].line : 0;
}

/* What @b's service @j has to say to @a's service @i of the same name. */
static void add_policy(struct addition *add, size_t i, size_t j)
{
	const struct anybind_ruleset *a = add->a, *b = add->b;
	struct service *sum = &add->sum.services[add->services_b[j]];
	char text[POLICY_TEXT_MAX];

	if (!is_declared(b, j) || fallback_same_policy(a, i, b, j))
		return;
	if (add->replace) {
		sum->missing_pass = b->services[j].missing_pass;
		sum->fallback = b->services[j].fallback;
		service_remap(sum, add->services_b);
		add->changed = true;
		return;
	}
	add->exists = true;
	report_error_at(add->report, b->source, declared_at(b, j), -EEXIST,
			"Use --replace to change it.", "service \"%s\" is there with \"%s\"",
			sum->name, fallback_policy_text(a, i, text));
}

/* New services, and policies where the addition declares them otherwise. */
static void add_services(struct addition *add)
{
	const struct anybind_ruleset *a = add->a, *b = add->b;

	if (add->sum.n_services > a->n_services)
		add->changed = true;
	for (size_t i = 0; i < a->n_services; i++) {
		service_remap(&add->sum.services[add->services_a[i]], add->services_a);
		add->sum.declarations[add->services_a[i]].is_explicit = is_declared(a, i);
	}
	for (size_t j = 0, i = 0; j < b->n_services; j++) {
		struct service *sum = &add->sum.services[add->services_b[j]];

		add->sum.declarations[add->services_b[j]].is_explicit |= is_declared(b, j);
		while (i < a->n_services && add->services_a[i] < add->services_b[j])
			i++;
		if (i < a->n_services && add->services_a[i] == add->services_b[j]) {
			add_policy(add, i, j);
			continue;
		}
		sum->id = SERVICE_NO_ID; /* another registry's means nothing here */
		service_remap(sum, add->services_b);
	}
}

/* Both may be free of circles and their sum not. */
static int check_fallbacks(const struct addition *add)
{
	_cleanup_free_ uint32_t *lines = calloc(add->sum.n_services + 1, sizeof(*lines));

	if (!lines)
		return report_oom(add->report);
	for (size_t j = 0; j < add->b->n_services; j++)
		if (is_declared(add->b, j))
			lines[add->services_b[j]] = declared_at(add->b, j);
	return fallbacks_check(&add->sum, lines, add->b->source, add->report);
}

/* Appends rules of one of both as they are numbered in the sum. */
static void append(struct addition *add, const struct anybind_ruleset *from, size_t begin,
		   size_t end, const uint32_t *services, const uint32_t *devices)
{
	struct rule *rules = add->sum.rules + add->sum.n_rules;

	if (begin == end)
		return;
	memcpy(rules, from->rules + begin, (end - begin) * sizeof(*rules));
	for (size_t i = 0; i < end - begin; i++)
		rule_remap(&rules[i], services, devices);
	add->sum.n_rules += end - begin;
}

static void append_a(struct addition *add, size_t begin, size_t end)
{
	append(add, add->a, begin, end, add->services_a, add->devices_a);
}

static void append_b(struct addition *add, size_t j)
{
	append(add, add->b, j, j + 1, add->services_b, add->devices_b);
	add->changed = true;
}

static void say_exists(struct addition *add, size_t i, size_t j)
{
	const struct anybind_ruleset *a = add->a, *b = add->b;
	char there[RULE_TEXT_MAX], new[RULE_TEXT_MAX];

	add->exists = true;
	report_error_at(add->report, b->source, line_of(b, j), -EEXIST,
			"Use --replace to give that match the new verdict.",
			"\"%s\" has the same match as \"%s\", which is there",
			ruleset_rule_text(b, &b->rules[j], new),
			ruleset_rule_text(a, &a->rules[i], there));
}

static void add_rules(struct addition *add)
{
	const struct anybind_ruleset *a = add->a, *b = add->b;
	size_t i = 0;

	for (size_t j = 0; j < b->n_rules; j++) {
		size_t next = cross_seek(a, i, b, j);

		append_a(add, i, next);
		i = next;
		if (i == a->n_rules || cross_compare(a, i, b, j) != 0) {
			add->origin[add->n_fresh] = (uint32_t)j;
			add->fresh[add->n_fresh++] = (uint32_t)add->sum.n_rules;
			append_b(add, j);
			continue;
		}
		if (cross_same_verdict(a, i, b, j)) {
			append_a(add, i, i + 1);
		} else if (add->replace) {
			append_b(add, j);
		} else {
			say_exists(add, i, j);
			append_a(add, i, i + 1);
		}
		i++;
	}
	append_a(add, i, a->n_rules);
}

/* Checks each group that got a new rule, once. */
static int find_overlaps(const struct addition *add, struct clashes *clashes)
{
	size_t checked = 0;
	int r;

	for (size_t i = 0; i < add->n_fresh; i++) {
		size_t begin = add->fresh[i], end = begin + 1;
		const struct rule *rule = &add->sum.rules[begin];

		if (begin < checked)
			continue;
		while (begin > 0 && clash_same_group(&add->sum.rules[begin - 1], rule))
			begin--;
		while (end < add->sum.n_rules && clash_same_group(&add->sum.rules[end], rule))
			end++;
		r = clashes_in_group(add->sum.rules, begin, end, clashes);
		if (r < 0)
			return r;
		checked = end;
	}
	return 0;
}

static int compare_positions(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int check_overlaps(const struct addition *add)
{
	_cleanup_(clashes_free) struct clashes clashes = {0};

	if (find_overlaps(add, &clashes) < 0)
		return report_oom(add->report);
	for (size_t i = 0; i < clashes.n; i++) {
		uint32_t other = clashes.pairs[i].a, new = clashes.pairs[i].b;
		const uint32_t *fresh =
			bsearch(&new, add->fresh, add->n_fresh, sizeof(new), compare_positions);
		char text[2][RULE_TEXT_MAX];

		if (!fresh) {
			other = new;
			new = clashes.pairs[i].a;
			fresh = bsearch(&new, add->fresh, add->n_fresh, sizeof(new),
					compare_positions);
		}
		report_error_at(add->report, add->b->source,
				fresh ? line_of(add->b, add->origin[fresh - add->fresh]) : 0,
				-EINVAL, CLASH_OVERLAP_HINT,
				"\"%s\" conflicts with \"%s\", which it partly overlaps",
				ruleset_rule_text(&add->sum, &add->sum.rules[new], text[0]),
				ruleset_rule_text(&add->sum, &add->sum.rules[other], text[1]));
	}
	return clashes.n > 0 ? -EINVAL : 0;
}

/* Room for the sum; the numbers of its services and devices. */
static int addition_init(struct addition *add)
{
	const struct anybind_ruleset *a = add->a, *b = add->b;
	size_t services = a->n_services + b->n_services + 1;
	size_t devices = a->n_devices + b->n_devices + 1;

	add->sum.rules = malloc((a->n_rules + b->n_rules + 1) * sizeof(struct rule));
	add->sum.services = calloc(services, sizeof(struct service));
	add->sum.declarations = calloc(services, sizeof(struct declaration));
	add->sum.devices = calloc(devices, sizeof(struct device));
	add->services_a = calloc(services, sizeof(uint32_t));
	add->services_b = calloc(services, sizeof(uint32_t));
	add->devices_a = calloc(devices, sizeof(uint32_t));
	add->devices_b = calloc(devices, sizeof(uint32_t));
	add->fresh = malloc((b->n_rules + 1) * sizeof(uint32_t));
	add->origin = malloc((b->n_rules + 1) * sizeof(uint32_t));
	if (!add->sum.rules || !add->sum.services || !add->sum.declarations ||
	    !add->sum.devices || !add->services_a ||
	    !add->services_b || !add->devices_a || !add->devices_b || !add->fresh || !add->origin)
		return report_oom(add->report);
	add->sum.n_services = names_union(a->services, a->n_services, b->services, b->n_services,
					  sizeof(struct service), add->sum.services,
					  add->services_a, add->services_b);
	add->sum.n_devices = names_union(a->devices, a->n_devices, b->devices, b->n_devices,
					 sizeof(struct device), add->sum.devices, add->devices_a,
					 add->devices_b);
	add->sum.cap_rules = a->n_rules + b->n_rules + 1;
	add->sum.cap_services = services;
	add->sum.cap_devices = devices;
	return 0;
}

static int check_limits(const struct addition *add)
{
	if (add->sum.n_services > ANYBIND_SERVICES_MAX)
		return report_error(add->report, -E2BIG,
				    "`anybind services` lists them; `anybind unbind NAME` removes "
				    "one.",
				    "with this there would be more than %d services",
				    ANYBIND_SERVICES_MAX);
	if (add->sum.n_devices > RULESET_DEVICES_MAX)
		return report_error(add->report, -E2BIG, NULL, "more than %d interfaces",
				    RULESET_DEVICES_MAX);
	return 0;
}

int anybind_ruleset_add(struct anybind_ruleset *ruleset, const struct anybind_ruleset *delta,
			bool replace, struct anybind_report *report)
{
	_cleanup_(addition_done) struct addition add = {
		.a = ruleset, .b = delta, .replace = replace, .report = report};
	struct anybind_ruleset old = *ruleset;
	int r;

	r = addition_init(&add);
	if (r == 0)
		r = check_limits(&add);
	if (r < 0)
		return r;
	add_services(&add);
	add_rules(&add);
	if (add.sum.n_rules > RULESET_RULES_MAX)
		return report_error(report, -E2BIG, "Join prefixes or port ranges.",
				    "more than %d rules", RULESET_RULES_MAX);
	r = check_overlaps(&add);
	if (r == 0)
		r = check_fallbacks(&add);
	if (r < 0)
		return r;
	if (add.exists)
		return -EEXIST;
	if (add.changed) {
		*ruleset = add.sum;
		add.sum = old; /* goes with the rest */
	}
	return add.changed;
}
