// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Writes the completion for bash from the rows that the program itself uses.
 * A build tool, to standard output.
 *
 * The script matches words itself: `compgen -W` would expand what it is given,
 * and names of namespaces and interfaces are not ours to run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static const char start[] =
	"# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only\n"
	"# Generated from the program's own tables.\n"
	"# shellcheck shell=bash\n"
	"\n"
	"_anybind()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal command= word i\n"
	"\tlocal -a options words\n"
	"\n"
	"\tCOMPREPLY=()\n";

static const char end[] = "\n"
			  "\t[[ $cur == -* ]] && words=(\"${options[@]}\")\n"
			  "\tfor word in \"${words[@]}\"; do\n"
			  "\t\t[[ $word == \"$cur\"* ]] && COMPREPLY+=(\"$word\")\n"
			  "\tdone\n"
			  "}\n"
			  "\n"
			  "complete -F _anybind anybind\n";

static void put_options(const struct option_row *row)
{
	for (; row && row->name; row++) {
		if (row->letter)
			printf(" -%c", row->letter);
		printf(" --%s", row->name);
	}
}

/* As patterns of case; @suffix follows each. */
static void put_names(const struct option_row *row, const char *suffix)
{
	if (row->letter)
		printf("-%c%s|", row->letter, suffix);
	printf("--%s%s", row->name, suffix);
}

/* Finds the command among the words before the cursor. */
static void put_command_search(void)
{
	const char *separator = "";

	fputs("\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${COMP_WORDS[i]} in\n\t\t",
	      stdout);
	for (const struct option_row *row = option_globals; row->name; row++) {
		if (row->type == OPTION_FLAG)
			continue;
		fputs(separator, stdout);
		put_names(row, "");
		separator = "|";
	}
	fputs(") ((i++)) ;;\n"
	      "\t\t-*) ;;\n"
	      "\t\t*)\n"
	      "\t\t\tcommand=${COMP_WORDS[i]}\n"
	      "\t\t\tbreak\n"
	      "\t\t\t;;\n"
	      "\t\tesac\n"
	      "\tdone\n\n",
	      stdout);
}

/* Adds the last parts of the paths that a pattern finds. */
static void put_paths(const char *pattern)
{
	printf("\t\tfor word in %s; do\n"
	       "\t\t\t[[ -e $word ]] && words+=(\"${word##*/}\")\n"
	       "\t\tdone\n",
	       pattern);
}

static void put_files(void)
{
	fputs("\t\tcompopt -o filenames 2>/dev/null\n"
	      "\t\tmapfile -t words < <(compgen -f -- \"$cur\")\n",
	      stdout);
}

/* What follows an option that takes a value. */
static void put_values(const struct option_row *row)
{
	for (; row && row->name; row++) {
		if (row->type == OPTION_FLAG)
			continue;
		fputc('\t', stdout);
		put_names(row, ":*");
		fputs(")\n", stdout);
		if (!strcmp(row->metavar, "NETNS"))
			put_paths("/run/netns/*");
		else if (!strcmp(row->metavar, "PID"))
			put_paths("/proc/[0-9]*");
		else if (!strcmp(row->metavar, "FILE") || !strcmp(row->metavar, "PATH"))
			put_files();
		fputs("\t\t;;\n", stdout);
	}
}

/* The words of a row's ->complete but those in capitals. */
static void put_words(const char *words)
{
	bool any = false;

	while (words && *words) {
		size_t len = strcspn(words, " ");

		if (*words < 'A' || *words > 'Z') {
			printf("%s %.*s", any ? "" : "\t\twords=(", (int)len, words);
			any = true;
		}
		words += len;
		words += strspn(words, " ");
	}
	if (any)
		fputs(" )\n", stdout);
}

static void put_command(const struct command *command)
{
	if (!command->options && !command->complete)
		return;
	printf("\t*:%s)\n", command->name);
	if (command->options) {
		fputs("\t\toptions+=(", stdout);
		put_options(command->options);
		fputs(" )\n", stdout);
	}
	put_words(command->complete);
	if (command->complete && strstr(command->complete, COMPLETE_FILES))
		put_files();
	fputs("\t\t;;\n", stdout);
}

/* Rules name interfaces behind the word dev. */
static void put_device_commands(void)
{
	const char *separator = "";

	fputc('\t', stdout);
	for (size_t i = 0; commands[i]; i++) {
		if (!commands[i]->complete || !strstr(commands[i]->complete, COMPLETE_DEVICE))
			continue;
		printf("%sdev:%s", separator, commands[i]->name);
		separator = "|";
	}
	fputs(")\n", stdout);
	put_paths("/sys/class/net/*");
	fputs("\t\t;;\n", stdout);
}

int main(void)
{
	fputs(start, stdout);
	put_command_search();
	fputs("\toptions=(", stdout);
	put_options(option_globals);
	fputs(" )\n\tcase $prev:$command in\n", stdout);
	put_values(option_globals);
	for (size_t i = 0; commands[i]; i++)
		put_values(commands[i]->options);
	put_device_commands();
	fputs("\t*:)\n\t\twords=(", stdout);
	for (size_t i = 0; commands[i]; i++)
		printf(" %s", commands[i]->name);
	fputs(" )\n\t\t;;\n", stdout);
	for (size_t i = 0; commands[i]; i++)
		put_command(commands[i]);
	fputs("\tesac\n", stdout);
	fputs(end, stdout);
	return fflush(stdout) || ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
