// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "commands.h"
#include "statement.h"

static int print_statement(const struct anybind_statement *statement, void *data)
{
	(void)data;
	print_plain(statement->text);
	return 0;
}

struct lists {
	json_t *rules, *services;
};

static int collect(const struct anybind_statement *statement, void *data)
{
	struct lists *lists = data;
	json_t *document = must(json_object());

	if (statement->action == ANYBIND_SERVICE) {
		json_put(document, "name", json_text(statement->service));
		json_put(document, "missing", json_text(missing_name(statement->missing_pass)));
		json_add(lists->services, document);
		return 0;
	}
	json_put(document, "statement", json_text(statement->text));
	json_put(document, "action", json_text(action_name(statement->action)));
	json_put(document, "service", json_text(statement->service));
	json_put(document, "proto", json_text(statement->proto));
	json_put(document, "prefix", json_text(statement->prefix));
	json_put(document, "ports", json_text(statement->ports));
	json_put(document, "from", json_text(statement->from));
	json_put(document, "dev", json_text(statement->dev));
	json_add(lists->rules, document);
	return 0;
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_ruleset_ struct anybind_ruleset *ruleset = NULL;
	struct lists lists;
	int r;

	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = anybind_rules(anybind, &ruleset, context->report);
	if (r < 0)
		return r;
	if (!context->options.json) /* straight to the output: there may be a million */
		return anybind_ruleset_each(ruleset, print_statement, NULL);
	context->output.result = context_result(context);
	lists = (struct lists){must(json_array()), must(json_array())};
	json_put(context->output.result, "rules", lists.rules);
	json_put(context->output.result, "services", lists.services);
	return anybind_ruleset_each(ruleset, collect, &lists);
}

const struct command cmd_rules = {
	.name = "rules",
	.group = "Looking",
	.arguments = "",
	.summary = "print the rules in force",
	.description =
		"Prints the rules that the kernel goes by, read back from it, and the declarations "
		"of services: one statement a line, in a canonical order and spelling. `anybind "
		"apply` reads this, and applying it changes nothing.",
	.examples =
		(const struct example_row[]){
			{"anybind rules > rules.conf", "Keep the rules in a file."},
			{"anybind -j rules | jq -r '.rules[] | select(.service == \"web\").prefix'",
			 "The prefixes of one service."},
			{NULL},
		},
	.run = run,
};
