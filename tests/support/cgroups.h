/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Cgroups of a test's own, below one that is removed at its end. Whatever here
 * fails fails the test.
 */
#ifndef ANYBIND_TESTS_CGROUPS_H
#define ANYBIND_TESTS_CGROUPS_H

/* Where the hierarchy is mounted for the test. */
#define CGROUPS "/run/cgroup"

/* Mounts the hierarchy; all of the test's cgroups go when the process exits. */
void cgroups_mount(void);

/* Makes the cgroup @name ("a", "a/b") and returns its folder: a buffer that is used again. */
const char *cgroups_make(const char *name);
/* Its path in the hierarchy; likewise. */
const char *cgroups_path(const char *name);
void cgroups_remove(const char *name);
/* Removes all of them. */
void cgroups_clear(void);

/* Moves this process there; NULL: back to where it came from. */
void cgroups_enter(const char *name);

/* world_socket() by a process of that cgroup. */
int cgroups_socket(const char *name, int protocol, const char *endpoint, unsigned int flags);

#endif
