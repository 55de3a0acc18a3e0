// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * timed FILE COMMAND...: runs the command and writes to FILE, as JSON, what it
 * took. Small on purpose: the kernel keeps the peak memory of a process over
 * exec(2), so a command started by a large process would count as large.
 */
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double clock_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
	return t.tv_sec + t.tv_usec / 1e6;
}

int main(int argc, char *argv[])
{
	struct rusage usage;
	double start, took;
	int status, r;
	pid_t pid;
	FILE *out;

	if (argc < 3) {
		fprintf(stderr, "usage: timed FILE COMMAND...\n");
		return 2;
	}
	start = clock_seconds();
	r = posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ);
	if (r) {
		fprintf(stderr, "timed: %s: %s\n", argv[2], strerror(r));
		return 1;
	}
	if (wait4(pid, &status, 0, &usage) < 0) {
		fprintf(stderr, "timed: wait: %s\n", strerror(errno));
		return 1;
	}
	took = clock_seconds() - start;
	out = fopen(argv[1], "w");
	if (!out) {
		fprintf(stderr, "timed: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	fprintf(out, "{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"peak_bytes\": %lld}\n", took,
		seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss * 1024ll);
	if (fclose(out)) {
		fprintf(stderr, "timed: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
