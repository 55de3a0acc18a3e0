/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "seal.h"

#include <string.h>

#include "clash.h"
#include "cleanup.h"
#include "error.h"
#include "fallback.h"
#include "names.h"
#include "sort.h"

static bool is_identity(const uint32_t *map, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (map[i] != i)
			return false;
	return true;
}

static int seal_names(struct anybind_ruleset *rs)
{
	_cleanup_free_ uint32_t *services = malloc((rs->n_services + 1) * sizeof(*services));
	_cleanup_free_ uint32_t *devices = malloc((rs->n_devices + 1) * sizeof(*devices));
	_cleanup_free_ struct declaration *old = NULL;

	if (!services || !devices ||
	    names_sort(rs->services, rs->n_services, sizeof(struct service), services) < 0 ||
	    names_sort(rs->devices, rs->n_devices, sizeof(struct device), devices) < 0)
		return -ENOMEM;
	if (is_identity(services, rs->n_services) && is_identity(devices, rs->n_devices))
		return 0;
	old = malloc((rs->n_services + 1) * sizeof(*old));
	if (!old)
		return -ENOMEM;
	for (size_t i = 0; i < rs->n_services; i++)
		old[i] = rs->declarations[i];
	for (size_t i = 0; i < rs->n_services; i++) {
		rs->declarations[services[i]] = old[i];
		service_remap(&rs->services[i], services);
	}
	for (size_t i = 0; i < rs->n_rules; i++)
		rule_remap(&rs->rules[i], services, devices);
	return 0;
}

/* Drops repetitions; of two verdicts for one match both stay and are noted. */
static int drop_repeated(struct anybind_ruleset *rs, struct clashes *clashes)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->n_rules; i++) {
		const struct rule *rule = &rs->rules[i], *last = n ? &rs->rules[n - 1] : NULL;

		if (last && rule_compare(last, rule) == 0) {
			if (last->action == rule->action && last->service == rule->service)
				continue;
			if (clashes_add(clashes, n - 1, n) < 0)
				return -ENOMEM;
		}
		if (n < i) {
			rs->rules[n] = *rule;
			rs->lines[n] = rs->lines[i];
		}
		n++;
	}
	rs->n_rules = n;
	return 0;
}

/* The rule of the pair that comes later in the text. */
static uint32_t later(const struct anybind_ruleset *rs, const struct clash *clash)
{
	return rs->lines[clash->a] > rs->lines[clash->b] ? clash->a : clash->b;
}

static int compare_lines(const void *a, const void *b, void *data)
{
	const struct anybind_ruleset *rs = data;
	uint32_t x = rs->lines[later(rs, a)], y = rs->lines[later(rs, b)];

	return (x > y) - (x < y);
}

static int report_clashes(const struct anybind_ruleset *rs, struct clashes *clashes,
			  struct anybind_report *report)
{
	if (clashes->n == 0)
		return 0;
	qsort_r(clashes->pairs, clashes->n, sizeof(clashes->pairs[0]), compare_lines, (void *)rs);
	for (size_t i = 0; i < clashes->n; i++) {
		uint32_t second = later(rs, &clashes->pairs[i]);
		uint32_t first = clashes->pairs[i].a + clashes->pairs[i].b - second;
		bool same = rule_compare(&rs->rules[first], &rs->rules[second]) == 0;
		char text[2][RULE_TEXT_MAX];

		report_error_at(report, rs->source, rs->lines[second], -EINVAL,
				same ? CLASH_SAME_HINT : CLASH_OVERLAP_HINT,
				"\"%s\" conflicts with line %u: \"%s\"%s",
				ruleset_rule_text(rs, &rs->rules[second], text[0]),
				rs->lines[first], ruleset_rule_text(rs, &rs->rules[first], text[1]),
				same ? "" : ", which it partly overlaps");
	}
	return -EINVAL;
}

static int seal_fallbacks(const struct anybind_ruleset *rs, struct anybind_report *report)
{
	_cleanup_free_ uint32_t *lines = calloc(rs->n_services + 1, sizeof(*lines));

	if (!lines)
		return report_oom(report);
	for (size_t i = 0; i < rs->n_services; i++)
		lines[i] = rs->declarations[i].line;
	return fallbacks_check(rs, lines, rs->source, report);
}

int ruleset_seal(struct anybind_ruleset *rs, struct anybind_report *report)
{
	_cleanup_(clashes_free) struct clashes clashes = {0};
	int r;

	if (seal_names(rs) < 0 || rules_sort(rs->rules, rs->lines, rs->n_rules) < 0 ||
	    drop_repeated(rs, &clashes) < 0 || clashes_in_all(rs->rules, rs->n_rules, &clashes) < 0)
		return report_oom(report);
	r = report_clashes(rs, &clashes, report);
	if (seal_fallbacks(rs, report) < 0)
		r = -EINVAL;
	return r;
}
