// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_changer.h"

#include <errno.h>

#include "flood_clock.h"
#include "flood_memory.h"
#include "flood_thread.h"

/* The last changes, after each of which it is waited until what was before is freed. */
#define WAIT_FOR 10

static int commit(struct changer *changer)
{
	bool even = changer->made % 2 == 0;

	if (changer->delta)
		return anybind_edit(changer->anybind, changer->delta,
				    even ? ANYBIND_ADD : ANYBIND_REMOVE, ANYBIND_FORCE, NULL);
	return anybind_commit(changer->anybind, changer->rulesets[even], ANYBIND_FORCE, NULL);
}

static int change_one(struct changer *changer)
{
	double start = now_us(), ms;
	int r = commit(changer);

	if (r < 0)
		return r;
	changer->seconds += (now_us() - start) / 1e6;
	changer->made++;
	if (!changer->level_mib || changer->made + WAIT_FOR <= changer->changes)
		return 0;
	ms = memory_wait(changer->level_mib);
	if (ms > changer->freed_ms)
		changer->freed_ms = ms;
	return 0;
}

static void *change(void *arg)
{
	struct changer *changer = arg;

	changer->error = pin_thread(changer->cpu, NICE_USUAL);
	while (changer->made < changer->changes && !changer->error)
		changer->error = change_one(changer);
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
