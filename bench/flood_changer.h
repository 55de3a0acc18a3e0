/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Changes the rules in force again and again, by a thread of its own. */
#ifndef ANYBIND_BENCH_FLOOD_CHANGER_H
#define ANYBIND_BENCH_FLOOD_CHANGER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "anybind.h"

struct changer {
	struct anybind *anybind;
	struct anybind_ruleset *rulesets[2]; /* the first is in force; then in turn, */
	struct anybind_ruleset *delta;	     /* unless this is added and taken out again */
	unsigned int changes, cpu;
	double level_mib; /* used with one generation, and a little more; 0: cannot be told */

	atomic_bool done;
	unsigned int made;
	double seconds;	 /* for all that were made */
	double freed_ms; /* the longest that it took to be there again after one of the last */
	int error;
	pthread_t thread;
};

/* What is not set by then is to be zero. */
int changer_start(struct changer *changer);
/* Waits for the last change; returns what went wrong, or 0. */
int changer_wait(struct changer *changer);

#endif
