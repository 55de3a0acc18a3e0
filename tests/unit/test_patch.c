// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Tables made by patch after patch, against the plain reference. */
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
#include "patch.h"
#include "random_rules.h"

#define SEQUENCES 400
#define STEPS 60
#define PACKETS 60

/* The table in force, and the rules that it must do. */
struct world {
	struct random random;
	uint64_t seed;
	struct anybind_ruleset *rs;
	struct table table;
	void *image;
};

static size_t n_patched, n_compiled, n_unchanged;

static void put_in_force(struct world *w, const struct image *image)
{
	void *next = aligned_alloc(64, (image->size + 63) / 64 * 64);

	assert_non_null(next);
	memset(next, 0, image->size);
	image->write(image->data, 7, 1700000000, next);
	free(w->image);
	w->image = next;
	assert_int_equal(table_open(&w->table, next, image->size, NULL), 0);
}

static void compile_all(struct world *w)
{
	struct compiled *compiled;
	struct image image;

	assert_int_equal(compile(&compiled, w->rs, NULL), 0);
	image = (struct image){ compile_size(compiled), compile_params(compiled), compile_write,
				compiled };
	put_in_force(w, &image);
	compile_free(compiled);
}

/* Ids by name: they do not move when others come between. */
static void give_ids(struct anybind_ruleset *rs)
{
	for (size_t i = 0; i < rs->n_services; i++)
		rs->services[i].id = (uint32_t)strtoul(rs->services[i].name + 1, NULL, 10);
	for (size_t i = 0; i < rs->n_devices; i++)
		rs->devices[i].ifindex = 11 + (uint32_t)(rs->devices[i].name[1] - '0');
}

static void expect_rules(const struct world *w)
{
	const struct anybind_ruleset *rs = w->rs;
	struct anybind_ruleset *back;

	assert_int_equal(table_ruleset(&w->table, &back, NULL), 0);
	assert_int_equal(back->n_rules, rs->n_rules);
	assert_int_equal(back->n_services, rs->n_services);
	assert_int_equal(back->n_devices, rs->n_devices);
	if (rs->n_rules)
		assert_memory_equal(back->rules, rs->rules, rs->n_rules * sizeof(*rs->rules));
	if (rs->n_services)
		assert_memory_equal(back->services, rs->services,
				    rs->n_services * sizeof(*rs->services));
	anybind_ruleset_free(back);
}

static void expect_packets(struct world *w, const struct anybind_ruleset *near, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint32_t want, got;
		struct packet p;

		random_packet(&w->random, near, &p);
		if (near != w->rs)
			p.dev = p.ifindex = 0;
		want = reference_verdict(w->rs, &p);
		got = table_lookup(&w->table, p.family, p.proto, p.dst, p.port, p.src, p.ifindex);
		if (want != got)
			fail_msg("seed %lu: IPv%u proto %u port %u: rules say %x, table %x",
				 (unsigned long)w->seed, p.family, p.proto, p.port, want, got);
	}
}

/* The same edit of the plain rules and of the table. */
static void step(struct world *w, const struct anybind_ruleset *delta, enum anybind_edit edit)
{
	struct patch *p = NULL;
	struct part part;
	int want, got = part_edit(&part, &w->table, delta, edit, NULL);

	if (edit == ANYBIND_REMOVE) {
		want = anybind_ruleset_remove(w->rs, delta, NULL);
		want = want < 0 ? want : 1;
	} else {
		want = anybind_ruleset_add(w->rs, delta, edit == ANYBIND_REPLACE, NULL);
	}
	give_ids(w->rs);
	if (got != -EAGAIN)
		assert_int_equal(got, want);
	if (got > 0) {
		give_ids(part.after);
		if (!patch(&p, &part)) {
			struct image image = patch_image(p);

			put_in_force(w, &image);
			n_patched++;
		}
		patch_free(p);
		part_done(&part);
	}
	if (!p && want > 0) {
		compile_all(w);
		n_compiled++;
	}
	n_unchanged += want <= 0;
	expect_rules(w);
	expect_packets(w, delta, PACKETS / 2);
	expect_packets(w, w->rs, PACKETS / 2);
}

/* Rules of one prefix that are there, or just one of them. */
static struct anybind_ruleset *some_rules(struct world *w)
{
	struct anybind_ruleset *delta;
	size_t at, n = 1;

	assert_int_equal(ruleset_copy(&delta, w->rs), 0);
	if (!delta->n_rules)
		return delta;
	at = random_below(&w->random, (unsigned int)delta->n_rules);
	if (random_below(&w->random, 2))
		n = part_find(w->rs, w->rs->rules[at].family, w->rs->rules[at].dst,
			      w->rs->rules[at].dst_len, &at);
	memmove(delta->rules, delta->rules + at, n * sizeof(*delta->rules));
	delta->n_rules = n;
	for (size_t i = 0, any = 0; i < n; i++)
		if (delta->rules[i].dev && !any++)
			return delta;
	delta->n_devices = 0;
	return delta;
}

