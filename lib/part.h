/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A change of one prefix's rules, made without a copy of all the others. What
 * decides whether rules can stand beside each other (the same match, ranges
 * that partly overlap) are those of the same prefix alone. Pure.
 */
#ifndef ANYBIND_PART_H
#define ANYBIND_PART_H

#include "table.h"

struct part {
	const struct table *table;
	struct rule prefix; /* family, destination and its length; family 0: no rules change */
	/* All services and devices to come; of the rules those of the prefix. */
	struct anybind_ruleset *after;
	size_t begin, n_before; /* those there are now, in the table's rules */
	uint32_t *services;	/* where each service of the table is in ->after */
	bool renumbers;		/* some of them elsewhere */
};

/*
 * Returns 1, 0 if nothing changes, -EAGAIN (not reported) if the change is not
 * of this kind, and what anybind_ruleset_add() and _remove() refuse. Of what
 * the table holds, just that which is used here is checked: -EUCLEAN.
 */
int part_edit(struct part *ret, const struct table *table, const struct anybind_ruleset *delta,
	      enum anybind_edit edit, struct anybind_report *report);
void part_done(struct part *part);

/* Adds @delta to @rs or takes it out; 1, or 0 if nothing changes. */
int ruleset_edit(struct anybind_ruleset *rs, const struct anybind_ruleset *delta,
		 enum anybind_edit edit, struct anybind_report *report);

/* The rules in place of @family for the prefix @dst/@len. */
size_t part_find(const struct anybind_ruleset *rs, uint8_t family, const uint8_t dst[16],
		 uint8_t len, size_t *ret_begin);

#endif
