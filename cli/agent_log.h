/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The agent's log: standard error, one line for each thing that happened. */
#ifndef ANYBIND_CLI_AGENT_LOG_H
#define ANYBIND_CLI_AGENT_LOG_H

#include <stdarg.h>
#include <syslog.h>

#include "anybind.h"
#include "output.h"

/*
 * @priority: LOG_ERR and so on, which is written as <N> where the journal
 * reads. What stands in the arguments can neither steer a terminal nor make a
 * line of its own.
 */
void agent_log(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
void agent_vlog(int priority, const char *format, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* Each error and warning that was gathered. */
void agent_log_output(const struct output *out);

#endif