static void random_step(struct world *w)
{
	struct anybind_ruleset *delta;
	char text[80], *word = text;

	if (!random_below(&w->random, 20)) {
		snprintf(text, sizeof(text), "bind s%u tcp 10.0.1.%u 77",
			 random_below(&w->random, 40), random_below(&w->random, 4));
		assert_int_equal(anybind_ruleset_parse_words(&delta, 1, &word, NULL), 0);
		step(w, delta, ANYBIND_ADD);
	} else if (random_below(&w->random, 2)) {
		delta = some_rules(w);
		if (delta->n_rules)
			step(w, delta, ANYBIND_REMOVE);
	} else {
		delta = random_ruleset(&w->random, 1);
		free(delta->declarations);
		delta->declarations = calloc(delta->n_services, sizeof(*delta->declarations));
		assert_non_null(delta->declarations);
		for (size_t i = 0; i < delta->n_services; i++)
			delta->services[i].fallback = 0;
		step(w, delta, random_below(&w->random, 3) ? ANYBIND_ADD : ANYBIND_REPLACE);
	}
	anybind_ruleset_free(delta);
}

static void test_random_edits(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEQUENCES; seed++) {
		struct world w = { .random = { seed }, .seed = seed };

		w.rs = random_ruleset(&w.random, 1 + random_below(&w.random, 80));
		give_ids(w.rs);
		compile_all(&w);
		for (unsigned int i = 0; i < STEPS; i++)
			random_step(&w);
		anybind_ruleset_free(w.rs);
		free(w.image);
	}
	print_message("# %zu patched, %zu compiled, %zu unchanged\n", n_patched, n_compiled,
		      n_unchanged);
	assert_true(n_patched > SEQUENCES * STEPS / 8);
	assert_true(n_compiled > 0 && n_unchanged > 0);
}

static struct anybind_ruleset *parse(const char *text)
{
	struct anybind_ruleset *rs;

	assert_int_equal(anybind_ruleset_parse(&rs, text, strlen(text), "test", NULL), 0);
	give_ids(rs);
	return rs;
}

/* Addresses side by side are joined, so that what is theirs alone has to be told apart again. */
static void test_joined_apart(void **state)
{
	_cleanup_free_ char *text = malloc(256 * 40);
	struct world w = { .random = { 3 }, .seed = 3 };
	size_t n = 0, patched = n_patched;

	(void)state;
	n += sprintf(text, "drop tcp 10.1.0.0/16 any\nbind s1 tcp 10.3.0.1 443\n");
	for (unsigned int i = 0; i < 256; i++)
		n += sprintf(text + n, "bind s1 tcp 10.1.1.%u 443\n", i);
	w.rs = parse(text);
	compile_all(&w);
	for (unsigned int i = 0; i < 600; i++) {
		struct anybind_ruleset *delta;
		unsigned int host = random_below(&w.random, 256);
		char line[80];

		sprintf(line, "bind s1 tcp 10.1.1.%u 443\n", host);
		delta = parse(line);
		step(&w, delta, random_below(&w.random, 3) ? ANYBIND_REMOVE : ANYBIND_ADD);
		expect_packets(&w, w.rs, PACKETS);
		anybind_ruleset_free(delta);
	}
	assert_true(n_patched - patched > 200);
	anybind_ruleset_free(w.rs);
	free(w.image);
}

/* What patches leave behind is bounded: sooner or later all is compiled again. */
static void test_unused_is_bounded(void **state)
{
	struct world w = { .random = { 4 }, .seed = 4 };
	struct anybind_ruleset *deltas[2];
	size_t most = 0, compiled = n_compiled;

	(void)state;
	w.rs = parse("bind s1 tcp 10.0.0.1 443\nbind s2 tcp,udp 10.0.0.9 5\nservice s3\n");
	deltas[0] = parse("bind s3 tcp 10.0.0.1 1-5,7-9,11-20\n");
	deltas[1] = parse("bind s1 tcp 10.0.0.1 1-5,7-9,11-20\n");
	compile_all(&w);
	for (unsigned int i = 0; i < 4000; i++) {
		step(&w, deltas[i % 2], ANYBIND_REPLACE);
		most = w.table.header->size > most ? w.table.header->size : most;
	}
	assert_in_range(most, 1, 200000);
	assert_true(n_compiled > compiled);
	anybind_ruleset_free(deltas[0]);
	anybind_ruleset_free(deltas[1]);
	anybind_ruleset_free(w.rs);
	free(w.image);
}

/* Whatever bytes are in the table, patching it ends, and in bounds (ASan looks on). */
static void test_damage(void **state)
{
	struct anybind_ruleset *delta = parse("bind s9 tcp 10.0.0.1 443\n");
	unsigned int patched = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct world w = { .random = { seed }, .seed = seed };
		struct patch *p = NULL;
		struct part part;
		size_t size;

		w.rs = random_ruleset(&w.random, 30);
		give_ids(w.rs);
		compile_all(&w);
		size = w.table.header->size;
		for (unsigned int k = 0; k <= random_below(&w.random, 8); k++)
			((uint8_t *)w.image)[random_below(
				&w.random, random_below(&w.random, 2) ? size : 1200)] =
				random_next(&w.random);
		if (!table_open(&w.table, w.image, size, NULL) &&
		    part_edit(&part, &w.table, delta, ANYBIND_ADD, NULL) > 0) {
			for (size_t i = 0; i < part.after->n_services; i++)
				if (part.after->services[i].id == SERVICE_NO_ID)
					part.after->services[i].id = 9;
			if (!patch(&p, &part)) {
				struct image image = patch_image(p);
				void *out = malloc(image.size);

				assert_non_null(out);
				image.write(image.data, 1, 1, out);
				free(out);
				patched++;
			}
			patch_free(p);
			part_done(&part);
		}
		anybind_ruleset_free(w.rs);
		free(w.image);
	}
	assert_in_range(patched, 100, 1999);
	anybind_ruleset_free(delta);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_edits),
		cmocka_unit_test(test_joined_apart),
		cmocka_unit_test(test_unused_is_bounded),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
