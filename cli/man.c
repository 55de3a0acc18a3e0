// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Writes a manual page in mdoc from the rows that the program itself uses.
 * A build tool: `man anybind` or `man anybind-COMMAND`, to standard output.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "commands.h"
#include "context.h"
#include "help.h"

#define MAN_DATE "November 22, 2026"
#define MAN_COLUMNS 72

/* ---- text ---- */

/* Where the line being written stands. */
struct filler {
	size_t column; /* 0: at its start */
	bool keep;     /* what comes next touches what was written last */
};

static void end_line(struct filler *filler)
{
	if (filler->column)
		putchar('\n');
	filler->column = 0;
}

/* A piece of text, safe for roff. */
static void put_escaped(const char *text, size_t len, bool line_start)
{
	if (line_start && len && (*text == '.' || *text == '\''))
		fputs("\\&", stdout);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\')
			fputs("\\e", stdout);
		else if (text[i] == '-')
			fputs("\\-", stdout);
		else if (text[i] == '"')
			fputs("\\(dq", stdout);
		else
			putchar(text[i]);
	}
}

/* One argument of a macro: never taken for a macro or a delimiter itself. */
static void put_argument(const char *text, size_t len)
{
	bool blanks = memchr(text, ' ', len);

	putchar(' ');
	if (blanks)
		putchar('"');
	fputs("\\&", stdout);
	put_escaped(text, len, false);
	if (blanks)
		putchar('"');
}

static const char *macro_of(const char *quoted, size_t len)
{
	if (quoted[0] == '-')
		return "Fl";
	if (quoted[0] == '/')
		return "Pa";
	if (len > 8 && !strncmp(quoted, "ANYBIND_", 8))
		return "Ev";
	if (len == strlen("anybind") && !strncmp(quoted, "anybind", len))
		return "Nm";
	return "Cm";
}

/* `…` at @text with the punctuation around it, as a macro; returns its length. */
static size_t put_quoted(struct filler *filler, const char *text)
{
	bool open = *text == '(';
	const char *start = text + open + 1, *end = strchrnul(start, '`'), *behind;
	const char *macro = macro_of(start, end - start);
	bool option = !strcmp(macro, "Fl");

	end_line(filler);
	printf(".%s%s", macro, open ? " (" : "");
	put_argument(start + option, end - start - option);
	behind = *end ? end + 1 : end;
	for (; *behind && strchr(".,:;)", *behind); behind++)
		printf(" %c", *behind);
	putchar('\n');
	return behind - text;
}

/* A reference such as "ip-netns(8)," as a macro; returns its length, 0 if it is none. */
static size_t put_reference(struct filler *filler, const char *text)
{
	const char *start = text + (*text == '('), *end = start;

	while (isalnum((unsigned char)*end) || (*end && strchr("-_.", *end)))
		end++;
	if (end == start || end[0] != '(' || !isdigit((unsigned char)end[1]) || end[2] != ')')
		return 0;
	end_line(filler);
	printf(".Xr %s%.*s %c", start > text ? "( " : "", (int)(end - start), start, end[1]);
	for (end += 3; *end && strchr(".,:;)", *end); end++)
		printf(" %c", *end);
	putchar('\n');
	return end - text;
}

static void put_word(struct filler *filler, const char *word, size_t len)
{
	bool start = !filler->column;

	if (!start && filler->column + 1 + len > MAN_COLUMNS) {
		end_line(filler);
		start = true;
	} else if (!start) {
		putchar(' ');
		filler->column++;
	}
	put_escaped(word, len, start);
	filler->column += len;
	/* Each sentence on a line of its own, so that roff knows where it ends. */
	if (strchr(".?:", word[len - 1]))
		end_line(filler);
}

static void put_filled(const char *text)
{
	struct filler filler = {0};

	text += strspn(text, " \n");
	while (*text) {
		size_t len = put_reference(&filler, text);

		if (!len && (text[0] == '`' || (text[0] == '(' && text[1] == '`')))
			len = put_quoted(&filler, text);
		if (!len) {
			len = strcspn(text, " \n");
			put_word(&filler, text, len);
		}
		text += len;
		text += strspn(text, " \n");
	}
	end_line(&filler);
}

