// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "utf8.h"

/* ---- messages ---- */

void output_init(struct output *out)
{
	*out = (struct output){.errors = must(json_array()), .warnings = must(json_array())};
}

void output_release(struct output *out)
{
	json_decref(out->result);
	json_decref(out->errors);
	json_decref(out->warnings);
	*out = (struct output){0};
}

static json_t *message_document(const struct anybind_message *message, bool verbose)
{
	json_t *document = must(json_object());

	json_put(document, "message", json_text(message->text));
	json_put(document, "hint", json_text(message->hint));
	json_put(document, "code",
		 json_text(message->code ? strerrorname_np(-message->code) : NULL));
	json_put(document, "source", json_text(message->source));
	json_put(document, "line", message->line ? must(json_integer(message->line)) : json_null());
	if (verbose)
		json_put(document, "detail", json_text(message->detail));
	return document;
}

static void add_message(struct output *out, const struct anybind_message *message)
{
	json_add(message->severity == ANYBIND_ERROR ? out->errors : out->warnings,
		 message_document(message, out->verbose));
}

int output_error(struct output *out, int code, const char *hint, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	add_message(out,
		    &(struct anybind_message){
			    .severity = ANYBIND_ERROR, .code = code, .text = text, .hint = hint});
	return code;
}

void output_report(struct output *out, const struct anybind_report *report)
{
	for (size_t i = 0; i < anybind_report_count(report); i++)
		add_message(out, anybind_report_get(report, i));
	out->errors_omitted += anybind_report_dropped(report, ANYBIND_ERROR);
	out->warnings_omitted += anybind_report_dropped(report, ANYBIND_WARNING);
}

/* Each line of @text on one of its own, indented. */
static void print_indented(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *line;

	if (!copy)
		out_of_memory();
	while ((line = strsep(&rest, "\n"))) {
		if (!*line && !rest)
			break; /* the text ends with a newline */
		fputs("  ", stderr);
		utf8_put(stderr, line);
		fputc('\n', stderr);
	}
}

static void print_message(const json_t *message, const char *kind, bool verbose)
{
	const char *source = json_member(message, "source"), *hint = json_member(message, "hint");
	const char *code = json_member(message, "code"), *detail = json_member(message, "detail");
	json_int_t line = json_number(message, "line");

	fputs("anybind: ", stderr);
	if (source) {
		utf8_put(stderr, source);
		fputc(':', stderr);
		if (line)
			fprintf(stderr, "%" JSON_INTEGER_FORMAT ":", line);
		fputc(' ', stderr);
	}
	fputs(kind, stderr);
	utf8_put(stderr, json_member(message, "message"));
	if (verbose && code)
		fprintf(stderr, " (%s)", code);
	fputc('\n', stderr);
	if (hint)
		print_indented(hint);
	if (detail)
		print_indented(detail);
}

static void print_messages(const json_t *messages, size_t omitted, bool errors, bool verbose)
{
	const char *kind = errors ? "error" : "warning";
	const json_t *message;
	size_t i;

	json_array_foreach (messages, i, message)
		print_message(message, errors ? "" : "warning: ", verbose);
	if (omitted)
		fprintf(stderr, "anybind: … and %zu more %s%s\n", omitted, kind, plural(omitted));
}

/* Members or, without @embed, the whole of @json; ASCII, so that a terminal is not steered. */
static void dump(struct output *out, const json_t *json, size_t embed)
{
	if (json_dumpf(json, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | embed))
		out->broken = true;
}

/* What stands before any list. */
static void begin_document(struct output *out)
{
	json_t *head = must(json_object());

	out->begun = true;
	json_put(head, "version", must(json_integer(1)));
	if (out->result && json_object_update(head, out->result))
		out_of_memory();
	fputc('{', stdout);
	dump(out, head, JSON_EMBED);
	json_decref(head);
}

static void end_list(struct output *out)
{
	if (out->list)
		fputc(']', stdout);
	out->list = NULL;
	out->items = 0;
}

