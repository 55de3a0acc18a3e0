// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "fuzz.h"

#include <string.h>

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

void must_equal(const struct anybind_ruleset *a, const struct anybind_ruleset *b)
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

void must_read_back(const struct anybind_ruleset *rs)
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
