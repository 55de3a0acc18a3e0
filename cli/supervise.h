/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A program and all that it starts: begun, signalled and waited for. */
#ifndef ANYBIND_CLI_SUPERVISE_H
#define ANYBIND_CLI_SUPERVISE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct family {
	pid_t main;	 /* 0: it has ended */
	int wait_status; /* its, then */
	int signals;	 /* signalfd */
	sigset_t mask;	 /* as the program gets it */
	struct sigaction on_child;
	int *inherited; /* descriptors that are the program's alone */
	size_t n_inherited;
};

/* How the program is started, besides its words. */
struct start {
	char *const *argv; /* ends with NULL; the first is looked for in PATH */
	int netns;	   /* to enter, or -1 */
	const char *const (*environment)[2]; /* names and values to set; a NULL name ends them */
};

/*
 * To be called before anything else is opened: what is open then, beyond the
 * standard descriptors, goes to the program and is closed here when it has
 * started, so that nothing lives longer than the program wants.
 */
int family_prepare(struct family *ret);
void family_release(struct family *family);

/*
 * Starts the program and returns when it runs. Its orphans become children of
 * the caller. Standard input goes to the program alone, and output unless
 * @keep_output. Negative errno: it does not run.
 */
int family_start(struct family *family, const struct start *start, bool keep_output);

/*
 * Passes on what signals have come, and buries who has died. False: all are
 * gone. To be called when ->signals is readable.
 */
bool family_serve(struct family *family);

/* Why the program ignores LD_PRELOAD, as far as the kernel tells; NULL: it does not. */
const char *family_ignores_preload(const struct family *family);

#endif
