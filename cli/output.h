/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a command has to say: one document, written as text or as JSON. */
#ifndef ANYBIND_CLI_OUTPUT_H
#define ANYBIND_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>

#include "anybind.h"

struct output {
	bool json, verbose;
	json_t *result; /* object; NULL: the command did not get as far */
	json_t *errors, *warnings;
	size_t errors_omitted, warnings_omitted; /* said by the library, not kept */
	bool begun;				 /* the JSON document is being written */
	size_t items;				 /* so far, of the list being written */
	const char *list;			 /* its name, or NULL */
	bool broken;				 /* the document could not be written */
};

/* Writes a result as text to standard output. */
typedef void (*output_print_fn)(const json_t *result);

void output_init(struct output *out);
void output_release(struct output *out);

/*
 * Adds an error and returns @code, a negative errno. Text and hint may hold
 * anything: they are made harmless when they are written.
 */
int output_error(struct output *out, int code, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Adds all messages of @report. */
void output_report(struct output *out, const struct anybind_report *report);

/*
 * A list of the JSON document that may be a million long: it is written item
 * by item, not gathered. output_list() starts the list @name and ends the one
 * before it; other members of the result must be there by then. The item is
 * taken.
 */
void output_list(struct output *out, const char *name);
void output_item(struct output *out, json_t *item);

/*
 * Writes everything: as text the result to standard output and the messages to
 * standard error, as JSON one document to standard output. -EIO: could not.
 */
int output_finish(struct output *out, output_print_fn print);

/*
 * ---- building a document ----
 * Out of memory there ends the program: nothing sensible could be said.
 */

_Noreturn void out_of_memory(void);
/* @json itself, when it is one. */
json_t *must(json_t *json);
/* A string, with bytes that are not UTF-8 escaped, or null for NULL. */
json_t *json_text(const char *text);
/* object[key] = value, which is taken; array likewise. */
void json_put(json_t *object, const char *key, json_t *value);
void json_add(json_t *array, json_t *value);

/* ---- reading it: NULL, 0 and false where there is no such member ---- */

const char *json_member(const json_t *object, const char *key);
json_int_t json_number(const json_t *object, const char *key);
bool json_flag(const json_t *object, const char *key);

/* ---- text; what stands in the arguments cannot steer the terminal ---- */

/* Returns the columns taken. */
size_t print_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Is standard output a terminal that takes bold, and NO_COLOR not set? */
bool print_has_bold(void);
/* The same as print_text(), in bold where that can be. */
size_t print_bold(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A whole line as it is; quicker. */
void print_plain(const char *line);
void print_end(void); /* of a line */
/* A label at the start of a line; what follows it stands in one column. */
#define LABEL_COLUMNS 12
void print_label(const char *label);
/* Blanks from @columns up to @width, at least one. */
void print_pad(size_t columns, size_t width);

/* "" or "s", after a number. */
const char *plural(size_t n);

#endif
