// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "commands.h"
#include "input.h"
#include "statement.h"

/* An anybind_statement_fn: one difference is enough. */
static int differs(const struct anybind_statement *statement, void *data)
{
	(void)statement;
	(void)data;
	return 1;
}

static json_t *result_document(const struct context *context, bool changed,
			       const struct anybind_ruleset *ruleset)
{
	json_t *result = context_changed(context, changed);

	json_put(result, "file", json_text(input_name(context->argv[0])));
	json_put(result, "rules", must(json_integer(anybind_ruleset_count(ruleset))));
	json_put(result, "services", must(json_integer(anybind_ruleset_services(ruleset))));
	return result;
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_ruleset_ struct anybind_ruleset *wanted = NULL, *current = NULL;
	bool loaded;
	int r, changed;

	r = context_read_rules(context, &wanted);
	if (r < 0)
		return r;
	r = context_begin(context, &anybind);
	if (r < 0)
		return r;
	r = context_rules(context, anybind, &current, &loaded);
	if (r < 0)
		return r;
	changed = loaded ? anybind_ruleset_diff(current, wanted, differs, differs, NULL) : 1;
	if (changed < 0)
		return changed;
	if (changed) {
		r = anybind_commit(anybind, wanted, context->options.force ? ANYBIND_FORCE : 0,
				   context->report);
		if (r < 0)
			return r;
	}
	context->output.result = result_document(context, changed, wanted);
	return 0;
}

static void print(const json_t *result)
{
	size_t rules = json_number(result, "rules"), services = json_number(result, "services");

	print_line("%s: %s, %zu rule%s, %zu service%s", json_member(result, "file"),
		   json_flag(result, "changed") ? "applied" : "no change", rules, plural(rules),
		   services, plural(services));
}

const struct command cmd_apply = {
	.name = "apply",
	.group = "Rules",
	.arguments = "FILE|-",
	.summary = "replace all rules by those of a file",
	.description =
		"Replaces all rules and declarations of services by those of the file, in one "
		"step: every packet sees the old rules or the new ones. A file with an error "
		"changes nothing, and all its errors are reported. Sockets that are registered "
		"stay registered.\n\n"
		"A file holds one statement a line, with `#` before comments: the words of "
		"`anybind bind`, `pass`, `drop` and `service`. What `anybind rules` prints is such "
		"a file, and applying it changes nothing. The dispatcher is loaded first where "
		"none is.",
	.words =
		(const struct word_row[]){
			{"FILE", "The file, or `-` for standard input."},
			{NULL},
		},
	.options =
		(const struct option_row[]){
			OPTION_FORCE_ROW,
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"anybind diff rules.conf && anybind apply rules.conf",
			 "See what will change, then do it."},
			{"anybind rules | grep -v 192.0.2. | anybind apply -",
			 "Remove all rules that mention a prefix."},
			{NULL},
		},
	.complete = COMPLETE_FILES,
	.min_words = 1,
	.max_words = 1,
	.run = run,
	.print = print,
};
