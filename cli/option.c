// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "option.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "word.h"

const struct option_row option_globals[] = {
	{"netns", 'n', OPTION_TEXT, "NETNS",
	 "Work on this network namespace: a name under /run/netns, a path (with a slash), or "
	 "`pid:N` for that of a process. Without it, the one the command is started in.",
	 OPTION(netns)},
	{"json", 'j', OPTION_FLAG, NULL,
	 "Print one JSON document on standard output, also for errors.", OPTION(json)},
	{"verbose", 'v', OPTION_FLAG, NULL,
	 "Say more about errors: the errno name, and the kernel's own words such as the verifier's "
	 "log.",
	 OPTION(verbose)},
	{"help", 'h', OPTION_FLAG, NULL, "Explain the command, or all of it, and do nothing.",
	 OPTION(help)},
	{"version", 'V', OPTION_FLAG, NULL, "Print the version and do nothing.", OPTION(version)},
	{NULL},
};

static int error(char **ret_error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int error(char **ret_error, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(ret_error, format, ap);
	va_end(ap);
	return n < 0 ? -ENOMEM : -EINVAL;
}

static int store_number(const struct option_row *row, const char *value, int *ret, char **ret_error)
{
	switch (word_number(value, row->min, INT_MAX, ret)) {
	case 0:
		return 0;
	case -ERANGE:
		return error(ret_error, "--%s: \"%s\" is not in the range %d to %d", row->name,
			     value, row->min, INT_MAX);
	default:
		return error(ret_error, "--%s: \"%s\" is not a number", row->name, value);
	}
}

static int append(struct option_numbers *numbers, int number)
{
	int *values = reallocarray(numbers->values, numbers->n + 1, sizeof(*values));

	if (!values)
		return -ENOMEM;
	values[numbers->n++] = number;
	numbers->values = values;
	return 0;
}

static int append_text(struct option_texts *texts, const char *text)
{
	const char **values = reallocarray(texts->values, texts->n + 1, sizeof(*values));

	if (!values)
		return -ENOMEM;
	values[texts->n++] = text;
	texts->values = values;
	return 0;
}

/* @value: NULL for a flag. An option given twice is a mistake, not a change of mind. */
static int store(const struct option_row *row, struct options *options, const char *value,
		 char **ret_error)
{
	void *member = (char *)options + row->offset;
	int r, number;

	switch (row->type) {
	case OPTION_FLAG:
		*(bool *)member = true;
		return 0;
	case OPTION_TEXT:
		if (!*value)
			return error(ret_error, "--%s: %s is empty", row->name, row->metavar);
		if (*(const char **)member)
			return error(ret_error, "--%s is given twice", row->name);
		*(const char **)member = value;
		return 0;
	case OPTION_NUMBER:
		if (*(int *)member)
			return error(ret_error, "--%s is given twice", row->name);
		return store_number(row, value, member, ret_error);
	case OPTION_NUMBERS:
		r = store_number(row, value, &number, ret_error);
		return r < 0 ? r : append(member, number);
	case OPTION_TEXTS:
		if (!*value)
			return error(ret_error, "--%s: %s is empty", row->name, row->metavar);
		return append_text(member, value);
	}
	return -EINVAL;
}

static const struct option_row *find_long(const struct option_row *const tables[2],
					  const char *name, size_t len)
{
	for (size_t i = 0; i < 2; i++)
		for (const struct option_row *row = tables[i]; row && row->name; row++)
			if (!strncmp(row->name, name, len) && !row->name[len])
				return row;
	return NULL;
}

static const struct option_row *find_letter(const struct option_row *const tables[2], char letter)
{
	for (size_t i = 0; i < 2; i++)
		for (const struct option_row *row = tables[i]; row && row->name; row++)
			if (row->letter == letter)
				return row;
	return NULL;
}

static int unknown_long(const struct option_row *const tables[2], const char *name, int len,
			char **ret_error)
{
	const struct option_row *near = NULL;
	unsigned int distance = 3;
	char word[32];

	snprintf(word, sizeof(word), "%.*s", len, name);
	for (size_t i = 0; i < 2; i++) {
		for (const struct option_row *row = tables[i]; row && row->name; row++) {
			unsigned int d = word_distance(word, row->name);

			if (d < distance) {
				distance = d;
				near = row;
			}
		}
	}
	if (near)
		return error(ret_error, "unknown option \"--%.*s\"; did you mean --%s?", len, name,
			     near->name);
	return error(ret_error, "unknown option \"--%.*s\"", len, name);
}

static int read_long(struct options *options, const struct option_row *const tables[2], int argc,
		     char *argv[], int *index, char **ret_error)
{
	const char *name = argv[*index] + 2, *end = strchrnul(name, '=');
	const struct option_row *row = find_long(tables, name, end - name);

	if (!row)
		return unknown_long(tables, name, end - name, ret_error);
	if (row->type == OPTION_FLAG) {
		if (*end)
			return error(ret_error, "--%s takes no value", row->name);
		return store(row, options, NULL, ret_error);
	}
	if (*end)
		return store(row, options, end + 1, ret_error);
	if (*index + 1 >= argc)
		return error(ret_error, "--%s needs a value: %s", row->name, row->metavar);
	return store(row, options, argv[++*index], ret_error);
}

/* One letter or several flags in one argument, the last perhaps with its value. */
static int read_letters(struct options *options, const struct option_row *const tables[2], int argc,
			char *argv[], int *index, char **ret_error)
{
	for (const char *s = argv[*index] + 1; *s; s++) {
		const struct option_row *row = find_letter(tables, *s);
		int r;

		if (!row)
			return error(ret_error, "unknown option \"-%c\" in \"%s\"", *s,
				     argv[*index]);
		if (row->type == OPTION_FLAG) {
			r = store(row, options, NULL, ret_error);
			if (r < 0)
				return r;
			continue;
		}
		if (s[1])
			return store(row, options, s + 1, ret_error);
		if (*index + 1 >= argc)
			return error(ret_error, "-%c needs a value: %s", row->letter, row->metavar);
		return store(row, options, argv[++*index], ret_error);
	}
	return 0;
}

int option_read(struct options *options, const struct option_row *const tables[2], int argc,
		char *argv[], int *index, char **ret_error)
{
	if (argv[*index][1] == '-')
		return read_long(options, tables, argc, argv, index, ret_error);
	return read_letters(options, tables, argc, argv, index, ret_error);
}

void options_release(struct options *options)
{
	free(options->fds.values);
	free(options->binds.values);
	free(options->only.values);
	options->fds = (struct option_numbers){0};
	options->binds = options->only = (struct option_texts){0};
}
