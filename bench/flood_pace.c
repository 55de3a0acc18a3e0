// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_pace.h"

#include <errno.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "flood_thread.h"

/* More requests than can be under way: the end. */
#define STOP (1u << 30)

static void *flood(void *arg)
{
	struct pace *pace = arg;
	eventfd_t n;
	double ns;

	pace->error = pin_thread(pace->cpu, NICE_FIRST);
	if (!pace->error && setns(pace->netns, CLONE_NEWNET) < 0)
		pace->error = -errno;
	while (eventfd_read(pace->requests, &n) == 0 && n < STOP) {
		if (pace->error)
			continue;
		pace->error = injector_run(pace->injector, pace->ifindex, FLOOD_SHARE * n, false,
					   &ns);
		pace->packets += FLOOD_SHARE * n;
	}
	return NULL;
}

int pace_start(struct pace *pace, struct injector *injector, const struct worlds *worlds,
	       enum world world, unsigned int cpu)
{
	int r;

	*pace = (struct pace){ .injector = injector,
			       .netns = worlds->netns[world],
			       .ifindex = worlds->ifindex[world],
			       .cpu = cpu,
			       .requests = eventfd(0, EFD_CLOEXEC) };
	if (pace->requests < 0)
		return -errno;
	r = pthread_create(&pace->thread, NULL, flood, pace);
	if (r)
		close(pace->requests);
	return -r;
}

void pace_step(struct pace *pace, unsigned int n)
{
	eventfd_write(pace->requests, n);
}

int pace_stop(struct pace *pace)
{
	eventfd_write(pace->requests, STOP);
	pthread_join(pace->thread, NULL);
	close(pace->requests);
	return pace->error;
}
