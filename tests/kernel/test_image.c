// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Images so large that they are in several maps. */
#include "api.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "cleanup.h"
#include "dispatcher.h"

/* Rules, one a host of 10/8, that fill more than two pieces. */
#define RULES 800000
#define LINE_MAX_BYTES 40

static void apply_large(void)
{
	_cleanup_free_ char *text = malloc((size_t)RULES * LINE_MAX_BYTES);
	char *end = text;

	assert_non_null(text);
	for (unsigned int i = 0; i < RULES; i++)
		end += sprintf(end, "%s 10.%u.%u.%u 80\n", i % 2 ? "drop tcp" : "bind web tcp",
			       i >> 16, i >> 8 & 255, i & 255);
	api_apply(a, text);
}

/* How many pins there are in folders of generations, and how many folders. */
static void count_pins(unsigned int *ret_folders, unsigned int *ret_pins)
{
	_cleanup_closedir_ DIR *state = opendir(a->state.path);
	const struct dirent *entry;

	assert_non_null(state);
	*ret_folders = *ret_pins = 0;
	while ((entry = readdir(state))) {
		_cleanup_closedir_ DIR *folder = NULL;
		char path[PATH_MAX + 300];

		if (entry->d_name[0] != 'g' || entry->d_type != DT_DIR)
			continue;
		snprintf(path, sizeof(path), "%s/%s", a->state.path, entry->d_name);
		folder = opendir(path);
		assert_non_null(folder);
		(*ret_folders)++;
		for (entry = readdir(folder); entry; entry = readdir(folder))
			*ret_pins += entry->d_name[0] != '.';
	}
}

/* One generation, with the program, the table and @pieces. */
static void expect_pieces(unsigned int pieces)
{
	unsigned int folders, pins;

	count_pins(&folders, &pins);
	assert_int_equal(folders, 1);
	assert_int_equal(pins, 2 + pieces);
}

static bool passes(int program, const uint8_t dst[4])
{
	struct test_run run = { .family = 4, .proto = IPPROTO_TCP, .src = { 192, 0, 2, 1 },
				.src_port = 1, .dst_port = 80 };

	memcpy(run.dst, dst, 4);
	assert_int_equal(kernel_test_run(program, &run), 0);
	return run.pass;
}

static void test_in_force(void **state)
{
	static const unsigned int samples[] = { 0, 1, 65535, 400001, RULES - 1 };
	struct anybind_ruleset *rs;
	struct current current;

	(void)state;
	apply_large();
	expect_pieces(3);
	current = api_current(a);
	assert_int_equal(current.generation.image.n, 4);
	for (unsigned int i = 0; i < ARRAY_SIZE(samples); i++)
		assert_false(passes(current.generation.program,
				    (uint8_t[]){ 10, samples[i] >> 16, samples[i] >> 8 & 255,
						 samples[i] & 255 }));
	assert_true(passes(current.generation.program, (uint8_t[]){ 11, 0, 0, 0 }));
	current_close(&current);
	assert_int_equal(anybind_rules(a, &rs, NULL), 0);
	assert_int_equal(anybind_ruleset_count(rs), RULES);
	anybind_ruleset_free(rs);
}

static void edit(const char *text, enum anybind_edit how)
{
	struct anybind_ruleset *delta;

	assert_int_equal(anybind_ruleset_parse(&delta, text, strlen(text), "delta", NULL), 0);
	assert_int_equal(anybind_edit(a, delta, how, 0, NULL), 1);
	anybind_ruleset_free(delta);
}

static void test_edited(void **state)
{
	struct anybind_ruleset *rs;
	struct current current;

	(void)state;
	apply_large();
	edit("drop tcp 11.0.0.0 80\n", ANYBIND_ADD);
	expect_pieces(3);
	current = api_current(a);
	assert_false(passes(current.generation.program, (uint8_t[]){ 11, 0, 0, 0 }));
	assert_false(passes(current.generation.program, (uint8_t[]){ 10, 0, 0, 1 }));
	current_close(&current);
	edit("drop tcp 10.0.0.1 80\n", ANYBIND_REMOVE);
	expect_pieces(3);
	assert_int_equal(anybind_rules(a, &rs, NULL), 0);
	assert_int_equal(anybind_ruleset_count(rs), RULES);
	anybind_ruleset_free(rs);
	/* And small again. */
	api_apply(a, "bind web tcp 192.0.2.0/24 80\n");
	expect_pieces(0);
}

static void test_piece_missing(void **state)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs;
	char *path;

	(void)state;
	apply_large();
	path = api_generation_pin(a, "rules1");
	assert_int_equal(unlink(path), 0);
	free(path);
	assert_int_equal(anybind_rules(a, &rs, report), -EUCLEAN);
	world_assert_message(report, 0, a->state.path, "incomplete", NULL);
	assert_int_equal(anybind_unload(a, NULL), 0);
	assert_int_equal(access(a->state.path, F_OK), -1);
	anybind_report_free(report);
}

static void test_piece_replaced(void **state)
{
	_cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_HASH, "other", 4, 4, 1, NULL);
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs;
	char *path;

	(void)state;
	apply_large();
	path = api_generation_pin(a, "rules0");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(kernel_pin(map, path), 0);
	free(path);
	assert_int_equal(anybind_rules(a, &rs, report), -EUCLEAN);
	world_assert_message(report, 0, a->state.path, "damaged", NULL);
	assert_int_equal(anybind_unload(a, NULL), 0);
	anybind_report_free(report);
}

/* Killed while it took a generation away, at each step. */
static void test_stale_pieces(void **state)
{
	static const char *const names[] = { "table", "rules0", "rules1", "rules2" };
	struct current current;

	(void)state;
	apply_large();
	current = api_current(a);
	for (unsigned int gone = 0; gone <= ARRAY_SIZE(names); gone++) {
		char path[PATH_MAX + 64];

		snprintf(path, sizeof(path), "%s/g4000000000", a->state.path);
		assert_int_equal(mkdir(path, 0700), 0);
		for (unsigned int i = gone; i < ARRAY_SIZE(names); i++) {
			snprintf(path, sizeof(path), "%s/g4000000000/%s", a->state.path, names[i]);
			assert_int_equal(kernel_pin(current.generation.image.fd[i], path), 0);
		}
		assert_int_equal(anybind_load(a, NULL), 1);
		expect_pieces(3);
	}
	current_close(&current);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(test_in_force),
		API_TEST(test_edited),
		API_TEST(test_piece_missing),
		API_TEST(test_piece_replaced),
		API_TEST(test_stale_pieces),
	};

	if (!world_enter())
		return 0;
	api_mount();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
