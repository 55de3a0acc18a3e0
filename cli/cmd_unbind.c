// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <string.h>

#include "commands.h"
#include "statement.h"

/* The word that says what to remove; that of a service's rule may be left out. */
static const char *missing_verb(const char *first)
{
	static const char *const verbs[] = {"bind", "pass", "drop", "service"};
	size_t len;

	first += strspn(first, " \t");
	len = strcspn(first, " \t");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (len == strlen(verbs[i]) && !strncmp(first, verbs[i], len))
			return NULL;
	return "bind";
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_ruleset_ struct anybind_ruleset *delta = NULL, *ruleset = NULL;
	int r;

	r = statement_parse(context, missing_verb(context->argv[0]), &delta);
	if (r < 0)
		return r;
	r = context_begin(context, &anybind);
	if (r < 0)
		return r;
	r = anybind_rules(anybind, &ruleset, context->report);
	if (r < 0)
		return r;
	r = anybind_ruleset_remove(ruleset, delta, context->report);
	if (r < 0)
		return r;
	r = anybind_commit(anybind, ruleset, context->options.force ? ANYBIND_FORCE : 0,
			   context->report);
	if (r < 0)
		return r;
	context->output.result = statement_result(context, true, "removed", delta);
	return 0;
}

const struct command cmd_unbind = {
	.name = "unbind",
	.group = "Rules",
	.arguments = "[bind] NAME PROTO PREFIX PORTS [from PREFIX] [dev IFNAME]\n"
		     "pass|drop PROTO PREFIX PORTS [from PREFIX] [dev IFNAME]\n"
		     "service NAME",
	.summary = "remove a rule, or a service's declaration",
	.description =
		"Removes one statement, given by its words. What is not there cannot be removed; "
		"then nothing changes. A service that still has rules, or that another falls back to, "
		"keeps its declaration. The sockets registered for a service stay registered: see "
		"`anybind unregister`.",
	.words = statement_words,
	.options =
		(const struct option_row[]){
			OPTION_FORCE_ROW,
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"anybind unbind web tcp 192.0.2.0/24 80,443", "Remove a service's rule."},
			{"anybind unbind pass tcp any 22", "Remove a rule that passes."},
			{"anybind unbind service web", "Forget what web does without a socket."},
			{NULL},
		},
	.complete = STATEMENT_COMPLETE " bind pass drop service",
	.min_words = 1,
	.max_words = -1,
	.run = run,
	.print = statement_print,
};
