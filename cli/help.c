// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define HELP_COLUMNS 80

const struct command program = {
	.name = "anybind",
	.arguments = "COMMAND ...",
	.summary = "steer TCP and UDP packets to sockets by rules",
	.description =
		"bind(2) can give a socket one address and one port. `anybind` steers packets to "
		"sockets by rules instead: a service answers on whole prefixes, on port ranges or "
		"on all ports, many services share a port on different prefixes, and nothing in "
		"the services changes.\n\n"
		"The kernel does the steering, in a BPF program (the sk_lookup hook) that belongs "
		"to a network namespace: the dispatcher. There is no daemon; rules stay in force "
		"until they are changed, the dispatcher is unloaded or the machine restarts.\n\n"
		"Rules name a service; a service owns sockets, which are registered for it. The "
		"rule with the longest destination prefix decides; among equals the one with the "
		"narrowest port range, then the longest source prefix, then one with an interface. "
		"A packet that no rule matches is looked up as if `anybind` were not there, and so "
		"are the packets of connections that exist already.\n\n"
		"A change takes effect in one step: every packet sees the old rules or the new "
		"ones.",
	.examples =
		(const struct example_row[]){
			{"anybind bind web tcp 192.0.2.0/24 80,443",
			 "Steer two ports of a whole prefix to the service web."},
			{"anybind register web --pid 812",
			 "Give it the sockets of a running server."},
			{"anybind explain tcp 198.51.100.7:40000 192.0.2.99:80",
			 "See where a packet goes, and why."},
			{"anybind rules > rules.conf; anybind apply rules.conf",
			 "Keep the rules in a file, and put them in force again."},
			{NULL},
		},
};

/* ---- usage ---- */

char *help_form(const struct command *command, size_t index)
{
	const char *start = command->arguments;
	char *form;

	for (; index; index--) {
		start = strchr(start, '\n');
		if (!start)
			return NULL;
		start++;
	}
	form = strndup(start, strchrnul(start, '\n') - start);
	if (!form)
		out_of_memory();
	return form;
}

char *help_usage(const struct command *command)
{
	_cleanup_free_ char *usage = NULL;
	char *form;
	size_t size;
	FILE *file = open_memstream(&usage, &size);

	if (!file)
		out_of_memory();
	for (size_t i = 0; (form = help_form(command ? command : &program, i)); i++) {
		fprintf(file, "%s anybind [OPTIONS] %s%s%s\n",
			i ? "      " : "Usage:", command ? command->name : "",
			command && *form ? " " : "", form);
		free(form);
	}
	if (command)
		fprintf(file, "Type `anybind %s --help` for more.", command->name);
	else
		fprintf(file, "Type `anybind --help` for the list of commands.");
	if (fclose(file))
		out_of_memory();
	return take_ptr(usage);
}

/* ---- help ---- */

char *help_paragraph(const char **text)
{
	const char *start = *text, *end;

	if (!start || !*start)
		return NULL;
	end = strstr(start, "\n\n");
	*text = end ? end + 2 : start + strlen(start);
	return end ? strndup(start, end - start) : strdup(start);
}

/*
 * A word, with what stands in backquotes in bold; that may span words. Without
 * bold the backquotes stay. Returns the columns taken.
 */
static size_t print_word(const char *word, size_t len, bool *quoted)
{
	bool bold = print_has_bold();
	size_t columns = 0;

	while (len) {
		const char *end = memchr(word, '`', len);
		size_t n = end ? (size_t)(end - word) : len;

		columns += (*quoted ? print_bold : print_text)("%.*s", (int)n, word);
		if (end) {
			*quoted = !*quoted;
			columns += bold ? 0 : print_text("`");
			n++;
		}
		word += n;
		len -= n;
	}
	return columns;
}

static size_t word_columns(const char *word, size_t len)
{
	bool bold = print_has_bold();
	size_t columns = 0;

	for (size_t i = 0; i < len; i++)
		columns += !(bold && word[i] == '`') && (word[i] & 0xc0) != 0x80;
	return columns;
}

/* Fills lines from column @indent, where the cursor is, and ends the last. */
static void print_filled(const char *text, size_t indent)
{
	size_t column = indent;
	bool quoted = false;

	while (*text) {
		size_t len = strcspn(text, " \n"), columns = word_columns(text, len);

		if (column > indent && column + 1 + columns > HELP_COLUMNS) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		column += print_word(text, len, &quoted);
		text += len;
		text += strspn(text, " \n");
	}
	putchar('\n');
}

static void print_description(const char *text)
{
	char *paragraph;

	while ((paragraph = help_paragraph(&text))) {
		putchar('\n');
		if (!strncmp(paragraph, "    ", 4))
			printf("%s\n", paragraph);
		else
			print_filled(paragraph, 0);
		free(paragraph);
	}
}

/* A term, and its explanation from column @width. */
static void print_term(const char *term, const char *help, size_t width)
{
	size_t columns;

	fputs("  ", stdout);
	columns = 2 + print_bold("%s", term);
	if (columns + 2 > width)
		printf("\n%*s", (int)width, "");
	else
		print_pad(columns, width);
	print_filled(help, width);
}

static void print_words(const struct word_row *words)
{
	if (!words)
		return;
	puts("\nWords:");
	for (; words->word; words++)
		print_term(words->word, words->help, 14);
}

static void print_options(const char *heading, const struct option_row *row)
{
	char term[64], letter[] = "-?, ";

	if (!row)
		return;
	printf("\n%s:\n", heading);
	for (; row->name; row++) {
		letter[1] = row->letter;
		snprintf(term, sizeof(term), "%s--%s%s%s", row->letter ? letter : "    ", row->name,
			 row->metavar ? " " : "", row->metavar ? row->metavar : "");
		print_term(term, row->help, 25);
	}
}

static void print_examples(const struct example_row *example)
{
	if (!example)
		return;
	puts("\nExamples:");
	for (; example->line; example++) {
		printf("  ");
		print_bold("%s", example->line);
		printf("\n      ");
		print_filled(example->help, 6);
	}
}

static void print_commands(void)
{
	const char *group = "";

	for (size_t i = 0; commands[i]; i++) {
		if (strcmp(group, commands[i]->group))
			printf("\n%s:\n", commands[i]->group);
		group = commands[i]->group;
		print_term(commands[i]->name, commands[i]->summary, 16);
	}
}

void help_print(const struct command *command)
{
	const struct command *subject = command ? command : &program;
	_cleanup_free_ char *usage = help_usage(command);

	/* Its last line says how to get here. */
	printf("%.*s\n", (int)(strrchr(usage, '\n') - usage), usage);
	print_description(subject->description);
	if (!command)
		print_commands();
	print_words(subject->words);
	print_options("Options", subject->options);
	print_options(command ? "Global options" : "Options", option_globals);
	print_examples(subject->examples);
	if (command)
		printf("\nSee also: anybind-%s(8), anybind(8).\n", command->name);
	else
		puts("\nType `anybind COMMAND --help` for one command, or see anybind(8).");
}
