/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "world.h"

static char home[4096]; /* the folder of where this process was */
static char top[64];

static const char *folder_of(const char *name)
{
	static char folder[256];

	snprintf(folder, sizeof(folder), CGROUPS "/%s%s%s", top, name ? "/" : "", name ? name : "");
	return folder;
}

static void move_to(const char *folder)
{
	char path[4200];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		fail_msg("cannot move to %s: %s", folder, strerror(errno));
}

static void find_home(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[4000];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, "0::", 3)) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(home, sizeof(home), CGROUPS "%s", line + 3);
		}
	fclose(file);
	assert_true(*home);
}

/* All but the one above them. */
static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	return type == FTW_DP && ftw->level && rmdir(path) < 0 ? -1 : 0;
}

void cgroups_clear(void)
{
	cgroups_enter(NULL);
	assert_int_equal(nftw(folder_of(NULL), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static pid_t owner;

static void remove_all(void)
{
	if (getpid() != owner)
		return;
	cgroups_enter(NULL);
	nftw(folder_of(NULL), remove_one, 16, FTW_DEPTH | FTW_PHYS);
	rmdir(folder_of(NULL));
}

void cgroups_mount(void)
{
	assert_int_equal(mkdir(CGROUPS, 0755), 0);
	assert_int_equal(mount("none", CGROUPS, "cgroup2", 0, NULL), 0);
	owner = getpid();
	snprintf(top, sizeof(top), "anybind-test-%d", owner);
	find_home();
	assert_int_equal(mkdir(folder_of(NULL), 0755), 0);
	atexit(remove_all);
}

const char *cgroups_make(const char *name)
{
	const char *folder = folder_of(name);

	assert_int_equal(mkdir(folder, 0755), 0);
	return folder;
}

const char *cgroups_path(const char *name)
{
	return folder_of(name) + strlen(CGROUPS);
}

void cgroups_remove(const char *name)
{
	assert_int_equal(rmdir(folder_of(name)), 0);
}

void cgroups_enter(const char *name)
{
	move_to(name ? folder_of(name) : home);
}

int cgroups_socket(const char *name, int protocol, const char *endpoint, unsigned int flags)
{
	int fd;

	cgroups_enter(name);
	fd = world_socket(protocol, endpoint, flags);
	cgroups_enter(NULL);
	return fd;
}
