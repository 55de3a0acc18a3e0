/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A flood in step with the clients, by a thread of its own. */
#ifndef ANYBIND_BENCH_FLOOD_PACE_H
#define ANYBIND_BENCH_FLOOD_PACE_H

#include <pthread.h>

#include "flood_world.h"

/* Packets of the flood for each of a client: clients are 20 %. */
#define FLOOD_SHARE 4

struct pace {
	struct injector *injector;
	int netns;
	unsigned int ifindex, cpu;
	int requests; /* eventfd */
	int error;
	uint64_t packets; /* that were made */
	pthread_t thread;
};

/* The injector must have been aimed. */
int pace_start(struct pace *pace, struct injector *injector, const struct worlds *worlds,
	       enum world world, unsigned int cpu);
/* Clients are about to ask @n times. */
void pace_step(struct pace *pace, unsigned int n);
/* What went wrong meanwhile, or 0. */
int pace_stop(struct pace *pace);

#endif
