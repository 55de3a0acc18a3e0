/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Comparing rules of two sealed rulesets, whose services and devices have
 * different numbers: by their names, which are in the same order. Pure.
 */
#ifndef ANYBIND_CROSS_H
#define ANYBIND_CROSS_H

#include "ruleset.h"

/* rule_compare() of @a's rule @i and @b's rule @j. */
int cross_compare(const struct anybind_ruleset *a, size_t i, const struct anybind_ruleset *b,
		  size_t j);

/* Have they the same action and service? */
bool cross_same_verdict(const struct anybind_ruleset *a, size_t i, const struct anybind_ruleset *b,
			size_t j);

/*
 * The first rule of @a from @start on that is not before @b's rule @j. Quick
 * where that is near @start.
 */
size_t cross_seek(const struct anybind_ruleset *a, size_t start, const struct anybind_ruleset *b,
		  size_t j);

/* Does @a have @b's rule @j, with the same verdict, at @i, where cross_seek() led? */
bool cross_is_at(const struct anybind_ruleset *a, size_t i, const struct anybind_ruleset *b,
		 size_t j);

#endif
