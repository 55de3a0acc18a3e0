/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Text from outside: program and interface names, file names, words typed. */
#ifndef ANYBIND_CLI_UTF8_H
#define ANYBIND_CLI_UTF8_H

#include <stddef.h>
#include <stdio.h>

/* A copy with every byte that is not UTF-8 as \xNN; to be freed. NULL: out of memory. */
char *utf8_valid(const char *text);

/*
 * Writes @text so that it cannot steer a terminal: control characters,
 * characters that reorder text, and bytes that are not UTF-8 as \xNN.
 * Returns the columns it took.
 */
size_t utf8_put(FILE *file, const char *text);

/* The columns that utf8_put() would take. */
size_t utf8_columns(const char *text);

#endif
