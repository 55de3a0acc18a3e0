/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Reading the file that a command is given. */
#ifndef ANYBIND_CLI_INPUT_H
#define ANYBIND_CLI_INPUT_H

#include <stddef.h>

#include "output.h"

/* As the text is called in messages. */
const char *input_name(const char *file);

/*
 * Reads all of @file, or of standard input for "-". @ret_text is to be freed;
 * a NUL byte follows it. -EISDIR, -EFBIG: over 1 GiB, or what open and read say.
 */
int input_read(const char *file, char **ret_text, size_t *ret_size, struct output *out);

#endif
