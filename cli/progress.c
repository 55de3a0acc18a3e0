// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* What is done by then needs no line. */
#define QUIET_MS 300
#define LINE_WIDTH 48

/* The terminal's state, of which there is one. */
static struct timespec begun;
static bool shown;

static long elapsed_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000;
}

/* 1000000 as "1,000,000". */
static const char *grouped(size_t n, char buf[32])
{
	char *at = buf + 31;

	*at = '\0';
	for (unsigned int digits = 0; !digits || n; digits++, n /= 10) {
		if (digits && digits % 3 == 0)
			*--at = ',';
		*--at = (char)('0' + n % 10);
	}
	return at;
}

/* An anybind_progress_fn. */
static void show(enum anybind_stage stage, size_t n, void *data)
{
	static const char *const doing[] = {
		[ANYBIND_READING] = "reading",
		[ANYBIND_COMPILING] = "compiling",
		[ANYBIND_LOADING] = "loading",
	};
	char line[LINE_WIDTH + 1], number[32];

	(void)data;
	if (elapsed_ms() < QUIET_MS)
		return;
	snprintf(line, sizeof(line), "%s: %s %s", doing[stage], grouped(n, number),
		 stage == ANYBIND_READING ? "lines" : "rules");
	fprintf(stderr, "\r%-*s", LINE_WIDTH, line);
	fflush(stderr);
	shown = true;
}

void progress_start(struct anybind_report *report)
{
	clock_gettime(CLOCK_MONOTONIC, &begun);
	if (isatty(STDERR_FILENO))
		anybind_report_progress(report, show, NULL);
}

void progress_clear(void)
{
	if (shown)
		fprintf(stderr, "\r%*s\r", LINE_WIDTH, "");
	fflush(stderr);
	shown = false;
}
