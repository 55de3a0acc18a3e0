// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "context.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "help.h"
#include "input.h"
#include "word.h"

int context_usage(struct context *context, const char *format, ...)
{
	_cleanup_free_ char *text = NULL, *usage = NULL;
	va_list ap;
	int n;

	if (context->usage)
		return -EINVAL;
	context->usage = true;
	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	usage = help_usage(context->command);
	return output_error(&context->output, -EINVAL, usage, "%s", text);
}

int context_open(struct context *context, struct anybind **ret_anybind)
{
	const char *bpffs = getenv(CONTEXT_BPFFS);
	struct anybind_options options = {
		.size = sizeof(options),
		.netns = context->options.netns,
		.bpffs = bpffs && *bpffs ? bpffs : NULL,
	};

	return anybind_open(ret_anybind, &options, context->report);
}

int context_begin(struct context *context, struct anybind **ret_anybind)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	int r;

	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = anybind_begin(anybind, context->report);
	if (r < 0)
		return r;
	*ret_anybind = take_ptr(anybind);
	return 0;
}

int context_rules(struct context *context, struct anybind *anybind,
		  struct anybind_ruleset **ret_ruleset, bool *ret_loaded)
{
	/* A report of its own: that nothing is loaded is no error here. */
	_cleanup_report_ struct anybind_report *report = anybind_report_new();
	int r;

	if (!report)
		out_of_memory();
	r = anybind_rules(anybind, ret_ruleset, report);
	if (r == -ENOENT) {
		*ret_loaded = false;
		return anybind_ruleset_new(ret_ruleset);
	}
	output_report(&context->output, report);
	if (r < 0)
		return r;
	*ret_loaded = true;
	return 0;
}

int context_read_rules(struct context *context, struct anybind_ruleset **ret_ruleset)
{
	const char *file = context->argv[0];
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = input_read(file, &text, &size, &context->output);
	if (r < 0)
		return r;
	return anybind_ruleset_parse(ret_ruleset, text, size, input_name(file), context->report);
}

int context_cookie(struct context *context, uint64_t *ret)
{
	const char *word = context->options.cookie;

	*ret = 0;
	if (!word || word_cookie(word, ret) == 0)
		return 0;
	return context_usage(context,
			     "--cookie: \"%s\" is no socket cookie, such as 4711 or 0x1267", word);
}

json_t *context_result(const struct context *context)
{
	json_t *result = must(json_object());

	json_put(result, "namespace", json_text(context->options.netns));
	return result;
}

json_t *context_changed(const struct context *context, bool changed)
{
	json_t *result = context_result(context);

	json_put(result, "changed", json_boolean(changed));
	return result;
}

void print_namespace(const char *before, const json_t *result)
{
	const char *name = json_member(result, "namespace");

	if (name)
		print_line("%s namespace %s", before, name);
	else
		print_line("%s this namespace", before);
}
