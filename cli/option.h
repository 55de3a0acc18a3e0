/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Options of the command line: rows say how they are read, explained and completed. */
#ifndef ANYBIND_CLI_OPTION_H
#define ANYBIND_CLI_OPTION_H

#include <stdbool.h>
#include <stddef.h>

struct option_numbers {
	int *values;
	size_t n;
};

struct option_texts {
	const char **values; /* the strings are argv's */
	size_t n;
};

/* All options, global ones and those of commands, as given. */
struct options {
	bool help, version, json, verbose;
	const char *netns;
	bool replace, force;
	int pid; /* 0: not given */
	struct option_numbers fds;
	bool listen_fds;
	const char *policy, *socket;
	const char *pidfile, *cookie;
	bool listening;
	bool ipv4, ipv6;
	bool add;
	const char *weight; /* a number */
	const char *cgroup, *unit;
	int wait; /* seconds; 0: not given */
	struct option_texts binds, only;
};

enum option_type {
	OPTION_FLAG,	/* bool */
	OPTION_TEXT,	/* const char *, not empty */
	OPTION_NUMBER,	/* int, from ->min up */
	OPTION_NUMBERS, /* struct option_numbers; the option may be repeated */
	OPTION_TEXTS,	/* struct option_texts, none empty; the option may be repeated */
};

struct option_row {
	const char *name; /* long name without "--"; NULL ends the rows */
	char letter;	  /* short name, or 0 */
	enum option_type type;
	const char *metavar; /* of all but flags */
	const char *help;
	size_t offset; /* of the member of struct options */
	int min;
};

#define OPTION(member) offsetof(struct options, member)

/* The options of every command. */
extern const struct option_row option_globals[];

/*
 * Reads the option at argv[*index], with its value, and moves *index to the
 * last argument used. Rows are looked for in both of @tables, NULL ones are
 * empty. On failure *ret_error says what is wrong; to be freed.
 * -EINVAL, -ENOMEM.
 */
int option_read(struct options *options, const struct option_row *const tables[2], int argc,
		char *argv[], int *index, char **ret_error);

void options_release(struct options *options);

#endif
