/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Any bytes as a rule file: what is read must be sealed; its canonical text
 * must read as the same and print as the same; taking all of it out and
 * putting it back must lead there again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static int write_line(const struct anybind_statement *statement, void *data)
{
	return fprintf(data, "%s\n", statement->text) < 0;
}

static char *print(const struct anybind_ruleset *rs, size_t *ret_size)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, ret_size);

	must(stream);
	must(anybind_ruleset_each(rs, write_line, stream) == 0);
	must(fclose(stream) == 0);
	return text;
}

static void must_equal(const struct anybind_ruleset *a, const struct anybind_ruleset *b)
{
	must(a->n_rules == b->n_rules && a->n_services == b->n_services &&
	     a->n_devices == b->n_devices);
	must(!a->n_rules || !memcmp(a->rules, b->rules, a->n_rules * sizeof(*a->rules)));
	must(!a->n_services ||
	     !memcmp(a->services, b->services, a->n_services * sizeof(*a->services)));
	must(!a->n_devices || !memcmp(a->devices, b->devices, a->n_devices * sizeof(*a->devices)));
}

static int fail(const struct anybind_statement *statement, void *data)
{
	(void)statement;
	(void)data;
	return -1;
}

/* Printed and read again, @rs is the same. */
static void check_text(const struct anybind_ruleset *rs)
{
	struct anybind_ruleset *again = NULL;
	size_t size, size_again;
	char *text = print(rs, &size), *text_again;

	must(anybind_ruleset_parse(&again, text, size, "canonical", NULL) == 0);
	must_equal(rs, again);
	must(anybind_ruleset_diff(rs, again, fail, fail, NULL) == 0);
	text_again = print(again, &size_again);
	must(size == size_again && memcmp(text, text_again, size) == 0);
	free(text);
	free(text_again);
	anybind_ruleset_free(again);
}

/* Taken out and put back, @rs is the same. */
static void check_edits(const struct anybind_ruleset *rs)
{
	struct anybind_ruleset *copy = NULL;

	must(ruleset_copy(&copy, rs) == 0);
	must_equal(rs, copy);
	must(anybind_ruleset_add(copy, rs, false, NULL) == 0);
	must_equal(rs, copy);
	if (rs->n_rules > 0) {
		must(anybind_ruleset_remove(copy, rs, NULL) == 0);
		must(copy->n_rules == 0 && copy->n_devices == 0);
		must(copy->n_services == rs->n_services);
		must(ruleset_validate(copy) == 0);
		must(anybind_ruleset_add(copy, rs, false, NULL) == 1);
		must_equal(rs, copy);
	}
	anybind_ruleset_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs = NULL;
	int r;

	must(report);
	r = anybind_ruleset_parse(&rs, (const char *)data, size, "input", report);
	must((r == 0) == (anybind_report_count(report) == 0));
	if (r == 0) {
		must(ruleset_validate(rs) == 0);
		check_text(rs);
		check_edits(rs);
	}
	anybind_ruleset_free(rs);
	anybind_report_free(report);
	return 0;
}
