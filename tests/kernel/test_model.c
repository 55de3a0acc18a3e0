// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The plain reference, the compiled table and the program in the kernel give
 * the same, on random rules and packets. By BPF_PROG_TEST_RUN, which knows no
 * incoming interface; test_packets.c has those.
 */
#include "model.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "compile.h"
#include "patch.h"
#include "table.h"

#define RULE_SETS 2000
#define EDITED_SETS 150
#define EDITS 12
#define PACKETS 64

static struct model model;
static struct kernel_maps maps = KERNEL_MAPS_NONE;

/* Loads @from; what it returns is read back from the kernel. */
static struct generation load_image(const struct image *from, struct table *ret_table)
{
	struct anybind_report *report = anybind_report_new();
	struct generation gen;
	size_t size;
	void *image;

	if (kernel_load_image(&gen, &maps, from, 1, 1700000000, report) < 0) {
		world_print_report(report);
		fail_msg("cannot load");
	}
	assert_int_equal(kernel_image_mmap(&gen.image, &image, &size), 0);
	assert_int_equal(table_open(ret_table, image, size, report), 0);
	anybind_report_free(report);
	return gen;
}

static struct generation load(const struct anybind_ruleset *rs, struct table *ret_table)
{
	struct compiled *compiled;
	struct generation gen;
	struct image image;

	assert_int_equal(compile(&compiled, rs, NULL), 0);
	image = (struct image){ compile_size(compiled), compile_params(compiled), compile_write,
				compiled };
	gen = load_image(&image, ret_table);
	compile_free(compiled);
	return gen;
}

static void unload(struct generation *gen, const struct table *table)
{
	munmap((void *)table->header, table->size);
	generation_close(gen);
}

static uint32_t table_verdict(const struct table *table, const struct packet *p)
{
	return table_lookup(table, p->family, p->proto, p->dst, p->port, p->src, p->ifindex);
}

static void compare(const struct generation *gen, const struct table *table,
		    const struct anybind_ruleset *rs, struct packet *p, uint64_t seed)
{
	struct test_run run = { .family = p->family, .proto = p->proto, .dst_port = p->port,
				.src_port = 40000 };
	struct outcome want;
	uint32_t verdict = reference_verdict(rs, p), table_says = table_verdict(table, p);

	if (table_says != verdict)
		fail_msg("seed %lu: the rules say %x, the table %x", (unsigned long)seed, verdict,
			 table_says);
	p->dev = 0;
	p->ifindex = 0;
	verdict = reference_verdict(rs, p);
	assert_int_equal(table_verdict(table, p), verdict);
	want = model_steer(&model, rs, verdict, p->family, p->proto);
	memcpy(run.src, p->src, sizeof(run.src));
	memcpy(run.dst, p->dst, sizeof(run.dst));
	assert_int_equal(kernel_test_run(gen->program, &run), 0);
	if (run.pass != want.pass || run.cookie != want.cookie)
		fail_msg("seed %lu: IPv%u proto %u port %u, verdict %x: the rules say %s %lu, the "
			 "kernel %s %lu", (unsigned long)seed, p->family, p->proto, p->port, verdict,
			 want.pass ? "pass" : "drop", (unsigned long)want.cookie,
			 run.pass ? "pass" : "drop", (unsigned long)run.cookie);
}

static void test_random_rule_sets(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= RULE_SETS; seed++) {
		struct random random = { seed };
		struct anybind_ruleset *rs = random_ruleset(&random, 1 + random_below(&random, 60));
		struct table table;
		struct generation gen = load(rs, &table);

		model_fill(&model, maps.fd[MAP_SOCKETS], &random, seed % 2);
		for (unsigned int i = 0; i < PACKETS; i++) {
			struct packet p;

			random_packet(&random, rs, &p);
			compare(&gen, &table, rs, &p, seed);
		}
		unload(&gen, &table);
		anybind_ruleset_free(rs);
	}
	model_assert_counters(&model, maps.fd[MAP_COUNTERS]);
}

/*
 * Patches the table in force by a random statement, or takes one of its rules
 * away; *rs follows. False: that was not to be done by a patch.
 */
static bool edit(struct random *random, struct anybind_ruleset **rs, struct generation *gen,
		 struct table *table)
{
	bool removes = (*rs)->n_rules && random_below(random, 2);
	struct anybind_ruleset *delta, *after;
	struct patch *p = NULL;
	struct part part;

	assert_int_equal(ruleset_copy(&delta, *rs), 0);
	if (removes) {
		delta->rules[0] = delta->rules[random_below(random, delta->n_rules)];
		delta->n_rules = 1;
		delta->n_devices = delta->rules[0].dev ? delta->n_devices : 0;
	} else {
		anybind_ruleset_free(delta);
		delta = random_ruleset(random, 1);
		for (size_t i = 0; i < delta->n_services; i++) {
			delta->services[i].fallback = 0;
			delta->declarations[i].is_explicit = false;
		}
	}
	if (part_edit(&part, table, delta, removes ? ANYBIND_REMOVE : ANYBIND_REPLACE, NULL) > 0) {
		if (!patch(&p, &part)) {
			const struct image image = patch_image(p);
			struct table next;
			struct generation next_gen = load_image(&image, &next);

			unload(gen, table);
			*gen = next_gen;
			*table = next;
			assert_int_equal(table_ruleset(table, &after, NULL), 0);
			anybind_ruleset_free(*rs);
			*rs = after;
		}
		patch_free(p);
		part_done(&part);
	}
	anybind_ruleset_free(delta);
	return p;
}

static void test_patched_tables(void **state)
{
	unsigned int patched = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= EDITED_SETS; seed++) {
		struct random random = { seed };
		struct anybind_ruleset *rs = random_ruleset(&random, 1 + random_below(&random, 60));
		struct table table;
		struct generation gen = load(rs, &table);

		model_fill(&model, maps.fd[MAP_SOCKETS], &random, seed % 2);
		for (unsigned int n = 0; n < EDITS; n++) {
			if (!edit(&random, &rs, &gen, &table))
				continue;
			patched++;
			for (unsigned int i = 0; i < PACKETS; i++) {
				struct packet p;

				random_packet(&random, rs, &p);
				compare(&gen, &table, rs, &p, seed);
			}
		}
		unload(&gen, &table);
		anybind_ruleset_free(rs);
	}
	model_assert_counters(&model, maps.fd[MAP_COUNTERS]);
	assert_true(patched > EDITED_SETS);
}

/* The image is frozen: nobody changes rules in force, not even by the pin. */
static void test_table_is_frozen(void **state)
{
	struct random random = { 1 };
	struct anybind_ruleset *rs = random_ruleset(&random, 10);
	struct table table;
	struct generation gen = load(rs, &table);
	size_t size;
	void *image;

	(void)state;
	assert_int_equal(kernel_mmap(gen.image.fd[0], true, &image, &size), -EPERM);
	unload(&gen, &table);
	anybind_ruleset_free(rs);
}

static int setup(void **state)
{
	(void)state;
	model_open(&model);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_close(&model);
	kernel_maps_close(&maps);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_rule_sets),
		cmocka_unit_test(test_patched_tables),
		cmocka_unit_test(test_table_is_frozen),
	};

	if (!world_enter())
		return 0;
	return cmocka_run_group_tests(tests, setup, teardown);
}
