/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The kernel's memory for large values of maps: VmallocUsed of /proc/meminfo, in
 * MiB. It is the whole machine's, which should do nothing else meanwhile.
 */
#ifndef ANYBIND_BENCH_FLOOD_MEMORY_H
#define ANYBIND_BENCH_FLOOD_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Negative errno where that cannot be told. */
double memory_used(void);
/* Waits until no more than @mib are used, 10 s at most; returns after how many ms. */
double memory_wait(double mib);

/*
 * Takes so much and gives it back, for those who take it next: a virtual machine
 * may have to get pages from its host, and give it back those that it has not used
 * for a while, which makes them ten times as slow.
 */
void memory_touch(size_t mib);

/* Waits until the kernel has freed what is large, at most half a minute. */
void wait_for_quiet(void);

/* A thread that looks every few milliseconds. */
struct memory {
	unsigned int cpu;
	atomic_bool stop;
	double most;
	pthread_t thread;
};

int memory_start(struct memory *memory, unsigned int cpu);
void memory_stop(struct memory *memory);

#endif
