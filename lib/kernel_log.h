/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What libbpf and the verifier say while something is loaded; kept off the terminal. */
#ifndef ANYBIND_KERNEL_LOG_H
#define ANYBIND_KERNEL_LOG_H

#include <bpf/libbpf.h>

#include "anybind.h"

struct kernel_log {
	char *text;
};

/* Keeps this thread's messages until kernel_log_end(). -ENOMEM. */
int kernel_log_start(struct kernel_log *ret);

/* Where @r is negative, what was kept goes to the newest message of @report. */
void kernel_log_end(struct kernel_log *log, int r, struct anybind_report *report);

#endif
