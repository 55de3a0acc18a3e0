/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "unit.h"

#include <netinet/in.h>

#include "cleanup.h"
#include "sort.h"
#include "text.h"

/* The one rule of a statement for one family, protocol and range. */
static struct rule rule_of(const char *text)
{
	struct anybind_ruleset *rs = parse(text);
	struct rule rule;

	assert_int_equal(rs->n_rules, 1);
	rule = rs->rules[0];
	anybind_ruleset_free(rs);
	return rule;
}

static void test_compare(void **state)
{
	/* In canonical order. */
	static const char *const ordered[] = {
		"pass tcp 0.0.0.0/0 any",
		"pass tcp 10.0.0.0/8 80",
		"pass tcp 10.0.0.0/8 81 from 192.0.2.0/24 dev lo",
		"pass tcp 10.0.0.0/8 81 from 192.0.2.0/24",
		"pass tcp 10.0.0.0/8 81 from 192.0.3.0/24 dev lo",
		"pass tcp 10.0.0.0/8 81 from 10.0.0.0/8",
		"pass tcp 10.0.0.0/8 81 dev lo",
		"pass tcp 10.0.0.0/8 81",
		"pass tcp 10.0.0.0/8 70-71",
		"pass tcp 10.0.0.0/8 71-72",
		"pass udp 10.0.0.0/8 1",
		"pass tcp 10.0.0.0/16 80",
		"pass tcp 10.1.0.0/16 80",
		"pass tcp 10.1.0.1 80",
		"pass tcp 255.0.0.0/8 80",
		"pass tcp ::/0 80",
		"pass tcp 2001:db8::/32 80",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ordered); i++)
		for (size_t j = 0; j < ARRAY_SIZE(ordered); j++) {
			struct rule a = rule_of(ordered[i]), b = rule_of(ordered[j]);
			int d = rule_compare(&a, &b);

			if ((d > 0) != (i > j) || (d < 0) != (i < j))
				fail_msg("\"%s\" and \"%s\"", ordered[i], ordered[j]);
		}
}

