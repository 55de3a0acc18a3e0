/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Arrays of records that start with a name: struct service and struct device.
 * Every function takes the size of one record. Pure.
 */
#ifndef ANYBIND_NAMES_H
#define ANYBIND_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Index in @records, which are sorted by name, or -1. */
int names_find(const void *records, size_t n, size_t size, const char *name);

/* Sorts by name; @ret_map[old index] = new index. -ENOMEM. */
int names_sort(void *records, size_t n, size_t size, uint32_t *ret_map);

/*
 * The union of two sorted arrays, those of @a where a name is in both, into
 * @ret, which has room for all. @map_a and @map_b say where each went. Returns
 * how many there are.
 */
size_t names_union(const void *a, size_t n_a, const void *b, size_t n_b, size_t size, void *ret,
		   uint32_t *map_a, uint32_t *map_b);

/* A hash over an array that grows and is not sorted. */
struct names_index {
	uint32_t *slots; /* 1 + index; 0: empty */
	size_t n_slots;	 /* a power of two */
};

/* Index of the record of that name, or -1. */
int names_index_find(const struct names_index *index, const void *records, size_t size,
		     const char *name, size_t len);

/* Takes in the last of @n records. -ENOMEM. */
int names_index_add(struct names_index *index, const void *records, size_t n, size_t size);

void names_index_free(struct names_index *index);

#endif
