/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Commands: one row each, in the file named after it. Dispatch, usage, --help,
 * manual pages and completion are all made from these rows.
 *
 * Texts are plain English in paragraphs separated by an empty line; a
 * paragraph that starts with four blanks is kept as it is. What stands in
 * `backquotes` is typed as shown.
 */
#ifndef ANYBIND_CLI_COMMAND_H
#define ANYBIND_CLI_COMMAND_H

#include "option.h"
#include "output.h"

struct context;

/* Explains one word of the arguments; NULL as the word ends the rows. */
struct word_row {
	const char *word, *help;
};

/* NULL as the line ends the rows. */
struct example_row {
	const char *line, *help;
};

/* What the shell may complete a command's words with, besides options. */
#define COMPLETE_FILES "FILES"	 /* names of files */
#define COMPLETE_DEVICE "DEVICE" /* after the word dev: names of interfaces */

struct command {
	const char *name;
	const char *group;     /* heading in the overview */
	const char *arguments; /* forms of the command, one a line */
	const char *summary;   /* one line, no full stop */
	const char *description;
	const struct word_row *words; /* the first min_words are those required */
	const struct option_row *options;
	const struct example_row *examples;
	const char *complete; /* words, separated by blanks; or NULL */
	unsigned int min_words, max_words;
	/* Negative errno if it failed; the reason is in the output or the report. */
	int (*run)(struct context *context);
	output_print_fn print;
};

/* In the order of the overview; NULL ends it. */
extern const struct command *const commands[];

const struct command *command_find(const char *name);
/* The command that was perhaps meant, or NULL. */
const struct command *command_near(const char *name);

#endif
