// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_watch.h"

#include <sched.h>
#include <time.h>

#include "flood_thread.h"

#define PERIOD_NS 1000000

static void *watch_cpu(void *arg)
{
	struct sched_param param = { .sched_priority = 50 };
	struct watch *watch = arg;
	struct timespec next, now;

	pin_thread(watch->cpu, NICE_FIRST);
	sched_setscheduler(0, SCHED_FIFO, &param);
	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!atomic_load(&watch->stop)) {
		double late;

		next.tv_nsec += PERIOD_NS;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		late = (now.tv_sec - next.tv_sec) * 1e3 + (now.tv_nsec - next.tv_nsec) / 1e6;
		if (late > watch->late_ms)
			watch->late_ms = late;
		/* What was slept through is not to be made up for. */
		if (late > 1)
			next = now;
	}
	return NULL;
}

int watch_start(struct watch *watch, unsigned int cpu)
{
	watch->cpu = cpu;
	watch->late_ms = 0;
	atomic_init(&watch->stop, false);
	return -pthread_create(&watch->thread, NULL, watch_cpu, watch);
}

void watch_stop(struct watch *watch)
{
	atomic_store(&watch->stop, true);
	pthread_join(watch->thread, NULL);
}