void output_list(struct output *out, const char *name)
{
	if (!out->begun)
		begin_document(out);
	end_list(out);
	out->list = name;
	printf(",\"%s\":[", name);
}

void output_item(struct output *out, json_t *item)
{
	if (out->items++)
		fputc(',', stdout);
	dump(out, item, JSON_ENCODE_ANY);
	json_decref(item);
}

static void print_document(struct output *out)
{
	json_t *tail = must(json_object());

	if (json_array_size(out->errors)) {
		json_put(tail, "error", json_incref(json_array_get(out->errors, 0)));
		json_put(tail, "errors", json_incref(out->errors));
	}
	json_put(tail, "warnings", json_incref(out->warnings));
	if (out->errors_omitted)
		json_put(tail, "errors_omitted", must(json_integer(out->errors_omitted)));
	if (out->warnings_omitted)
		json_put(tail, "warnings_omitted", must(json_integer(out->warnings_omitted)));
	if (!out->begun)
		begin_document(out);
	end_list(out);
	fputc(',', stdout);
	dump(out, tail, JSON_EMBED);
	json_decref(tail);
	fputs("}\n", stdout);
}

int output_finish(struct output *out, output_print_fn print)
{
	int r = 0;

	if (out->json)
		print_document(out);
	else if (out->result && print)
		print(out->result);
	errno = 0;
	if (fflush(stdout) || ferror(stdout) || out->broken) {
		fprintf(stderr, "anybind: cannot write to standard output%s%s\n", errno ? ": " : "",
			errno ? strerror(errno) : "");
		r = -EIO;
	}
	if (!out->json) {
		print_messages(out->warnings, out->warnings_omitted, false, out->verbose);
		print_messages(out->errors, out->errors_omitted, true, out->verbose);
	}
	return r;
}

/* ---- documents ---- */

void out_of_memory(void)
{
	fputs("anybind: out of memory\n", stderr);
	exit(EXIT_FAILURE);
}

json_t *must(json_t *json)
{
	if (!json)
		out_of_memory();
	return json;
}

json_t *json_text(const char *text)
{
	_cleanup_free_ char *valid = NULL;
	json_t *string;

	if (!text)
		return json_null();
	string = json_string(text);
	if (string)
		return string;
	valid = utf8_valid(text);
	return must(valid ? json_string(valid) : NULL);
}

void json_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new_nocheck(object, key, value))
		out_of_memory();
}

void json_add(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		out_of_memory();
}

const char *json_member(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_int_t json_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool json_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/* ---- text ---- */

bool print_has_bold(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && *no) && term && strcmp(term, "dumb") && isatty(STDOUT_FILENO);
}

static size_t vprint(const char *format, va_list ap)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, ap) < 0)
		out_of_memory();
	return utf8_put(stdout, text);
}

size_t print_text(const char *format, ...)
{
	va_list ap;
	size_t columns;

	va_start(ap, format);
	columns = vprint(format, ap);
	va_end(ap);
	return columns;
}

size_t print_bold(const char *format, ...)
{
	bool bold = print_has_bold();
	va_list ap;
	size_t columns;

	if (bold)
		fputs("\033[1m", stdout);
	va_start(ap, format);
	columns = vprint(format, ap);
	va_end(ap);
	if (bold)
		fputs("\033[0m", stdout);
	return columns;
}

void print_line(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprint(format, ap);
	va_end(ap);
	fputc('\n', stdout);
}

void print_plain(const char *line)
{
	utf8_put(stdout, line);
	putc_unlocked('\n', stdout);
}

void print_end(void)
{
	fputc('\n', stdout);
}

void print_pad(size_t columns, size_t width)
{
	do
		fputc(' ', stdout);
	while (++columns < width);
}

void print_label(const char *label)
{
	print_pad(print_bold("%s:", label), LABEL_COLUMNS);
}

const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}
