/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the commands that are statements of the rule language have in common. */
#ifndef ANYBIND_CLI_STATEMENT_H
#define ANYBIND_CLI_STATEMENT_H

#include "context.h"

/* Words of a rule; the first one is bind's NAME. */
extern const struct word_row statement_words[];

extern const struct option_row statement_options[]; /* --replace, --force */
#define OPTION_FORCE_ROW                                                                           \
	{                                                                                          \
		"force", 0, OPTION_FLAG, NULL,                                                     \
			"Do it even if it takes the port of the ssh session this is typed in.",    \
			OPTION(force)                                                              \
	}

#define STATEMENT_COMPLETE COMPLETE_DEVICE " tcp udp tcp,udp any except from dev"

/* Adds the statement that starts with the command's own name: the run function. */
int statement_add(struct context *context);

/*
 * Reads the words as a statement that starts with @verb, NULL where that is
 * among them. What cannot be read is the command line's fault.
 */
int statement_parse(struct context *context, const char *verb, struct anybind_ruleset **ret_delta);

/* The result: the statements of @delta in canonical form under @verb ("added", …). */
json_t *statement_result(const struct context *context, bool changed, const char *verb,
			 const struct anybind_ruleset *delta);

/* Its text. */
void statement_print(const json_t *result);

/* Of enum anybind_action. */
const char *action_name(enum anybind_action action);

/* What a service without a usable socket does. */
const char *missing_name(bool missing_pass);

#endif
