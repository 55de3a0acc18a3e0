// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "kernel_log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"

#define LOG_MAX (256 << 10)

/*
 * Where libbpf's messages go is a matter of the whole process, so only one
 * thread at a time takes them; those of other threads go where they went.
 */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static libbpf_print_fn_t log_others;
static __thread char *log_text;
static __thread size_t log_used;

__attribute__((format(printf, 2, 0))) static int keep_log(enum libbpf_print_level level,
							  const char *format, va_list args)
{
	libbpf_print_fn_t others = __atomic_load_n(&log_others, __ATOMIC_ACQUIRE);
	int n;

	if (!log_text)
		return others ? others(level, format, args) : 0;
	if (level == LIBBPF_DEBUG)
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
	pthread_mutex_lock(&log_lock);
	log_text = text;
	log_used = 0;
	__atomic_store_n(&log_others, libbpf_set_print(keep_log), __ATOMIC_RELEASE);
	*ret = (struct kernel_log){text};
	return 0;
}

void kernel_log_end(struct kernel_log *log, int r, struct anybind_report *report)
{
	libbpf_set_print(log_others);
	log_text = NULL;
	pthread_mutex_unlock(&log_lock);
	if (r < 0 && *log->text)
		report_detail(report, log->text);
	free(log->text);
	*log = (struct kernel_log){0};
}
