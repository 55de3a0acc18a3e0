// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Shares in proportion to weights, and how little moves when members change. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "cleanup.h"
#include "spread.h"

static size_t count(const uint32_t *table, size_t n, uint32_t slot)
{
	size_t places = 0;

	for (size_t i = 0; i < n; i++)
		places += table[i] == slot;
	return places;
}

/* Places of the larger of two tables whose member differs. */
static size_t moved(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b)
{
	size_t size = n_a > n_b ? n_a : n_b, n = 0;

	for (size_t i = 0; i < size; i++)
		n += a[i & (n_a - 1)] != b[i & (n_b - 1)];
	return n;
}

static void test_nothing_to_spread(void **state)
{
	const struct spread_member drained[] = {{1, 0}, {2, 0}};
	uint32_t *table;
	size_t n;

	(void)state;
	assert_int_equal(spread_build(NULL, 0, drained, 2, &table, &n), 0);
	assert_null(table);
	assert_int_equal(n, 0);
	assert_int_equal(spread_build(NULL, 0, NULL, 0, &table, &n), 0);
	assert_int_equal(n, 0);
}

static void test_one_member_has_all(void **state)
{
	const struct spread_member one[] = {{7, 3}, {8, 0}};
	_cleanup_free_ uint32_t *table = NULL;
	size_t n;

	(void)state;
	assert_int_equal(spread_build(NULL, 0, one, 2, &table, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(table[0], 7);
}

static void test_shares_follow_weights(void **state)
{
	const struct spread_member members[] = {{1, 1}, {2, 2}, {3, 5}, {4, 1000}};
	_cleanup_free_ uint32_t *table = NULL;
	size_t n;

	(void)state;
	assert_int_equal(spread_build(NULL, 0, members, 4, &table, &n), 0);
	assert_int_equal(n & (n - 1), 0);
	for (size_t i = 0; i < 4; i++) {
		size_t exact = n * members[i].weight / 1008;

		assert_in_range(count(table, n, members[i].slot), exact, exact + 1);
	}
}

/* Of 1 to 300 members: one more takes its share and moves nothing else; one less likewise. */
static void test_least_movement(void **state)
{
	struct spread_member members[300];
	uint32_t *table = NULL;
	size_t n = 0;

	(void)state;
	for (size_t k = 0; k < 300; k++) {
		uint32_t *joined, *left;
		size_t n_joined, n_left, places;

		members[k] = (struct spread_member){1000 - k, 1 + k % 7};
		assert_int_equal(spread_build(table, n, members, k + 1, &joined, &n_joined), 0);
		places = count(joined, n_joined, members[k].slot);
		if (n) /* rounding may shift one place of each of the others */
			assert_in_range(moved(table, n, joined, n_joined), places, places + k);
		assert_int_equal(spread_build(joined, n_joined, members, k, &left, &n_left), 0);
		if (k) {
			assert_int_equal(n_left, n_joined);
			assert_in_range(moved(joined, n_joined, left, n_left), places, places + k);
			assert_int_equal(count(left, n_left, members[k].slot), 0);
		}
		free(left);
		free(table);
		table = joined;
		n = n_joined;
	}
	free(table);
}

static void test_most_members(void **state)
{
	_cleanup_free_ struct spread_member *members = calloc(65536, sizeof(*members));
	_cleanup_free_ uint32_t *table = NULL;
	size_t n;

	(void)state;
	for (size_t i = 0; i < 65536; i++)
		members[i] = (struct spread_member){i, 1};
	assert_int_equal(spread_build(NULL, 0, members, 65536, &table, &n), 0);
	assert_int_equal(n, SPREAD_MAX);
	assert_int_equal(count(table, n, 65535), 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_spread),
		cmocka_unit_test(test_one_member_has_all),
		cmocka_unit_test(test_shares_follow_weights),
		cmocka_unit_test(test_least_movement),
		cmocka_unit_test(test_most_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
