/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The file in which a server leaves its process id. */
#ifndef ANYBIND_CLI_PIDFILE_H
#define ANYBIND_CLI_PIDFILE_H

#include <sys/types.h>

#include "output.h"

/*
 * Reads @file: a regular file with one pid in it, decimal digits and perhaps a
 * newline. What is wrong with it is said. -ESRCH: no such process.
 */
int pidfile_read(const char *file, pid_t *ret, struct output *out);

#endif
