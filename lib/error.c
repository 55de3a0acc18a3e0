/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 20 /* of each severity */

/* The strings of @message that are owned; text may also be a constant. */
struct entry {
	struct anybind_message message;
	char *source, *text, *hint, *detail;
};

struct anybind_report {
	struct entry entries[2 * KEPT_MAX];
	size_t n;
	size_t seen[2];	      /* by severity, also those dropped */
	struct entry *newest; /* NULL: it was dropped */
	anybind_progress_fn progress;
	void *progress_data;
};

struct anybind_report *anybind_report_new(void)
{
	return calloc(1, sizeof(struct anybind_report));
}

void anybind_report_free(struct anybind_report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->n; i++) {
		free(report->entries[i].source);
		free(report->entries[i].text);
		free(report->entries[i].hint);
		free(report->entries[i].detail);
	}
	free(report);
}

void anybind_report_progress(struct anybind_report *report, anybind_progress_fn fn, void *data)
{
	if (!report)
		return;
	report->progress = fn;
	report->progress_data = data;
}

void report_stage(const struct anybind_report *report, enum anybind_stage stage, size_t n)
{
	if (report && report->progress)
		report->progress(stage, n, report->progress_data);
}

size_t anybind_report_count(const struct anybind_report *report)
{
	return report ? report->n : 0;
}

const struct anybind_message *anybind_report_get(const struct anybind_report *report, size_t i)
{
	return report && i < report->n ? &report->entries[i].message : NULL;
}

size_t anybind_report_dropped(const struct anybind_report *report, enum anybind_severity severity)
{
	if (!report || report->seen[severity] <= KEPT_MAX)
		return 0;
	return report->seen[severity] - KEPT_MAX;
}

/* Room for one more message; NULL where it is not wanted. */
static struct entry *new_entry(struct anybind_report *report, enum anybind_severity severity)
{
	if (!report)
		return NULL;
	report->newest = NULL;
	if (report->seen[severity]++ >= KEPT_MAX)
		return NULL;
	report->newest = &report->entries[report->n++];
	report->newest->message.severity = severity;
	return report->newest;
}

__attribute__((format(printf, 3, 0))) static void fill(struct entry *entry, const char *hint,
						       const char *format, va_list ap)
{
	if (vasprintf(&entry->text, format, ap) < 0)
		entry->text = NULL;
	entry->hint = hint ? strdup(hint) : NULL;
	entry->message.text = entry->text ? entry->text : "out of memory while describing an error";
	entry->message.hint = entry->hint;
}

int report_error(struct anybind_report *report, int code, const char *hint, const char *format, ...)
{
	struct entry *entry = new_entry(report, ANYBIND_ERROR);
	va_list ap;

	if (!entry)
		return code;
	entry->message.code = code;
	va_start(ap, format);
	fill(entry, hint, format, ap);
	va_end(ap);
	return code;
}

int report_error_at(struct anybind_report *report, const char *source, unsigned int line, int code,
		    const char *hint, const char *format, ...)
{
	struct entry *entry = new_entry(report, ANYBIND_ERROR);
	va_list ap;

	if (!entry)
		return code;
	entry->source = source ? strdup(source) : NULL;
	entry->message.source = entry->source;
	entry->message.line = line;
	entry->message.code = code;
	va_start(ap, format);
	fill(entry, hint, format, ap);
	va_end(ap);
	return code;
}

void report_warning(struct anybind_report *report, const char *hint, const char *format, ...)
{
	struct entry *entry = new_entry(report, ANYBIND_WARNING);
	va_list ap;

	if (!entry)
		return;
	va_start(ap, format);
	fill(entry, hint, format, ap);
	va_end(ap);
}

void report_detail(struct anybind_report *report, const char *detail)
{
	if (!report || !report->newest || !detail)
		return;
	free(report->newest->detail);
	report->newest->detail = strdup(detail);
	report->newest->message.detail = report->newest->detail;
}

/* "Not supported", of which there are three, and this is the kernel's own. */
#define ENOTSUPP_ 524

const char *report_errno(int code)
{
	const char *text =
		code == -ENOTSUPP_ ? strerrordesc_np(EOPNOTSUPP) : strerrordesc_np(-code);

	return text ? text : "an error without a name";
}

int report_struct(const void *options, size_t known, const char *what,
		  struct anybind_report *report)
{
	const char *bytes = options;
	size_t size;

	memcpy(&size, options, sizeof(size));
	if (size < known)
		return report_error(report, -EINVAL, NULL, "the size in struct %s is %zu, not %zu",
				    what, size, known);
	for (size_t i = known; i < size; i++)
		if (bytes[i])
			return report_error(report, -E2BIG, "Use a newer libanybind.",
					    "struct %s has members that anybind %s does not know",
					    what, anybind_version());
	return 0;
}

int report_oom(struct anybind_report *report)
{
	struct entry *entry = new_entry(report, ANYBIND_ERROR);

	/* A constant: there may be no memory for a copy. */
	if (entry) {
		entry->message.code = -ENOMEM;
		entry->message.text = "out of memory";
	}
	return -ENOMEM;
}
