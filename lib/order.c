/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "order.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

struct keyed {
	uint64_t key;
	uint32_t index;
};

static int compare_keyed(const void *a, const void *b, void *data)
{
	const struct keyed *x = a, *y = b;
	const struct order_by *by = data;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return by->compare(&x->index, &y->index, by->data);
}

/* Rules mostly come in a fitting order. */
static bool is_sorted(const struct keyed *items, size_t n, const struct order_by *by)
{
	for (size_t i = 1; i < n; i++)
		if (compare_keyed(&items[i - 1], &items[i], (void *)by) > 0)
			return false;
	return true;
}

int order_sort(uint32_t *order, size_t n, const struct order_by *by)
{
	_cleanup_free_ struct keyed *many = NULL;
	struct keyed few[16], *items = few;

	if (n < 2)
		return 0;
	if (n > ARRAY_SIZE(few)) {
		items = many = malloc(n * sizeof(*many));
		if (!many)
			return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		items[i] = (struct keyed){by->key(order[i], by->data), order[i]};
	if (is_sorted(items, n, by))
		return 0;
	qsort_r(items, n, sizeof(*items), compare_keyed, (void *)by);
	for (size_t i = 0; i < n; i++)
		order[i] = items[i].index;
	return 0;
}

uint64_t order_source_key(const struct rule *rule)
{
	uint64_t start;

	memcpy(&start, rule->src, sizeof(start));
	return (uint64_t)(128 - rule->src_len) << 55 | be64toh(start) >> 9;
}
