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

/* Negative errno where that cannot be told. */
double memory_used(void);
/* Waits until no more than @mib are used; returns after how many ms, or -ETIMEDOUT. */
double memory_wait(double mib);

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
