/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Filling a struct anybind_report. Every function takes a NULL report. */
#ifndef ANYBIND_ERROR_H
#define ANYBIND_ERROR_H

#include "anybind.h"

/*
 * Adds an error and returns @code, so that a failure is one statement:
 *	return report_error(report, -ENOENT, "Type `anybind load`.", "…", …);
 * @code: negative errno. @hint: what to do, or NULL. Text and hint are copied.
 * One line, no full stop, no capital at the start: the CLI puts it behind
 * "anybind: ".
 */
int report_error(struct anybind_report *report, int code, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The same, at a line of a text. @source may be NULL, @line 0. */
int report_error_at(struct anybind_report *report, const char *source, unsigned int line, int code,
		    const char *hint, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

void report_warning(struct anybind_report *report, const char *hint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Attaches long evidence (a verifier log) to the newest message; copied. */
void report_detail(struct anybind_report *report, const char *detail);

/*
 * What @code, a negative errno, means: a constant string, never NULL. The
 * kernel lets out values of its own that the C library has no words for.
 */
const char *report_errno(int code);

/*
 * A struct that a caller filled in and that starts with its own size: at least
 * @known bytes, and what a later version added is 0. -EINVAL, -E2BIG.
 */
int report_struct(const void *options, size_t known, const char *what,
		  struct anybind_report *report);

/* Tells whoever wants to know how far it is. */
void report_stage(const struct anybind_report *report, enum anybind_stage stage, size_t n);

/* -ENOMEM, said. */
int report_oom(struct anybind_report *report);

#endif
