/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Puts other rules in force again and again, by a thread of its own. */
#ifndef ANYBIND_BENCH_FLOOD_CHANGER_H
#define ANYBIND_BENCH_FLOOD_CHANGER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "anybind.h"

struct changer {
	struct anybind *anybind;
	const struct anybind_ruleset *rulesets[2]; /* in turn */
	unsigned int changes, cpu;

	atomic_bool done;
	unsigned int made;
	double seconds; /* for all that were made */
	int error;
	pthread_t thread;
};

/* What is not set by then is to be zero. */
int changer_start(struct changer *changer);
/* Waits for the last change; returns what went wrong, or 0. */
int changer_wait(struct changer *changer);

#endif
