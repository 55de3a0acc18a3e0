/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One run of the program: what was asked for and what is to be said. */
#ifndef ANYBIND_CLI_CONTEXT_H
#define ANYBIND_CLI_CONTEXT_H

#include "anybind.h"
#include "cleanup.h"
#include "command.h"

/* Where the kernel's state is kept; the name of an environment variable. */
#define CONTEXT_BPFFS "ANYBIND_BPFFS"

/* The library that `anybind run` preloads, where it is not the installed one; likewise. */
#define CONTEXT_PRELOAD "ANYBIND_PRELOAD"

struct context {
	const struct command *command; /* NULL: none was named */
	struct options options;
	int argc; /* words behind the command */
	char **argv;
	struct anybind_report *report;
	struct output output;
	bool usage; /* the command line is at fault */
	/* How the program that the command ran has ended, as of wait(2); 0 without one. */
	int wait_status;
};

/* The command line is wrong: says so, with the usage. Only the first one counts. */
int context_usage(struct context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* anybind_open() as the options and the environment say. */
int context_open(struct context *context, struct anybind **ret_anybind);

/* The same, with anybind_begin(): the lock is held until the handle is closed. */
int context_begin(struct context *context, struct anybind **ret_anybind);

/* The rules in force; where no dispatcher is loaded none, and *ret_loaded is false. */
int context_rules(struct context *context, struct anybind *anybind,
		  struct anybind_ruleset **ret_ruleset, bool *ret_loaded);

/* The rules of the file that is the command's only word. */
int context_read_rules(struct context *context, struct anybind_ruleset **ret_ruleset);

/* What --cookie says; 0 where it is not given. */
int context_cookie(struct context *context, uint64_t *ret);

/* The start of a result: { "namespace": NAME or null }. */
json_t *context_result(const struct context *context);

/* The start of a writing command's result. */
json_t *context_changed(const struct context *context, bool changed);

/* A line that ends with the result's namespace, as it was named. */
void print_namespace(const char *before, const json_t *result);

static inline void anybind_closep(struct anybind **anybind)
{
	anybind_close(*anybind);
}

static inline void anybind_ruleset_freep(struct anybind_ruleset **ruleset)
{
	anybind_ruleset_free(*ruleset);
}

static inline void anybind_report_freep(struct anybind_report **report)
{
	anybind_report_free(*report);
}

#define _cleanup_anybind_ _cleanup_(anybind_closep)
#define _cleanup_ruleset_ _cleanup_(anybind_ruleset_freep)
#define _cleanup_report_ _cleanup_(anybind_report_freep)

#endif
