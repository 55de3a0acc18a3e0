// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The compiled table against the plain reference, and against damage. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "compile.h"
#include "error.h"
#include "random_rules.h"
#include "table.h"

#define RULE_SETS 3000
#define PACKETS 200

/* The image of @rs; to be freed. */
static void *image_of(const struct anybind_ruleset *rs, size_t *ret_size)
{
	struct compiled *compiled;
	void *image;

	assert_int_equal(compile(&compiled, rs, NULL), 0);
	*ret_size = compile_size(compiled);
	image = aligned_alloc(64, (*ret_size + 63) / 64 * 64);
	assert_non_null(image);
	memset(image, 0, *ret_size);
	compile_write(compiled, 7, 1700000000, image);
	compile_free(compiled);
	return image;
}

static struct anybind_ruleset *parse(const char *text)
{
	struct anybind_ruleset *rs;

	assert_int_equal(anybind_ruleset_parse(&rs, text, strlen(text), "test", NULL), 0);
	for (size_t i = 0; i < rs->n_services; i++)
		rs->services[i].id = i;
	return rs;
}

static void expect_verdict(const struct table *table, const struct anybind_ruleset *rs,
			   const struct packet *p, uint64_t seed)
{
	uint32_t want = reference_verdict(rs, p);
	uint32_t got = table_lookup(table, p->family, p->proto, p->dst, p->port, p->src, p->ifindex);

	if (want != got)
		fail_msg("seed %lu: IPv%u proto %u port %u ifindex %u: rules say %x, table %x",
			 (unsigned long)seed, p->family, p->proto, p->port, p->ifindex, want, got);
}

static void test_random_rule_sets(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= RULE_SETS; seed++) {
		struct random random = { seed };
		struct anybind_ruleset *rs = random_ruleset(&random, 1 + random_below(&random, 60));
		struct table table;
		size_t size;
		void *image = image_of(rs, &size);

		assert_int_equal(table_open(&table, image, size, NULL), 0);
		for (unsigned int i = 0; i < PACKETS; i++) {
			struct packet p;

			random_packet(&random, rs, &p);
			expect_verdict(&table, rs, &p, seed);
		}
		free(image);
		anybind_ruleset_free(rs);
	}
}

/* Many prefixes of many lengths: markers, several levels, second probes. */
static void test_large_rule_set(void **state)
{
	struct random random = { 42 };
	size_t cap = 40000 * 64, n = 0, size;
	_cleanup_free_ char *text = malloc(cap);
	struct anybind_ruleset *rs;
	struct table table;
	void *image;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		n += snprintf(text + n, cap - n, "bind s%u tcp %u.%u.%u.%u/%u any\n",
			      random_below(&random, 4), random_below(&random, 4) + 10,
			      random_below(&random, 256), random_below(&random, 256),
			      random_below(&random, 256), 8 + random_below(&random, 25));
		n += snprintf(text + n, cap - n, "bind s%u udp %x:%x:%x::%x/%u 53\n",
			      random_below(&random, 4), 0x2001 + random_below(&random, 2),
			      random_below(&random, 65536), random_below(&random, 65536),
			      random_below(&random, 65536), 16 + random_below(&random, 113));
	}
	/* The same prefix may come twice with other services; the reference only needs one. */
	rs = NULL;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		struct anybind_ruleset *one;

		if (rs && rs->n_rules >= 4000)
			break;
		assert_int_equal(anybind_ruleset_parse_words(&one, 1, &line, NULL), 0);
		if (!rs)
			rs = one;
		else {
			anybind_ruleset_add(rs, one, false, NULL);
			anybind_ruleset_free(one);
		}
	}
	for (size_t i = 0; i < rs->n_services; i++)
		rs->services[i].id = i;
	image = image_of(rs, &size);
	assert_int_equal(table_open(&table, image, size, NULL), 0);
	for (unsigned int i = 0; i < 20000; i++) {
		struct packet p;

		random_packet(&random, rs, &p);
		expect_verdict(&table, rs, &p, 42);
	}
	free(image);
	anybind_ruleset_free(rs);
}

static void test_rules_come_back(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct random random = { seed };
		struct anybind_ruleset *rs = random_ruleset(&random, 40), *back;
		struct table table;
		size_t size;
		void *image = image_of(rs, &size);

		assert_int_equal(table_open(&table, image, size, NULL), 0);
		assert_int_equal(table.header->generation, 7);
		for (size_t i = 0; i < rs->n_services; i++)
			assert_int_equal(table_fallback(&table, i),
					 rs->services[i].fallback
						 ? VERDICT_SERVICE(rs->services[i].fallback - 1, false)
						 : 0);
		assert_int_equal(table_ruleset(&table, &back, NULL), 0);
		assert_int_equal(back->n_rules, rs->n_rules);
		assert_memory_equal(back->rules, rs->rules, rs->n_rules * sizeof(*rs->rules));
		assert_memory_equal(back->services, rs->services,
				    rs->n_services * sizeof(*rs->services));
		anybind_ruleset_free(back);
		anybind_ruleset_free(rs);
		free(image);
	}
}

