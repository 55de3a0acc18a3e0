/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

static const char *name_at(const void *records, size_t i, size_t size)
{
	return (const char *)records + i * size;
}

int names_find(const void *records, size_t n, size_t size, const char *name)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int d = strcmp(name_at(records, middle, size), name);

		if (d == 0)
			return (int)middle;
		if (d < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

static int compare_named(const void *a, const void *b, void *data)
{
	const uint32_t *x = a, *y = b;
	const size_t *size = ((void **)data)[1];

	return strcmp(name_at(((void **)data)[0], *x, *size),
		      name_at(((void **)data)[0], *y, *size));
}

int names_sort(void *records, size_t n, size_t size, uint32_t *ret_map)
{
	_cleanup_free_ uint32_t *order = malloc((n + 1) * sizeof(*order));
	_cleanup_free_ char *copy = malloc((n + 1) * size);

	if (!order || !copy)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, n, sizeof(*order), compare_named, (void *[]){records, &size});
	for (size_t i = 0; i < n; i++) {
		memcpy(copy + i * size, name_at(records, order[i], size), size);
		ret_map[order[i]] = (uint32_t)i;
	}
	if (n > 0)
		memcpy(records, copy, n * size);
	return 0;
}

size_t names_union(const void *a, size_t n_a, const void *b, size_t n_b, size_t size, void *ret,
		   uint32_t *map_a, uint32_t *map_b)
{
	size_t i = 0, j = 0, n = 0;

	for (; i < n_a || j < n_b; n++) {
		int d = i == n_a   ? 1
			: j == n_b ? -1
				   : strcmp(name_at(a, i, size), name_at(b, j, size));

		memcpy((char *)ret + n * size, d <= 0 ? name_at(a, i, size) : name_at(b, j, size),
		       size);
		if (d <= 0)
			map_a[i++] = (uint32_t)n;
		if (d >= 0)
			map_b[j++] = (uint32_t)n;
	}
	return n;
}

/* FNV-1a. */
static uint32_t hash(const char *name, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	return h;
}

int names_index_find(const struct names_index *index, const void *records, size_t size,
		     const char *name, size_t len)
{
	size_t mask = index->n_slots - 1;

	if (index->n_slots == 0)
		return -1;
	for (size_t i = hash(name, len) & mask; index->slots[i]; i = (i + 1) & mask) {
		const char *found = name_at(records, index->slots[i] - 1, size);

		if (memcmp(found, name, len) == 0 && found[len] == '\0')
			return (int)(index->slots[i] - 1);
	}
	return -1;
}

static void insert(struct names_index *index, const char *name, size_t i)
{
	size_t mask = index->n_slots - 1, slot = hash(name, strlen(name)) & mask;

	while (index->slots[slot])
		slot = (slot + 1) & mask;
	index->slots[slot] = (uint32_t)i + 1;
}

int names_index_add(struct names_index *index, const void *records, size_t n, size_t size)
{
	struct names_index larger = {.n_slots = index->n_slots ? 2 * index->n_slots : 64};

	if (2 * n <= index->n_slots) {
		insert(index, name_at(records, n - 1, size), n - 1);
		return 0;
	}
	larger.slots = calloc(larger.n_slots, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		insert(&larger, name_at(records, i, size), i);
	free(index->slots);
	*index = larger;
	return 0;
}

void names_index_free(struct names_index *index)
{
	free(index->slots);
	*index = (struct names_index){0};
}
