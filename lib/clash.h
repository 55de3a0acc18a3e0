/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Rules that contradict each other. Pure. */
#ifndef ANYBIND_CLASH_H
#define ANYBIND_CLASH_H

#include "rule.h"

/* Two rules of an array: the same match, or ranges of one width that partly overlap. */
struct clash {
	uint32_t a, b; /* indices, a < b */
};

struct clashes {
	struct clash *pairs;
	size_t n, cap;
};

/* What to do about one. */
#define CLASH_SAME_HINT "One match can have only one verdict: change one of the two."
#define CLASH_OVERLAP_HINT                                                                         \
	"Of two ranges of one width neither comes first. Make them one range, or "                 \
	"give one\nof them another width, a source or a device."

void clashes_free(struct clashes *clashes);
int clashes_add(struct clashes *clashes, size_t a, size_t b); /* -ENOMEM */

/* Same prefix, protocol and width of the port range? Such rules are adjacent when sorted. */
bool clash_same_group(const struct rule *a, const struct rule *b);

/*
 * Adds the ranges that partly overlap for the same source and device, within
 * @rules[begin] to [end - 1], which are one whole group in rule_compare()
 * order. -ENOMEM.
 */
int clashes_in_group(const struct rule *rules, size_t begin, size_t end, struct clashes *clashes);

/* The same for every group of @rules. */
int clashes_in_all(const struct rule *rules, size_t n, struct clashes *clashes);

#endif