/* Line by line, without the four blanks that mark it. */
static void put_kept(const char *text)
{
	puts(".Bd -literal -offset indent");
	while (*text) {
		size_t len = strcspn(text, "\n"), blanks = strspn(text, " ");
		size_t skip = blanks < 4 ? blanks : 4;

		put_escaped(text + skip, len - skip, true);
		putchar('\n');
		text += len + (text[len] == '\n');
	}
	puts(".Ed");
}

static void put_paragraphs(const char *text)
{
	char *paragraph;

	for (bool first = true; (paragraph = help_paragraph(&text)); first = false) {
		bool kept = !strncmp(paragraph, "    ", 4);

		if (!first && !kept)
			puts(".Pp");
		if (kept)
			put_kept(paragraph);
		else
			put_filled(paragraph);
		free(paragraph);
	}
}

/* ---- rows ---- */

/* A form of arguments: brackets and bars as such, words as what they are. */
static void put_form(const char *form)
{
	while (*form) {
		size_t len =
			*form == '[' || *form == ']' || *form == '|' ? 1 : strcspn(form, " []|");

		if (*form == '[') {
			puts(".Oo");
		} else if (*form == ']') {
			puts(".Oc");
		} else if (*form == '|') {
			puts("|");
		} else if (*form == '-') {
			fputs(".Fl", stdout);
			if (len > 1)
				put_argument(form + 1, len - 1);
			putchar('\n');
		} else {
			fputs(isupper((unsigned char)*form) || *form == '.' ? ".Ar" : ".Cm",
			      stdout);
			put_argument(form, len);
			putchar('\n');
		}
		form += len;
		form += strspn(form, " ");
	}
}

static void put_words(const struct word_row *word)
{
	if (!word)
		return;
	puts(".Pp\nThe words are:\n.Bl -tag -width Ds");
	for (; word->word; word++) {
		fputs(isupper((unsigned char)*word->word) ? ".It Ar" : ".It Cm", stdout);
		put_argument(word->word, strlen(word->word));
		putchar('\n');
		put_filled(word->help);
	}
	puts(".El");
}

static void put_options(const char *intro, const struct option_row *row)
{
	if (!row)
		return;
	printf(".Pp\n%s\n.Bl -tag -width Ds\n", intro);
	for (; row->name; row++) {
		fputs(".It", stdout);
		if (row->letter)
			printf(" Fl %c ,", row->letter);
		printf(" Fl \\-%s", row->name);
		if (row->metavar)
			printf(" Ar %s", row->metavar);
		putchar('\n');
		put_filled(row->help);
	}
	puts(".El");
}

static void put_examples(const struct example_row *example)
{
	puts(".Sh EXAMPLES");
	for (bool first = true; example->line; example++, first = false) {
		if (!first)
			puts(".Pp");
		put_filled(example->help);
		fputs(".Dl", stdout);
		put_argument(example->line, strlen(example->line));
		putchar('\n');
	}
}

/* ---- pages ---- */

static void put_head(const char *name, const char *summary)
{
	puts(".\\\" SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only");
	puts(".\\\" Generated from the program's own tables.");
	printf(".Dd %s\n.Dt ", MAN_DATE);
	for (const char *c = name; *c; c++)
		putchar(toupper((unsigned char)*c));
	printf(" 8\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n.Sh SYNOPSIS\n", name, summary);
}

static void put_environment(void)
{
	puts(".Sh ENVIRONMENT\n.Bl -tag -width Ds");
	puts(".It Ev " CONTEXT_BPFFS);
	put_filled("A mounted bpffs to keep the dispatchers' state in, instead of "
		   "`" ANYBIND_BPFFS "`.");
	puts(".It Ev " CONTEXT_PRELOAD);
	put_filled("The library that `anybind run` preloads, instead of the one that was "
		   "installed.");
	puts(".It Ev NO_COLOR");
	put_filled("If set and not empty, text is not emphasised. It never is where the output is "
		   "no terminal.");
	puts(".El");
}

static void put_files(void)
{
	puts(".Sh FILES\n.Bl -tag -width Ds");
	puts(".It Pa " ANYBIND_BPFFS);
	put_filled("Holds the dispatchers' state: pins of objects in the kernel. It is mounted if "
		   "it is missing. `anybind status` names the folder of a namespace.");
	puts(".It Pa /run/netns");
	put_filled("The names of network namespaces; see ip-netns(8).");
	puts(".El");
}

