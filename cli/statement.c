// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "statement.h"

#include <errno.h>
#include <string.h>

const struct word_row statement_words[] = {
	{"NAME", "The service: 1 to 64 letters, digits and . _ - @ : characters. One that is "
		 "new is declared by this."},
	{"PROTO", "`tcp`, `udp` or `tcp,udp`."},
	{"PREFIX", "Destination: an IPv4 or IPv6 address or prefix (host bits are masked off), "
		   "or `any` for both families."},
	{"PORTS", "Destination ports: `443`, `8000-8999`, `any`, or several with commas between; "
		  "then optionally `except` and such a list: `any except 22,6000-6010`."},
	{"from", "Only packets from this source address or prefix."},
	{"dev", "Only packets that come in by this interface of the namespace."},
	{NULL}};

const struct option_row statement_options[] = {
	{"replace", 0, OPTION_FLAG, NULL,
	 "Replace what is there with the same match and another verdict, or a service's other "
	 "declaration, which is refused otherwise.",
	 OPTION(replace)},
	OPTION_FORCE_ROW,
	{NULL},
};

const char *action_name(enum anybind_action action)
{
	switch (action) {
	case ANYBIND_PASS:
		return "pass";
	case ANYBIND_DROP:
		return "drop";
	case ANYBIND_BIND:
		return "bind";
	case ANYBIND_SERVICE:
		return "service";
	}
	return NULL;
}

const char *missing_name(bool missing_pass)
{
	return action_name(missing_pass ? ANYBIND_PASS : ANYBIND_DROP);
}

int statement_parse(struct context *context, const char *verb, struct anybind_ruleset **ret_delta)
{
	size_t own = verb ? 1 : 0;
	_cleanup_free_ char **words = calloc(context->argc + own + 1, sizeof(*words));
	int r;

	if (!words)
		return -ENOMEM;
	if (verb)
		words[0] = (char *)verb; /* the library takes them as main() does: it reads only */
	memcpy(words + own, context->argv, context->argc * sizeof(*words));
	r = anybind_ruleset_parse_words(ret_delta, context->argc + own, words, context->report);
	context->usage = r < 0 && r != -ENOMEM;
	return r;
}

/*
 * An anybind_statement_fn: appends the text to the json_t array @data. That
 * naming a service declares it goes without saying.
 */
static int collect(const struct anybind_statement *statement, void *data)
{
	if (!statement->implied)
		json_add(data, json_text(statement->text));
	return 0;
}

json_t *statement_result(const struct context *context, bool changed, const char *verb,
			 const struct anybind_ruleset *delta)
{
	json_t *result = context_changed(context, changed), *statements = must(json_array());

	if (changed && anybind_ruleset_each(delta, collect, statements) < 0)
		out_of_memory();
	json_put(result, verb, statements);
	return result;
}

void statement_print(const json_t *result)
{
	static const char *const verbs[] = {"added", "replaced", "removed"};
	const json_t *text;
	size_t i;

	if (!json_flag(result, "changed"))
		print_line("no change: it is there already");
	for (size_t v = 0; v < ARRAY_SIZE(verbs); v++)
		json_array_foreach (json_object_get(result, verbs[v]), i, text)
			print_line("%s: %s", verbs[v], json_string_value(text));
}

/* Tells what is new from what takes another's place, which only --replace may. */
static int add(struct context *context, struct anybind_ruleset *ruleset,
	       const struct anybind_ruleset *delta, const char **ret_verb)
{
	bool replace = context->options.replace;
	int r;

	r = anybind_ruleset_add(ruleset, delta, false, replace ? NULL : context->report);
	*ret_verb = "added";
	if (r >= 0 || !replace)
		return r;
	*ret_verb = "replaced";
	return anybind_ruleset_add(ruleset, delta, true, context->report);
}

int statement_add(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_ruleset_ struct anybind_ruleset *delta = NULL, *ruleset = NULL;
	const char *verb;
	bool loaded;
	int r, changed;

	r = statement_parse(context, context->command->name, &delta);
	if (r < 0)
		return r;
	r = context_begin(context, &anybind);
	if (r < 0)
		return r;
	r = context_rules(context, anybind, &ruleset, &loaded);
	if (r < 0)
		return r;
	changed = add(context, ruleset, delta, &verb);
	if (changed < 0)
		return changed;
	if (changed || !loaded) {
		r = anybind_commit(anybind, ruleset, context->options.force ? ANYBIND_FORCE : 0,
				   context->report);
		if (r < 0)
			return r;
	}
	context->output.result = statement_result(context, changed, verb, delta);
	return 0;
}