/* Whatever bytes come back from the kernel, reading them ends, and in bounds (ASan looks on). */
static void test_damage(void **state)
{
	struct random random = { 5 };
	struct anybind_ruleset *rs = random_ruleset(&random, 40);
	size_t size;
	void *image = image_of(rs, &size);
	_cleanup_free_ uint8_t *copy = aligned_alloc(64, (size + 63) / 64 * 64);
	unsigned int opened = 0;

	(void)state;
	for (unsigned int i = 0; i < 3000; i++) {
		struct anybind_ruleset *back;
		struct table table;

		memcpy(copy, image, size);
		for (unsigned int k = 0; k <= random_below(&random, 8); k++)
			copy[random_below(&random, random_below(&random, 2) ? size : 256)] =
				random_next(&random);
		if (table_open(&table, copy, size, NULL) < 0)
			continue;
		opened++;
		for (unsigned int k = 0; k < 20; k++) {
			struct packet p;

			random_packet(&random, rs, &p);
			table_lookup(&table, p.family, p.proto, p.dst, p.port, p.src, p.ifindex);
		}
		if (!table_ruleset(&table, &back, NULL))
			anybind_ruleset_free(back);
	}
	assert_in_range(opened, 1, 2999);
	free(image);
	anybind_ruleset_free(rs);
}

static void test_other_layout(void **state)
{
	struct anybind_ruleset *rs = parse("drop udp 192.0.2.0/24 any\n");
	struct anybind_report *report = anybind_report_new();
	struct table_header *header;
	struct table table;
	size_t size;
	void *image = image_of(rs, &size);

	(void)state;
	header = image;
	header->layout++;
	assert_int_equal(table_open(&table, image, size, report), -ENOTSUP);
	assert_non_null(strstr(anybind_report_get(report, 0)->text, "layout 2"));
	assert_int_equal(table_open(&table, image, 100, NULL), -EUCLEAN);
	anybind_report_free(report);
	anybind_ruleset_free(rs);
	free(image);
}

/* Prefixes side by side with one verdict become one; nothing is stored twice. */
static void test_alike_rules_share(void **state)
{
	_cleanup_free_ char *text = malloc(65536 * 40);
	struct anybind_ruleset *rs;
	struct table table;
	size_t n = 0, size;
	void *image;

	(void)state;
	for (unsigned int i = 0; i < 65536; i++)
		n += sprintf(text + n, "bind web tcp 10.1.%u.%u 443\n", i >> 8, i & 255);
	rs = parse(text);
	image = image_of(rs, &size);
	assert_int_equal(table_open(&table, image, size, NULL), 0);
	assert_int_equal(table.header->params.lines, 1);
	free(image);
	anybind_ruleset_free(rs);
}

/* Port lists that differ only in prefix share one node, whatever their number. */
static void test_port_lists_share(void **state)
{
	_cleanup_free_ char *text = malloc(5000 * 60);
	struct anybind_ruleset *rs;
	struct table table;
	size_t n = 0, size;
	void *image;

	(void)state;
	for (unsigned int i = 0; i < 5000; i++)
		n += sprintf(text + n, "bind web tcp 10.%u.%u.0/24 80,443,8000-8999\n",
			     2 * (i >> 8), 2 * (i & 127));
	rs = parse(text);
	image = image_of(rs, &size);
	assert_int_equal(table_open(&table, image, size, NULL), 0);
	assert_in_range(table.header->params.words, 1, 32);
	free(image);
	anybind_ruleset_free(rs);
}

/* The default action must not be one that sends on to the default action. */
static void test_default_action_ends(void **state)
{
	struct anybind_ruleset *rs = parse("drop tcp any 80\nbind web udp 0.0.0.0/0 any\n");
	struct table table;
	size_t size;
	void *image = image_of(rs, &size);
	const struct family_params *families[2];

	(void)state;
	assert_int_equal(table_open(&table, image, size, NULL), 0);
	families[0] = &table.header->params.v4;
	families[1] = &table.header->params.v6;
	for (unsigned int i = 0; i < 2; i++) {
		uint32_t tag = families[i]->fallback & ACTION_TAG;

		assert_true(tag == ACTION_VERDICT || tag == ACTION_NODE);
	}
	free(image);
	anybind_ruleset_free(rs);
}

static void test_empty(void **state)
{
	struct anybind_ruleset *rs = parse(""), *back;
	struct random random = { 1 };
	struct table table;
	size_t size;
	void *image = image_of(rs, &size);

	(void)state;
	assert_int_equal(table_open(&table, image, size, NULL), 0);
	assert_int_equal(table_ruleset(&table, &back, NULL), 0);
	for (unsigned int i = 0; i < PACKETS; i++) {
		struct packet p;

		random_packet(&random, rs, &p);
		expect_verdict(&table, rs, &p, 1);
	}
	anybind_ruleset_free(back);
	anybind_ruleset_free(rs);
	free(image);
}

/* A refusal is reported, whatever is in the report already. */
static void test_nested_too_deep(void **state)
{
	_cleanup_free_ char *text = malloc(2 * 40000 * 40);
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs;
	struct compiled *compiled;
	size_t n = 0;

	(void)state;
	report_warning(report, NULL, "something else");
	for (unsigned int i = 0; i < 80000; i++)
		n += sprintf(text + n, "drop tcp 10.0.0.0/%u any dev d%u\n", 8 + i % 2, i / 2);
	rs = parse(text);
	for (size_t i = 0; i < rs->n_devices; i++)
		rs->devices[i].ifindex = i + 1;
	assert_int_equal(compile(&compiled, rs, report), -E2BIG);
	assert_int_equal(anybind_report_count(report), 2);
	assert_non_null(strstr(anybind_report_get(report, 1)->text, "nested too deep"));
	anybind_ruleset_free(rs);
	anybind_report_free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_rule_sets), cmocka_unit_test(test_large_rule_set),
		cmocka_unit_test(test_rules_come_back),	 cmocka_unit_test(test_damage),
		cmocka_unit_test(test_other_layout),	 cmocka_unit_test(test_alike_rules_share),
		cmocka_unit_test(test_port_lists_share), cmocka_unit_test(test_default_action_ends),
		cmocka_unit_test(test_empty),		 cmocka_unit_test(test_nested_too_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