/* Of two that match, the first comes first, and the other way round the second does not. */
static void test_precedence(void **state)
{
	static const char *const pairs[][2] = {
		{"pass tcp 10.0.0.0/16 any", "pass tcp 10.0.0.0/8 80 from 192.0.2.1 dev lo"},
		{"pass tcp 10.0.0.0/8 80-89", "pass tcp 10.0.0.0/8 80-90 from 192.0.2.1"},
		{"pass tcp 10.0.0.0/8 80", "pass tcp 10.0.0.0/8 any dev lo"},
		{"pass tcp 10.0.0.0/8 80 from 192.0.2.0/24", "pass tcp 10.0.0.0/8 80 dev lo"},
		{"pass tcp 10.0.0.0/8 80 from 192.0.2.0/24",
		 "pass tcp 10.0.0.0/8 80 from 192.0.0.0/16 dev lo"},
		{"pass tcp 10.0.0.0/8 80 dev lo", "pass tcp 10.0.0.0/8 80"},
		/* of one width, the source decides, not which port is lower */
		{"pass tcp 10.0.0.0/8 85-94 from 192.0.2.1", "pass tcp 10.0.0.0/8 80-89"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct rule a = rule_of(pairs[i][0]), b = rule_of(pairs[i][1]);

		assert_true(rule_precedence(&a, &b) < 0);
		assert_true(rule_precedence(&b, &a) > 0);
		assert_int_equal(rule_precedence(&a, &a), 0);
	}
}

static void test_prefix_equal(void **state)
{
	static const uint8_t a[16] = {0x0a, 0x80, 0xff}, b[16] = {0x0a, 0x81, 0xff};

	(void)state;
	for (unsigned int len = 0; len <= 128; len++)
		assert_int_equal(prefix_equal(a, b, len), len <= 15);
	assert_true(prefix_equal(a, a, 128));
}

static bool matches(const char *text, uint8_t family, uint8_t proto, const char *dst, uint16_t port,
		    const char *src, uint16_t dev)
{
	uint8_t d[16], s[16], len, f;
	struct rule rule = rule_of(text);

	assert_int_equal(text_prefix(dst, strlen(dst), d, &len, &f), 0);
	assert_int_equal(text_prefix(src, strlen(src), s, &len, &f), 0);
	return rule_matches(&rule, family, proto, d, port, s, dev);
}

static void test_matches(void **state)
{
	const char *rule = "pass tcp 10.0.0.0/8 80-89 from 192.0.2.0/24 dev lo";

	(void)state;
	assert_true(matches(rule, 4, IPPROTO_TCP, "10.1.2.3", 80, "192.0.2.9", 1));
	assert_true(matches(rule, 4, IPPROTO_TCP, "10.1.2.3", 89, "192.0.2.9", 1));
	assert_false(matches(rule, 4, IPPROTO_UDP, "10.1.2.3", 80, "192.0.2.9", 1));
	assert_false(matches(rule, 4, IPPROTO_TCP, "11.1.2.3", 80, "192.0.2.9", 1));
	assert_false(matches(rule, 4, IPPROTO_TCP, "10.1.2.3", 79, "192.0.2.9", 1));
	assert_false(matches(rule, 4, IPPROTO_TCP, "10.1.2.3", 90, "192.0.2.9", 1));
	assert_false(matches(rule, 4, IPPROTO_TCP, "10.1.2.3", 80, "192.0.3.9", 1));
	assert_false(matches(rule, 4, IPPROTO_TCP, "10.1.2.3", 80, "192.0.2.9", 0));
	/* the whole of one family takes nothing of the other */
	assert_true(matches("pass tcp ::/0 any", 6, IPPROTO_TCP, "::1", 80, "::1", 0));
	assert_false(matches("pass tcp ::/0 any", 4, IPPROTO_TCP, "10.1.2.3", 80, "10.0.0.1", 0));
	assert_false(matches("pass tcp 0.0.0.0/0 any", 6, IPPROTO_TCP, "::1", 80, "::1", 0));
}

static int compare(const void *a, const void *b)
{
	return rule_compare(a, b);
}

static struct rule random_rule(void)
{
	struct rule rule = {
		.family = rand() % 2 ? 4 : 6,
		.proto = rand() % 2 ? IPPROTO_TCP : IPPROTO_UDP,
		.dst_len = (uint8_t)(rand() % 33),
		.src_len = (uint8_t)(rand() % 3),
		.port_lo = (uint16_t)(rand() % 100),
		.dev = (uint16_t)(rand() % 3),
	};

	rule.port_hi = (uint16_t)(rule.port_lo + rand() % 300);
	for (int i = 0; i < 4; i++) {
		rule.dst[rand() % 16] = (uint8_t)(rand() % 3);
		rule.src[rand() % 16] = (uint8_t)(rand() % 3);
	}
	return rule;
}

/* The radix sort gives what comparing gives, and the lines of equal rules ascend. */
static void sort_and_check(size_t n, bool alike)
{
	struct rule *rules = calloc(n, sizeof(*rules)), *expected = calloc(n, sizeof(*rules));
	uint32_t *lines = calloc(n, sizeof(*lines));

	for (size_t i = 0; i < n; i++) {
		rules[i] = random_rule();
		if (alike) {
			memset(rules[i].dst, 1, sizeof(rules[i].dst));
			rules[i].family = 6;
			rules[i].dst_len = 128;
		}
		lines[i] = (uint32_t)(n - i);
		rules[i].service = lines[i]; /* goes along */
		expected[i] = rules[i];
	}
	qsort(expected, n, sizeof(*expected), compare);
	assert_int_equal(rules_sort(rules, lines, n), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(rule_compare(&rules[i], &expected[i]), 0);
		assert_int_equal(rules[i].service, lines[i]);
		if (i > 0 && rule_compare(&rules[i - 1], &rules[i]) == 0)
			assert_true(lines[i - 1] < lines[i]);
	}
	free(rules);
	free(expected);
	free(lines);
}

static void test_sort(void **state)
{
	(void)state;
	srand(1);
	for (size_t n = 0; n < 200; n += 7)
		sort_and_check(n, false);
	sort_and_check(3000, false);
	sort_and_check(60000, false);
	sort_and_check(60000, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),	     cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_prefix_equal), cmocka_unit_test(test_matches),
		cmocka_unit_test(test_sort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
