/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A line on the terminal that says what takes so long. */
#ifndef ANYBIND_CLI_PROGRESS_H
#define ANYBIND_CLI_PROGRESS_H

#include "anybind.h"

/*
 * Has @report's calls shown on standard error, if that is a terminal, once the
 * program has run for a while.
 */
void progress_start(struct anybind_report *report);

/* Removes the line: before anything else is written. */
void progress_clear(void);

#endif
