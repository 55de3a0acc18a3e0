/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef ANYBIND_BENCH_FLOOD_CLOCK_H
#define ANYBIND_BENCH_FLOOD_CLOCK_H

#include <time.h>

/* Of CLOCK_MONOTONIC. */
static inline double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

#endif
