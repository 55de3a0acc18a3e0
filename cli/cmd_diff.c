// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "commands.h"
#include "progress.h"
#include "statement.h"

static int print_removed(const struct anybind_statement *statement, void *data)
{
	(void)data;
	print_line("- %s", statement->text);
	return 0;
}

static int print_added(const struct anybind_statement *statement, void *data)
{
	(void)data;
	print_line("+ %s", statement->text);
	return 0;
}

static int output_statement(const struct anybind_statement *statement, void *data)
{
	output_item(data, json_text(statement->text));
	return 0;
}

/* An anybind_statement_fn for a side that is not wanted. */
static int skip(const struct anybind_statement *statement, void *data)
{
	(void)statement;
	(void)data;
	return 0;
}

/* One list after the other, neither of them gathered. */
static int diff_json(struct context *context, const struct anybind_ruleset *before,
		     const struct anybind_ruleset *after)
{
	struct output *out = &context->output;
	int r;

	out->result = context_result(context);
	output_list(out, "removed");
	r = anybind_ruleset_diff(before, after, output_statement, skip, out);
	if (r < 0)
		return r;
	output_list(out, "added");
	return anybind_ruleset_diff(before, after, skip, output_statement, out);
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_ruleset_ struct anybind_ruleset *wanted = NULL, *current = NULL;
	bool loaded;
	int r;

	r = context_read_rules(context, &wanted);
	if (r < 0)
		return r;
	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = context_rules(context, anybind, &current, &loaded);
	if (r < 0)
		return r;
	if (context->options.json)
		return diff_json(context, current, wanted);
	progress_clear();
	/* Straight to the output: there may be a million. */
	return anybind_ruleset_diff(current, wanted, print_removed, print_added, NULL);
}

const struct command cmd_diff = {
	.name = "diff",
	.group = "Rules",
	.arguments = "FILE|-",
	.summary = "show what applying a file would change",
	.description =
		"Reads the file as `anybind apply` does and compares it with the rules in force, "
		"or with none where no dispatcher is loaded. First come the statements that would "
		"go, marked with a minus sign, then those that would come, with a plus sign. Rules "
		"are compared, not lines: another order or spelling is no difference. Nothing is "
		"changed. That there are differences is no failure.",
	.words =
		(const struct word_row[]){
			{"FILE", "The file, or `-` for standard input."},
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"anybind diff rules.conf", "What would change?"},
			{"anybind -n blue rules | anybind -n green diff -",
			 "What would have to change in one namespace to make it like another?"},
			{NULL},
		},
	.complete = COMPLETE_FILES,
	.min_words = 1,
	.max_words = 1,
	.run = run,
};
