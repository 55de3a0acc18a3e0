/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Taking rules or services out of a ruleset. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cross.h"
#include "error.h"
#include "fallback.h"
#include "ruleset.h"
#include "seal.h"

/* Rules named as evidence, and rules looked at to find them. */
#define NEAREST_MAX 3
#define NEAREST_SEEN 4096
/* Absent rules for which that is done: a report keeps no more. */
#define EVIDENCE_MAX 20

/* How far a rule is from @wanted, of the same prefix and protocol. */
static unsigned int distance(const struct anybind_ruleset *a, size_t i,
			     const struct anybind_ruleset *b, size_t j)
{
	const struct rule *rule = &a->rules[i], *wanted = &b->rules[j];
	unsigned int d = (unsigned int)abs(rule->port_lo - wanted->port_lo) +
			 (unsigned int)abs(rule->port_hi - wanted->port_hi);

	if (cross_compare(a, i, b, j) == 0)
		return 0;
	if (rule->src_len != wanted->src_len || memcmp(rule->src, wanted->src, 16) != 0)
		d += 200000;
	return d + 1 + !cross_same_verdict(a, i, b, j);
}

static bool same_destination(const struct rule *a, const struct rule *b)
{
	return a->family == b->family && a->dst_len == b->dst_len && a->proto == b->proto &&
	       memcmp(a->dst, b->dst, sizeof(a->dst)) == 0;
}

/* Puts a rule among the nearest so far; @n of them. */
static size_t note_nearest(size_t nearest[NEAREST_MAX], unsigned int distances[NEAREST_MAX],
			   size_t n, size_t i, unsigned int d)
{
	size_t at = n;

	while (at > 0 && distances[at - 1] > d)
		at--;
	if (at == NEAREST_MAX)
		return n;
	n = n < NEAREST_MAX ? n + 1 : n;
	memmove(nearest + at + 1, nearest + at, (n - at - 1) * sizeof(*nearest));
	memmove(distances + at + 1, distances + at, (n - at - 1) * sizeof(*distances));
	nearest[at] = i;
	distances[at] = d;
	return n;
}

/* Rules of @a with the destination of @b's rule @j, around @position. */
static size_t find_nearest(const struct anybind_ruleset *a, size_t position,
			   const struct anybind_ruleset *b, size_t j, size_t nearest[NEAREST_MAX])
{
	const struct rule *wanted = &b->rules[j];
	unsigned int distances[NEAREST_MAX];
	size_t begin = position, n = 0;

	while (begin > 0 && position - begin < NEAREST_SEEN &&
	       same_destination(&a->rules[begin - 1], wanted))
		begin--;
	for (size_t i = begin; i < a->n_rules && i < position + NEAREST_SEEN &&
			       same_destination(&a->rules[i], wanted);
	     i++)
		n = note_nearest(nearest, distances, n, i, distance(a, i, b, j));
	return n;
}

static void say_absent(const struct anybind_ruleset *a, size_t position,
		       const struct anybind_ruleset *b, size_t j, struct anybind_report *report)
{
	char there[NEAREST_MAX][RULE_TEXT_MAX], wanted[RULE_TEXT_MAX];
	size_t nearest[NEAREST_MAX];
	size_t n = find_nearest(a, position, b, j, nearest);

	for (size_t i = 0; i < n; i++)
		ruleset_rule_text(a, &a->rules[nearest[i]], there[i]);
	ruleset_rule_text(b, &b->rules[j], wanted);
	report_error_at(report, b->source, b->lines ? b->lines[j] : 0, -ENOENT,
			"`anybind rules` lists the rules that are there.",
			"there is no rule \"%s\"; there is%s%s%s%s%s%s%s", wanted,
			n == 0 ? " none for that prefix and protocol" : ": \"",
			n > 0 ? there[0] : "", n > 1 ? "\", \"" : "", n > 1 ? there[1] : "",
			n > 2 ? "\", \"" : "", n > 2 ? there[2] : "", n > 0 ? "\"" : "");
}

/* Where each of @b's rules is in @a. -ENOENT */
static int find_rules(const struct anybind_ruleset *a, const struct anybind_ruleset *b,
		      uint32_t *ret_positions, struct anybind_report *report)
{
	size_t position = 0, absent = 0;

	for (size_t j = 0; j < b->n_rules; j++) {
		position = cross_seek(a, position, b, j);
		if (cross_is_at(a, position, b, j)) {
			ret_positions[j] = (uint32_t)position;
			continue;
		}
		if (absent++ < EVIDENCE_MAX)
			say_absent(a, position, b, j, report);
		else
			report_error(report, -ENOENT, NULL, "there is no such rule");
	}
	return absent > 0 ? -ENOENT : 0;
}

/* Closes the gaps that the rules at @positions, ascending, leave. */
static void cut_rules(struct anybind_ruleset *rs, const uint32_t *positions, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t begin = positions[i] + 1u, end = i + 1 < n ? positions[i + 1] : rs->n_rules;

		memmove(rs->rules + begin - i - 1, rs->rules + begin,
			(end - begin) * sizeof(*rs->rules));
		if (rs->lines)
			memmove(rs->lines + begin - i - 1, rs->lines + begin,
				(end - begin) * sizeof(*rs->lines));
	}
	rs->n_rules -= n;
}

