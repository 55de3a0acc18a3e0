// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "kernel_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"

#define LOG_MAX (256 << 10)

static __thread char *log_text;
static __thread size_t log_used;

__attribute__((format(printf, 2, 0))) static int keep_log(enum libbpf_print_level level,
							  const char *format, va_list args)
{
	int n;

	if (!log_text || level == LIBBPF_DEBUG)
		return 0;
	n = vsnprintf(log_text + log_used, LOG_MAX - log_used, format, args);
	if (n > 0)
		log_used += (size_t)n < LOG_MAX - log_used ? (size_t)n : LOG_MAX - log_used - 1;
	return 0;
}

int kernel_log_start(struct kernel_log *ret)
{
	char *text = calloc(1, LOG_MAX);

	if (!text)
		return -ENOMEM;
	log_text = text;
	log_used = 0;
	*ret = (struct kernel_log){text, libbpf_set_print(keep_log)};
	return 0;
}

void kernel_log_end(struct kernel_log *log, int r, struct anybind_report *report)
{
	libbpf_set_print(log->print);
	log_text = NULL;
	if (r < 0 && *log->text)
		report_detail(report, log->text);
	free(log->text);
	*log = (struct kernel_log){0};
}
