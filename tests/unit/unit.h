/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What cmocka needs before it, and rulesets from and to text. */
#ifndef ANYBIND_UNIT_H
#define ANYBIND_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ruleset.h"

static int write_statement(const struct anybind_statement *statement, void *data)
{
	return fprintf(data, "%s\n", statement->text) < 0;
}

/* Canonical text; the caller frees it. */
static inline char *to_text(const struct anybind_ruleset *rs)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	assert_int_equal(anybind_ruleset_each(rs, write_statement, stream), 0);
	assert_int_equal(fclose(stream), 0);
	return text;
}

/* A text that must be right; prints what is wrong with it otherwise. */
static inline struct anybind_ruleset *parse(const char *text)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs = NULL;
	int r = anybind_ruleset_parse(&rs, text, strlen(text), "rules", report);

	for (size_t i = 0; i < anybind_report_count(report); i++)
		print_error("line %u: %s\n", anybind_report_get(report, i)->line,
			    anybind_report_get(report, i)->text);
	assert_int_equal(r, 0);
	assert_int_equal(ruleset_validate(rs), 0);
	anybind_report_free(report);
	return rs;
}

/* @text, read and printed, is @canonical. */
static inline void assert_canonical(const char *text, const char *canonical)
{
	struct anybind_ruleset *rs = parse(text);
	char *printed = to_text(rs);

	assert_string_equal(printed, canonical);
	free(printed);
	anybind_ruleset_free(rs);
}

/* The report's first message has @code, is at @line and contains each of @words, NULL at the end.
 */
static inline void assert_message(const struct anybind_report *report, int code, unsigned int line,
				  const char *const words[])
{
	const struct anybind_message *message = anybind_report_get(report, 0);

	assert_non_null(message);
	assert_int_equal(message->code, code);
	assert_int_equal(message->line, line);
	for (size_t i = 0; words[i]; i++)
		if (!strstr(message->text, words[i]))
			fail_msg("\"%s\" does not say \"%s\"", message->text, words[i]);
	assert_null(strchr(message->text, '\n'));
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
