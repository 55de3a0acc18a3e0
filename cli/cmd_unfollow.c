// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <stdlib.h>

#include "commands.h"
#include "context.h"
#include "unit.h"

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_free_ char *unit = NULL;
	const struct options *options = &context->options;
	json_t *result;
	int r;

	if (options->cgroup && options->unit)
		return context_usage(context, "unfollow: --cgroup and --unit exclude each other");
	if (options->unit)
		unit = unit_name(options->unit);
	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = anybind_unfollow(anybind, context->argv[0], options->cgroup, unit, context->report);
	if (r < 0)
		return r;
	result = context_changed(context, true);
	json_put(result, "service", json_text(context->argv[0]));
	json_put(result, "unfollowed", must(json_integer(r)));
	context->output.result = result;
	return 0;
}

static void print(const json_t *result)
{
	size_t n = (size_t)json_number(result, "unfollowed");

	print_line("%s: %zu follow%s ended", json_member(result, "service"), n, plural(n));
}

const struct command cmd_unfollow = {
	.name = "unfollow",
	.group = "Sockets",
	.arguments = "SERVICE [--cgroup PATH | --unit UNIT]",
	.summary = "end what anybind follow began",
	.description =
		"Ends a service's follows, or only those of one cgroup or unit. The sockets that "
		"they registered are the service's no more: what it has no other socket for is "
		"dropped or passed, as `anybind service` says. The sockets themselves stay open, "
		"and connections that exist go on. If there is no such follow, that is an error.",
	.words =
		(const struct word_row[]){
			{"SERVICE", "The service."},
			{NULL},
		},
	.options =
		(const struct option_row[]){
			{"cgroup", 0, OPTION_TEXT, "PATH",
			 "Only of this cgroup. One that is gone is named as `anybind services` shows "
			 "it.",
			 OPTION(cgroup)},
			{"unit", 0, OPTION_TEXT, "UNIT", "Only of what was followed as this unit.",
			 OPTION(unit)},
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"anybind unfollow web", "All of them."},
			{"anybind unfollow web --unit nginx", "One of them."},
			{NULL},
		},
	.min_words = 1,
	.max_words = 1,
	.run = run,
	.print = print,
};
