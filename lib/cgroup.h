/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Control groups of version 2: the hierarchy, one of them, those below it. */
#ifndef ANYBIND_CGROUP_H
#define ANYBIND_CGROUP_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "anybind.h"

struct cgroup {
	int fd; /* -1 when closed */
	uint64_t id; /* never used again, whatever the path */
	char path[PATH_MAX]; /* in the hierarchy, as /proc/PID/cgroup shows it; "/": the root */
};
#define CGROUP_NONE ((struct cgroup){ .fd = -1 })

/*
 * @path: a folder of the cgroup v2 file system, or a cgroup's path in the
 * hierarchy ("/system.slice/nginx.service"). -ENOENT: there is none. -ENOTDIR,
 * -EINVAL: it is something else, such as a cgroup of version 1. -ENOTSUP: no
 * cgroup v2 hierarchy is mounted.
 */
int cgroup_open(struct cgroup *ret, const char *path, struct anybind_report *report);
void cgroup_close(struct cgroup *cgroup);

/* The id of the cgroup with this path in the hierarchy. -ENOENT. Reports nothing. */
int cgroup_id_of(const char *path, uint64_t *ret);

/*
 * Ids of the cgroup with this path and of all below it, sorted; to be freed.
 * What comes or goes meanwhile may be in it or not. Reports nothing.
 */
int cgroup_subtree(const char *path, uint64_t **ret_ids, size_t *ret_n);

/* Is @path (in the hierarchy) @top or below it? */
bool cgroup_is_below(const char *path, const char *top);

#endif
