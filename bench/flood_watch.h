/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Watches two CPUs: does one do nothing else for long? */
#ifndef ANYBIND_BENCH_FLOOD_WATCH_H
#define ANYBIND_BENCH_FLOOD_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/*
 * A thread of high priority that wants to run each millisecond. How late it is
 * at most is how long the CPU let nobody run; what a virtual machine's host
 * takes counts, too.
 */
struct watch {
	unsigned int cpu;
	atomic_bool stop;
	double late_ms; /* at most */
	pthread_t thread;
};

int watch_start(struct watch *watch, unsigned int cpu);
void watch_stop(struct watch *watch);

#endif
