/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What two rulesets do not share. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cross.h"
#include "fallback.h"
#include "print.h"
#include "ruleset.h"

void ruleset_each_new(const struct anybind_ruleset *before, const struct anybind_ruleset *after,
		      void (*fn)(size_t index, void *data), void *data)
{
	size_t i = 0;

	for (size_t j = 0; j < after->n_rules; j++) {
		i = cross_seek(before, i, after, j);
		if (!cross_is_at(before, i, after, j))
			fn(j, data);
	}
}

/* The part of a ruleset that is only there. */
struct part {
	struct anybind_ruleset rs; /* names are the whole ruleset's, rules a selection */
	const struct anybind_ruleset *whole;
	bool *services; /* that are to be printed */
	bool oom;
};

static void part_done(struct part *part)
{
	free(part->rs.rules);
	free(part->services);
}

static void take_rule(size_t index, void *data)
{
	struct part *part = data;

	if (part->rs.n_rules == part->rs.cap_rules) {
		size_t cap = part->rs.cap_rules * 2 + 64;
		struct rule *rules = reallocarray(part->rs.rules, cap, sizeof(*rules));

		if (!rules) {
			part->oom = true;
			return;
		}
		part->rs.rules = rules;
		part->rs.cap_rules = cap;
	}
	part->rs.rules[part->rs.n_rules++] = part->whole->rules[index];
}

/* What @whole has and @other has not. */
static int part_make(struct part *part, const struct anybind_ruleset *whole,
		     const struct anybind_ruleset *other)
{
	part->whole = whole;
	part->rs.services = whole->services;
	part->rs.n_services = whole->n_services;
	part->rs.devices = whole->devices;
	part->rs.n_devices = whole->n_devices;
	part->services = calloc(whole->n_services + 1, sizeof(*part->services));
	if (!part->services)
		return -ENOMEM;
	for (size_t i = 0; i < whole->n_services; i++) {
		int j = ruleset_find_service(other, whole->services[i].name);

		part->services[i] = j < 0 || !fallback_same_policy(whole, i, other, (size_t)j);
	}
	ruleset_each_new(other, whole, take_rule, part);
	return part->oom ? -ENOMEM : 0;
}

int anybind_ruleset_diff(const struct anybind_ruleset *before, const struct anybind_ruleset *after,
			 anybind_statement_fn removed, anybind_statement_fn added, void *data)
{
	_cleanup_(part_done) struct part old = {0}, new = {0};
	int r;

	r = part_make(&old, before, after);
	if (r == 0)
		r = part_make(&new, after, before);
	if (r == 0)
		r = print_statements(&old.rs, old.services, removed, data);
	if (r == 0)
		r = print_statements(&new.rs, new.services, added, data);
	return r;
}
