/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Where a thread runs, and before whom. */
#ifndef ANYBIND_BENCH_FLOOD_THREAD_H
#define ANYBIND_BENCH_FLOOD_THREAD_H

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

/* Floods, servers and clients go before whatever else the machine does; rules change as usual. */
#define NICE_FIRST (-20)
#define NICE_USUAL 0

static inline int pin_thread(unsigned int cpu, int nice)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0 || setpriority(PRIO_PROCESS, 0, nice) < 0)
		return -errno;
	return 0;
}

#endif
