/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sorting indices by what they stand for. Pure. */
#ifndef ANYBIND_ORDER_H
#define ANYBIND_ORDER_H

#include "rule.h"

struct order_by {
	/* Like qsort_r()'s, of two uint32_t; the order must be total. */
	int (*compare)(const void *a, const void *b, void *data);
	/* A smaller key comes first, whatever ->compare would say; it decides among equal ones. */
	uint64_t (*key)(uint32_t index, const void *data);
	void *data;
};

/*
 * The keys are read once, in sequence: comparing a million scattered records
 * would be one cache miss after the other. -ENOMEM.
 */
int order_sort(uint32_t *order, size_t n, const struct order_by *by);

/* A key for orders that start with the longest source prefix, then the source; 63 bits. */
uint64_t order_source_key(const struct rule *rule);

#endif