/* Drops devices without rules. @map has room for one number a device, zeroed. */
static void drop_unused_devices(struct anybind_ruleset *rs, uint32_t *map)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->n_rules; i++)
		if (rs->rules[i].dev)
			map[rs->rules[i].dev - 1] = 1;
	for (size_t i = 0; i < rs->n_devices; i++) {
		if (!map[i])
			continue;
		rs->devices[n] = rs->devices[i];
		map[i] = (uint32_t)n++;
	}
	if (n == rs->n_devices)
		return;
	rs->n_devices = n;
	for (size_t i = 0; i < rs->n_rules; i++)
		if (rs->rules[i].dev)
			rs->rules[i].dev = (uint16_t)(1 + map[rs->rules[i].dev - 1]);
}

static int remove_rules(struct anybind_ruleset *rs, const struct anybind_ruleset *delta,
			struct anybind_report *report)
{
	_cleanup_free_ uint32_t *positions = malloc(delta->n_rules * sizeof(*positions));
	_cleanup_free_ uint32_t *map = calloc(rs->n_devices + 1, sizeof(*map));
	int r;

	if (!positions || !map)
		return report_oom(report);
	r = find_rules(rs, delta, positions, report);
	if (r < 0)
		return r;
	cut_rules(rs, positions, delta->n_rules);
	if (delta->n_devices > 0)
		drop_unused_devices(rs, map);
	return 0;
}

/* The rules of each service, and one of them. */
struct use {
	size_t n_rules, example;
};

static uint32_t declared_at(const struct anybind_ruleset *rs, size_t i)
{
	return rs->declarations ? rs->declarations[i].line : 0;
}

static int check_services(const struct anybind_ruleset *rs, const struct anybind_ruleset *delta,
			  const struct use *uses, bool *ret_goes, struct anybind_report *report)
{
	int r = 0;

	for (size_t j = 0; j < delta->n_services; j++) {
		uint32_t line = declared_at(delta, j);
		int i = ruleset_find_service(rs, delta->services[j].name);
		char text[RULE_TEXT_MAX];

		if (delta->declarations && !delta->declarations[j].is_explicit)
			continue; /* only named as a fallback */
		if (i < 0) {
			r = report_error_at(report, delta->source, line, -ENOENT,
					    "`anybind rules` lists the services that are there.",
					    "there is no service \"%s\"", delta->services[j].name);
			continue;
		}
		ret_goes[i] = true;
		if (uses[i].n_rules == 0)
			continue;
		r = report_error_at(report, delta->source, line, -EBUSY, "Remove its rules first.",
				    "service \"%s\" still has %zu rule%s: \"%s\"%s",
				    delta->services[j].name, uses[i].n_rules,
				    uses[i].n_rules == 1 ? "" : "s",
				    ruleset_rule_text(rs, &rs->rules[uses[i].example], text),
				    uses[i].n_rules == 1 ? "" : " and others");
	}
	return r;
}

/* Nobody who stays falls back to one who goes. */
static int check_fallbacks(const struct anybind_ruleset *rs, const struct anybind_ruleset *delta,
			   const bool *goes, struct anybind_report *report)
{
	int r = 0;

	for (size_t i = 0; i < rs->n_services; i++) {
		const char *fallback = fallback_name(rs, i);
		int j;

		if (goes[i] || !fallback || !goes[rs->services[i].fallback - 1])
			continue;
		j = ruleset_find_service(delta, fallback); /* it is there, as it goes */
		r = report_error_at(report, delta->source, declared_at(delta, (size_t)j), -EBUSY,
				    "Give that one another fallback, or none, first.",
				    "service \"%s\" is the fallback of service \"%s\"", fallback,
				    rs->services[i].name);
	}
	return r;
}

static void cut_services(struct anybind_ruleset *rs, const bool *goes, uint32_t *map)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->n_services; i++) {
		map[i] = (uint32_t)n;
		if (goes[i])
			continue;
		rs->services[n] = rs->services[i];
		if (rs->declarations)
			rs->declarations[n] = rs->declarations[i];
		n++;
	}
	rs->n_services = n;
	for (size_t i = 0; i < n; i++)
		service_remap(&rs->services[i], map);
	for (size_t i = 0; i < rs->n_rules; i++)
		if (rs->rules[i].action == ANYBIND_BIND)
			rs->rules[i].service = map[rs->rules[i].service];
}

static int remove_services(struct anybind_ruleset *rs, const struct anybind_ruleset *delta,
			   struct anybind_report *report)
{
	_cleanup_free_ struct use *uses = calloc(rs->n_services + 1, sizeof(*uses));
	_cleanup_free_ bool *goes = calloc(rs->n_services + 1, sizeof(*goes));
	_cleanup_free_ uint32_t *map = calloc(rs->n_services + 1, sizeof(*map));
	int r;

	if (!uses || !goes || !map)
		return report_oom(report);
	for (size_t i = 0; i < rs->n_rules; i++) {
		struct use *use = &uses[rs->rules[i].service];

		if (rs->rules[i].action == ANYBIND_BIND && use->n_rules++ == 0)
			use->example = i;
	}
	r = check_services(rs, delta, uses, goes, report);
	if (r == 0)
		r = check_fallbacks(rs, delta, goes, report);
	if (r == 0)
		cut_services(rs, goes, map);
	return r;
}

int anybind_ruleset_remove(struct anybind_ruleset *ruleset, const struct anybind_ruleset *delta,
			   struct anybind_report *report)
{
	return delta->n_rules > 0 ? remove_rules(ruleset, delta, report)
				  : remove_services(ruleset, delta, report);
}
