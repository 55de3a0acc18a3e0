/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sorting of many rules. Pure. */
#ifndef ANYBIND_SORT_H
#define ANYBIND_SORT_H

#include "rule.h"

/*
 * Into rule_compare() order and, where that leaves a choice, the order of
 * @lines, which go along. -ENOMEM.
 */
int rules_sort(struct rule *rules, uint32_t *lines, size_t n);

#endif
