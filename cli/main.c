// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "context.h"
#include "help.h"
#include "progress.h"

enum { EXIT_USAGE = 2 };

static void name_command(struct context *context, const char *name)
{
	const struct command *near;

	context->command = command_find(name);
	if (context->command)
		return;
	near = command_near(name);
	if (near)
		context_usage(context, "unknown command \"%s\"; did you mean %s?", name,
			      near->name);
	else
		context_usage(context, "unknown command \"%s\"", name);
}

/*
 * Reads all of the command line even where it is wrong, so that --help and
 * --json count wherever they stand. Words are gathered at the start of @argv.
 */
static void read_arguments(struct context *context, int argc, char *argv[])
{
	bool named = false, words_only = false;

	context->argv = argv;
	for (int i = 1; i < argc; i++) {
		const struct option_row *const tables[] = {
			option_globals, context->command ? context->command->options : NULL};
		_cleanup_free_ char *error = NULL;

		if (!words_only && !strcmp(argv[i], "--")) {
			words_only = true;
		} else if (!words_only && argv[i][0] == '-' && argv[i][1]) {
			if (option_read(&context->options, tables, argc, argv, &i, &error) < 0)
				context_usage(context, "%s", error ? error : "out of memory");
		} else if (!named) {
			named = true;
			name_command(context, argv[i]);
		} else {
			argv[context->argc++] = argv[i];
		}
	}
	context->output.json = context->options.json;
	context->output.verbose = context->options.verbose;
}

static int check_arguments(struct context *context)
{
	const struct command *command = context->command;

	if (context->usage)
		return -EINVAL;
	if (!command)
		return context_usage(context, "which command?");
	if ((unsigned int)context->argc < command->min_words)
		return context_usage(context, "%s: %s is missing", command->name,
				     command->words[context->argc].word);
	if ((unsigned int)context->argc > command->max_words)
		return context_usage(context, "%s: \"%s\" is too much", command->name,
				     context->argv[command->max_words]);
	return 0;
}

static int run_command(struct context *context)
{
	int r;

	context->report = anybind_report_new();
	if (!context->report)
		out_of_memory();
	if (!context->options.json)
		progress_start(context->report);
	r = context->command->run(context);
	progress_clear();
	output_report(&context->output, context->report);
	if (r < 0 && !json_array_size(context->output.errors))
		output_error(&context->output, r, NULL, "%s: %s", context->command->name,
			     strerror(-r));
	return r;
}

static int print_version(struct context *context)
{
	if (context->options.json) {
		context->output.result = must(json_object());
		json_put(context->output.result, "release", json_text(anybind_version()));
	} else {
		print_line("anybind %s", anybind_version());
	}
	return 0;
}

static int act(struct context *context)
{
	if (context->options.help) {
		help_print(context->command);
		return 0;
	}
	if (context->options.version)
		return print_version(context);
	if (check_arguments(context) < 0)
		return -EINVAL;
	return run_command(context);
}

/* As the program that was run has ended: with its status, or by the same signal. */
static int end_likewise(int wait_status)
{
	int number = WTERMSIG(wait_status);
	sigset_t set;

	if (WIFEXITED(wait_status))
		return WEXITSTATUS(wait_status);
	/* If there is a core, it is the program's. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){0});
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	return 128 + number; /* process 1 of a namespace is not killed so */
}

int main(int argc, char *argv[])
{
	struct context context = {0};
	int r, written;

	output_init(&context.output);
	read_arguments(&context, argc, argv);
	if (context.options.help || context.options.version) {
		/* Asked for help, not for a judgement. */
		context.usage = false;
		json_array_clear(context.output.errors);
		context.output.json = context.options.json && !context.options.help;
	}
	r = act(&context);
	written = output_finish(&context.output, context.command ? context.command->print : NULL);
	anybind_report_free(context.report);
	output_release(&context.output);
	options_release(&context.options);
	if (context.usage)
		return EXIT_USAGE;
	return r < 0 || written < 0 ? EXIT_FAILURE : end_likewise(context.wait_status);
}
