// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_memory.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "flood_thread.h"

#define PERIOD_NS 5000000
#define TIMEOUT_MS 10000

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void pause_ns(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

double memory_used(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long kib;
	char line[128];
	double mib = -ENODATA;

	if (!file)
		return -errno;
	while (mib < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmallocUsed: %lu kB", &kib) == 1)
			mib = kib / 1024.0;
	fclose(file);
	return mib;
}

double memory_wait(double mib)
{
	double start = now_ms(), ms = 0;

	while (memory_used() > mib && ms < TIMEOUT_MS) {
		pause_ns(PERIOD_NS / 10);
		ms = now_ms() - start;
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
