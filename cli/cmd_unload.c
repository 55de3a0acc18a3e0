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
	r = anybind_unload(anybind, context->report);
	if (r < 0)
		return r;
	context->output.result = context_changed(context, !r);
	return 0;
}

static void print(const json_t *result)
{
	print_namespace(json_flag(result, "changed") ? "unloaded from"
						     : "no dispatcher was loaded in",
			result);
}

const struct command cmd_unload = {
	.name = "unload",
	.group = "Dispatcher",
	.arguments = "",
	.summary = "detach the dispatcher and forget its rules",
	.description =
		"Detaches the dispatcher from the network namespace and forgets its rules, "
		"registered sockets and counters. From then on all packets are looked up as if it "
		"had never been there; connections that exist go on. Where none is loaded, nothing "
		"is done.",
	.examples =
		(const struct example_row[]){
			{"anybind rules > rules.conf; anybind unload",
			 "Keep the rules, then unload."},
			{NULL},
		},
	.run = run,
	.print = print,
};
