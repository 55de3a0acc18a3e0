// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "flood_clock.h"
#include "flood_thread.h"

#define PERIOD_NS 5000000
#define TIMEOUT_MS 10000

/* Quiet is what changes by less than so much between so many looks in a row. */
#define QUIET_MIB 16
#define QUIET_LOOKS 5
#define QUIET_LOOKS_MAX 300
#define QUIET_NS 100000000

static void pause_ns(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

/* In MiB, or a negative errno. */
static double meminfo(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "re");
	size_t len = strlen(name);
	char line[128];
	double mib = -ENODATA;

	if (!file)
		return -errno;
	while (mib < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && line[len] == ':')
			mib = strtoul(line + len + 1, NULL, 10) / 1024.0;
	fclose(file);
	return mib;
}

double memory_used(void)
{
	return meminfo("VmallocUsed");
}

double memory_wait(double mib)
{
	double start = now_us(), ms = 0;

	while (memory_used() > mib && ms < TIMEOUT_MS) {
		pause_ns(PERIOD_NS / 10);
		ms = (now_us() - start) / 1e3;
	}
	return ms;
}

void memory_touch(size_t mib)
{
	size_t size = mib << 20;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory != MAP_FAILED)
		munmap(memory, size);
}

static void *look(void *arg)
{
	struct memory *memory = arg;

	pin_thread(memory->cpu, NICE_USUAL);
	while (!atomic_load(&memory->stop)) {
		double used = memory_used();

		if (used > memory->most)
			memory->most = used;
		pause_ns(PERIOD_NS);
	}
	return NULL;
}

int memory_start(struct memory *memory, unsigned int cpu)
{
	memory->cpu = cpu;
	memory->most = memory_used();
	if (memory->most < 0)
		return memory->most;
	atomic_init(&memory->stop, false);
	return -pthread_create(&memory->thread, NULL, look, memory);
}

void memory_stop(struct memory *memory)
{
	atomic_store(&memory->stop, true);
	pthread_join(memory->thread, NULL);
}

void wait_for_quiet(void)
{
	double before = meminfo("MemFree");

	for (int calm = 0, waits = 0; calm < QUIET_LOOKS && waits < QUIET_LOOKS_MAX; waits++) {
		double now;

		pause_ns(QUIET_NS);
		now = meminfo("MemFree");
		calm = fabs(now - before) < QUIET_MIB ? calm + 1 : 0;
		before = now;
	}
}
