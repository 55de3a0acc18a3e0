// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "commands.h"
#include "context.h"
#include "input.h"

static int run(struct context *context)
{
	_cleanup_ruleset_ struct anybind_ruleset *ruleset = NULL;
	json_t *result;
	int r;

	r = context_read_rules(context, &ruleset);
	if (r < 0)
		return r;
	result = must(json_object());
	json_put(result, "file", json_text(input_name(context->argv[0])));
	json_put(result, "rules", must(json_integer(anybind_ruleset_count(ruleset))));
	json_put(result, "services", must(json_integer(anybind_ruleset_services(ruleset))));
	context->output.result = result;
	return 0;
}

static void print(const json_t *result)
{
	size_t rules = json_number(result, "rules"), services = json_number(result, "services");

	print_line("%s: %zu rule%s, %zu service%s", json_member(result, "file"), rules,
		   plural(rules), services, plural(services));
}

const struct command cmd_check = {
	.name = "check",
	.group = "Rules",
	.arguments = "FILE|-",
	.summary = "read a file of rules and report its errors",
	.description =
		"Reads the file as `anybind apply` does, reports all errors in it and counts its "
		"rules: one for each family, protocol and range of ports that a statement names. "
		"It needs no privilege and does not look at the system, so that it does not know "
		"whether interfaces exist.",
	.words =
		(const struct word_row[]){
			{"FILE", "The file, or `-` for standard input."},
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"anybind check rules.conf", "In a repository's tests, say."},
			{NULL},
		},
	.complete = COMPLETE_FILES,
	.min_words = 1,
	.max_words = 1,
	.run = run,
	.print = print,
};
