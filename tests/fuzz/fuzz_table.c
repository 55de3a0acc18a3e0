// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Any bytes as a table read back from the kernel: opening it, reading its
 * rules and looking packets up must end and stay in bounds. Rules that pass
 * for sound must print as what reads as the same, and a table compiled of them
 * must say what they say.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "compile.h"
#include "random_rules.h"
#include "table.h"

#define PACKETS 32

/* A copy as aligned as a mapping is, and no longer than @size, so that ASan sees its end. */
static void *aligned_copy(const uint8_t *data, size_t size)
{
	void *copy;

	must(posix_memalign(&copy, 64, size ? size : 1) == 0);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

/* Packets that depend on the input. */
static struct random seed(const uint8_t *data, size_t size)
{
	struct random random = {size};

	for (size_t i = 0; i < size; i++)
		random.state = (random.state ^ data[i]) * 0x100000001b3u;
	return random;
}

static void look_up(const struct table *table, const struct anybind_ruleset *rs,
		    struct random *random)
{
	for (unsigned int i = 0; i < PACKETS; i++) {
		struct packet p;

		random_packet(random, rs, &p);
		table_fallback(table, random_next(random));
		table_lookup(table, p.family, p.proto, p.dst, p.port, p.src, p.ifindex);
	}
}

/* @rs compiled anew is the plain reference. */
static void must_compile(struct anybind_ruleset *rs, struct random *random)
{
	struct compiled *compiled;
	struct table table;
	void *image;
	int r;

	for (size_t i = 0; i < rs->n_services; i++)
		rs->services[i].id = i;
	for (size_t i = 0; i < rs->n_devices; i++)
		rs->devices[i].ifindex = i % 3 ? i + 1 : 0;
	r = compile(&compiled, rs, NULL);
	must(r == 0 || r == -E2BIG);
	if (r < 0)
		return;
	must(posix_memalign(&image, 64, compile_size(compiled)) == 0);
	memset(image, 0, compile_size(compiled));
	compile_write(compiled, 1, 0, image);
	must(table_open(&table, image, compile_size(compiled), NULL) == 0);
	for (size_t i = 0; i < rs->n_services; i++) {
		unsigned int fallback = rs->services[i].fallback;

		must(table_fallback(&table, i) ==
		     (fallback ? VERDICT_SERVICE(fallback - 1, false) : 0));
	}
	for (unsigned int i = 0; i < PACKETS; i++) {
		struct packet p;

		random_packet(random, rs, &p);
		must(table_lookup(&table, p.family, p.proto, p.dst, p.port, p.src, p.ifindex) ==
		     reference_verdict(rs, &p));
	}
	compile_free(compiled);
	free(image);
}

static void forget_numbers(struct anybind_ruleset *rs)
{
	for (size_t i = 0; i < rs->n_services; i++)
		rs->services[i].id = SERVICE_NO_ID;
	for (size_t i = 0; i < rs->n_devices; i++)
		rs->devices[i].ifindex = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct anybind_report *report = anybind_report_new();
	struct random random = seed(data, size);
	const struct anybind_ruleset none = {0};
	struct anybind_ruleset *rs = NULL;
	struct table table;
	void *image = aligned_copy(data, size);
	int r;

	must(report);
	r = table_open(&table, image, size, report);
	must((r == 0) == (anybind_report_count(report) == 0));
	if (r == 0) {
		must(table_lookup_bytes(&table) + table_rules_bytes(&table) > 0);
		r = table_ruleset(&table, &rs, report);
		must((r == 0) == (anybind_report_count(report) == 0));
		look_up(&table, rs ? rs : &none, &random);
	}
	if (rs) {
		forget_numbers(rs);
		must_read_back(rs);
		must_compile(rs, &random);
	}
	anybind_ruleset_free(rs);
	free(image);
	anybind_report_free(report);
	return 0;
}
