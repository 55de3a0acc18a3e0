// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_changer.h"

#include <errno.h>
#include <time.h>

#include "flood_thread.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *change(void *arg)
{
	struct changer *changer = arg;
	double start;

	changer->error = pin_thread(changer->cpu, NICE_USUAL);
	start = now();
	while (changer->made < changer->changes && !changer->error) {
		int r = anybind_commit(changer->anybind, changer->rulesets[changer->made % 2],
				       ANYBIND_FORCE, NULL);

		if (r < 0)
			changer->error = r;
		else
			changer->made++;
	}
	changer->seconds = now() - start;
	atomic_store(&changer->done, true);
	return NULL;
}

int changer_start(struct changer *changer)
{
	atomic_init(&changer->done, false);
	return -pthread_create(&changer->thread, NULL, change, changer);
}

int changer_wait(struct changer *changer)
{
	pthread_join(changer->thread, NULL);
	return changer->error;
}