static void put_exit_status(void)
{
	static const char *const rows[][2] = {
		{"0", "Done, or there was nothing to do."},
		{"1", "Failed; the message says why."},
		{"2", "The command line is wrong, or a statement given on it."},
	};

	puts(".Sh EXIT STATUS\n.Bl -tag -width Ds");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		printf(".It %s\n", rows[i][0]);
		put_filled(rows[i][1]);
	}
	puts(".El");
}

static void put_json(void)
{
	puts(".Ss JSON");
	put_paragraphs(
		"With `--json` all that a command has to say is one document on standard output: "
		"an object with the member `version`, which is 1 and grows only if the meaning of "
		"members changes; new members may be added at any time. Commands that write have "
		"`changed`, which is false where there was nothing to do.\n\n"
		"Warnings are in the list `warnings`. After a failure there is a list `errors`, "
		"and `error` is the first of them. Each is an object with `message`, `hint`, "
		"`code` (an errno name such as ENOENT), `source` and `line`; what does not apply "
		"is null. With `--verbose` there is also `detail`.");
}

static int by_name(const void *a, const void *b)
{
	const struct command *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void put_see_also(void)
{
	const struct command *sorted[64] = {0};
	size_t n = 0;

	for (; commands[n] && n < ARRAY_SIZE(sorted); n++)
		sorted[n] = commands[n];
	qsort(sorted, n, sizeof(sorted[0]), by_name);
	puts(".Sh SEE ALSO\n.Xr libanybind 3 ,\n.Xr anybind-policy 5 ,\n.Xr anybind-rules 5 ,\n"
	     ".Xr anybind-sockets 7 ,\n.Xr anybind-systemd 7 ,");
	for (size_t i = 0; i < n; i++)
		printf(".Xr anybind-%s 8 ,\n", sorted[i]->name);
	puts(".Xr ip-netns 8");
}

static void put_program(void)
{
	const char *group = "";

	put_head(program.name, program.summary);
	puts(".Nm\n.Op Ar OPTIONS\n.Ar COMMAND ...\n.Sh DESCRIPTION");
	put_paragraphs(program.description);
	put_options("Options stand before or behind the command; an argument of two dashes ends "
		    "them.\nThese are common to all commands:",
		    option_globals);
	for (size_t i = 0; commands[i]; i++) {
		if (strcmp(group, commands[i]->group))
			printf("%s.Ss %s\n.Bl -tag -width Ds\n", *group ? ".El\n" : "",
			       commands[i]->group);
		group = commands[i]->group;
		printf(".It Xr anybind-%s 8\n", commands[i]->name);
		printf("%c", toupper((unsigned char)commands[i]->summary[0]));
		put_filled(commands[i]->summary + 1);
	}
	puts(".El");
	put_json();
	put_environment();
	put_files();
	put_exit_status();
	put_examples(program.examples);
	put_see_also();
}

static void put_command(const struct command *command)
{
	_cleanup_free_ char *name = NULL;
	char *form;

	if (asprintf(&name, "%s-%s", program.name, command->name) < 0)
		out_of_memory();
	put_head(name, command->summary);
	for (size_t i = 0; (form = help_form(command, i)); i++) {
		printf(".Nm %s\n.Op Ar OPTIONS\n.Cm %s\n", program.name, command->name);
		put_form(form);
		free(form);
	}
	puts(".Sh DESCRIPTION");
	put_paragraphs(command->description);
	put_words(command->words);
	put_options("The options are:", command->options);
	puts(".Pp\nThe options common to all commands are in\n.Xr anybind 8 .");
	puts(".Sh EXIT STATUS\nSee\n.Xr anybind 8 .");
	put_examples(command->examples);
	puts(".Sh SEE ALSO");
	if (!strcmp(command->group, cmd_apply.group))
		puts(".Xr anybind-rules 5 ,");
	puts(".Xr anybind 8");
}

int main(int argc, char *argv[])
{
	const char *name = argc == 2 ? argv[1] : "";
	const struct command *command = NULL;

	if (!strcmp(name, program.name)) {
		put_program();
	} else {
		if (!strncmp(name, "anybind-", 8))
			command = command_find(name + 8);
		if (!command) {
			fprintf(stderr, "no manual page \"%s\"\n", name);
			return EXIT_FAILURE;
		}
		put_command(command);
	}
	return fflush(stdout) || ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
