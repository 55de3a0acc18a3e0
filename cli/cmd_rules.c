// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "commands.h"
#include "statement.h"

static int print_statement(const struct anybind_statement *statement, void *data)
{
	(void)data;
	print_plain(statement->text);
	return 0;
}

static int output_service(const struct anybind_statement *statement, void *data)
{
	json_t *document;

	if (statement->action != ANYBIND_SERVICE)
		return 0;
	document = must(json_object());
	json_put(document, "name", json_text(statement->service));
	json_put(document, "missing", json_text(missing_name(statement->missing_pass)));
	json_put(document, "fallback", json_text(statement->fallback));
	output_item(data, document);
	return 0;
}

static int output_rule(const struct anybind_statement *statement, void *data)
{
	json_t *document;

	if (statement->action == ANYBIND_SERVICE)
		return 0;
	document = must(json_object());
	json_put(document, "statement", json_text(statement->text));
	json_put(document, "action", json_text(action_name(statement->action)));
	json_put(document, "service", json_text(statement->service));
	json_put(document, "proto", json_text(statement->proto));
	json_put(document, "prefix", json_text(statement->prefix));
	json_put(document, "ports", json_text(statement->ports));
	json_put(document, "from", json_text(statement->from));
	json_put(document, "dev", json_text(statement->dev));
	output_item(data, document);
	return 0;
}

static int rules_json(struct context *context, const struct anybind_ruleset *ruleset)
{
	struct output *out = &context->output;
	int r;

	out->result = context_result(context);
	output_list(out, "rules");
	r = anybind_ruleset_each(ruleset, output_rule, out);
	if (r < 0)
		return r;
	output_list(out, "services");
	return anybind_ruleset_each(ruleset, output_service, out);
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_ruleset_ struct anybind_ruleset *ruleset = NULL;
	int r;

	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = anybind_rules(anybind, &ruleset, context->report);
	if (r < 0)
		return r;
	if (context->options.json)
		return rules_json(context, ruleset);
	/* Straight to the output: there may be a million. */
	return anybind_ruleset_each(ruleset, print_statement, NULL);
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
