/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The folder in the bpffs that holds one namespace's state:
 *
 *	anybind/COOKIE/		0700; its flock is the write lock
 *		link		attaches the program; what it says is in force
 *		sockets		SOCKMAP, four slots a service
 *		counters	per service
 *		registry	service id -> name
 *		groups		slot -> group of a service of several sockets
 *		records		slot -> who registered its socket, and how
 *		windows		where a follow's sockets are
 *		sSLOT-ID	the group in that slot, whose map has that id
 *		fID/state	a follow, whose map has that id, and
 *		fID/link	what attaches its program to the cgroup
 *		gID/program	the generation whose program has that id,
 *		gID/table	its table and rules
 *
 * A generation is pinned before the link moves to it and taken away after the
 * link has left it, so the generation that the link names is always there.
 * Anything else that a killed writer left is cleared by the next.
 */
#ifndef ANYBIND_STATE_H
#define ANYBIND_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel.h"
#include "table.h"

struct state {
	char path[PATH_MAX - 64]; /* of the folder */
	int lock;		  /* -1: not held */
};

/* @bpffs: where it is mounted. Opens nothing yet. */
int state_init(struct state *state, const char *bpffs, uint64_t cookie,
	       struct anybind_report *report);

/*
 * Makes the folder, takes the lock (waiting) and clears what killed writers
 * left, here and in folders of namespaces that are gone.
 */
int state_lock(struct state *state, struct anybind_report *report);
/* Removes the folder if no dispatcher is in it. */
void state_unlock(struct state *state);

/* What is in force. All descriptors and the mapping are its own. */
struct current {
	int link;
	struct link_info info;
	struct generation generation;
	struct kernel_maps maps;
	void *image;
	size_t image_size;
	struct table table;
};
#define CURRENT_NONE                                              \
	((struct current){ .link = -1, .generation = GENERATION_NONE, \
			   .maps = KERNEL_MAPS_NONE })

/* -ENOENT: no dispatcher (nothing is reported). Needs no lock. */
int state_read(const struct state *state, struct current *ret, struct anybind_report *report);
void current_close(struct current *current);

/* Only the link, for those who must not mind how the rest is laid out. */
int state_open_link(const struct state *state, struct link_info *ret_info);

/*
 * First generation: pins the maps, attaches and pins the link. The lock must
 * be held. Where it fails nothing is attached.
 */
int state_create(const struct state *state, const struct kernel_maps *maps,
		 const struct generation *generation, int netns_fd,
		 struct anybind_report *report);

/* The commit point: from @current to @next. The lock must be held. */
int state_replace(const struct state *state, const struct current *current,
		  const struct generation *next, struct anybind_report *report);

/*
 * Groups are pinned before they go into their slot and unpinned (all that are in
 * no slot any more) afterwards, like generations.
 */
int state_pin_group(const struct state *state, uint32_t slot, int group);
int state_open_group(const struct state *state, uint32_t slot, uint32_t id);
void state_clear_groups(const struct state *state, int groups);

/*
 * Follows. One that has a state and no link is not in force: a writer that was
 * killed while it made or took it away left it, and whatever its windows are in
 * is to be undone. The lock must be held, but for reading.
 */
int state_prepare_follow(const struct state *state, int map, uint32_t *ret_id);
/* The commit point, and the one of taking it away. */
int state_commit_follow(const struct state *state, uint32_t id, int link);
void state_end_follow(const struct state *state, uint32_t id);
/* All that is left of it. */
void state_remove_follow(const struct state *state, uint32_t id);
/* *ret_link is -1 where it is not in force. -ENOENT: there is none, or no more. */
int state_open_follow(const struct state *state, uint32_t id, int *ret_map, int *ret_link);
/* Ids of all; to be freed. */
int state_list_follows(const struct state *state, uint32_t **ret_ids, size_t *ret_n);

/* Detaches and removes everything, of whatever layout. -ENOENT: no dispatcher. */
int state_remove(const struct state *state, struct anybind_report *report);

#endif
