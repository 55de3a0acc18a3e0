// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "commands.h"
#include "context.h"

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	int r;

	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = anybind_load(anybind, context->report);
	if (r < 0)
		return r;
	context->output.result = context_changed(context, !r);
	return 0;
}

static void print(const json_t *result)
{
	print_namespace(json_flag(result, "changed") ? "loaded into" : "already loaded in", result);
}

const struct command cmd_load = {
	.name = "load",
	.group = "Dispatcher",
	.arguments = "",
	.summary = "attach the dispatcher to the network namespace",
	.description =
		"Attaches a dispatcher without rules to the network namespace, where it changes "
		"nothing until rules are added. Where one is loaded already it stays as it is. "
		"Commands that add rules or register sockets do this by themselves.",
	.examples =
		(const struct example_row[]){
			{"anybind load", "Into the namespace the command is started in."},
			{"anybind -n blue load", "Into the one that ip-netns(8) calls blue."},
			{NULL},
		},
	.run = run,
	.print = print,
};
