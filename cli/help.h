/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Usage and --help, made from the rows. */
#ifndef ANYBIND_CLI_HELP_H
#define ANYBIND_CLI_HELP_H

#include "command.h"

/* The program's own text: what it is for, for --help and the manual alike. */
extern const struct command program;

/*
 * The @index-th form of @command, as typed behind the command's name; to be
 * freed. NULL: there is none.
 */
char *help_form(const struct command *command, size_t index);

/* "Usage: …" of @command or, where it is NULL, of the program; to be freed. */
char *help_usage(const struct command *command);

/* Writes all of it to standard output. NULL: of the program. */
void help_print(const struct command *command);

/*
 * The next paragraph of a text, to be freed, and *text moved behind it; NULL
 * at its end. Shared with the manual's generator.
 */
char *help_paragraph(const char **text);

#endif
