/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The program at listen(2) and its link to a cgroup. */
#ifndef ANYBIND_KERNEL_FOLLOW_H
#define ANYBIND_KERNEL_FOLLOW_H

#include <stdint.h>

#include "kernel.h"

/*
 * Loads the program of one follow, with @state as its map's first value and
 * the namespace's maps. Nothing runs yet. Failures are reported: -EPERM,
 * -ENOTSUP (kernel too old, or without BTF).
 */
int kernel_follow_load(const struct follow_state *state, const struct kernel_maps *maps,
		       int *ret_program, int *ret_map, struct anybind_report *report);

/* A link that runs @program for the sockets of a cgroup, until all of it is closed. */
int kernel_follow_attach(int program, int cgroup);

/* The cgroup of a link; 0: it is gone. -EUCLEAN: it is no such link. */
int kernel_follow_cgroup(int link, uint64_t *ret_id);

/* The value of a follow's map, copied. -EUCLEAN: it is none, or of another layout. */
int kernel_follow_state(int map, struct follow_state *ret);

#endif
