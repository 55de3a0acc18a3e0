/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One call of anybind_follow() or anybind_unfollow(); only for follow*.c. */
#ifndef ANYBIND_FOLLOWING_H
#define ANYBIND_FOLLOWING_H

#include "cgroup.h"
#include "dispatcher.h"
#include "follows.h"
#include "members.h"

struct following {
	struct anybind *anybind;
	const char *service;
	const struct anybind_follow_options *options;
	struct anybind_report *report;
	struct cgroup cgroup;
	struct current current;
	struct registry registry;
	struct pool pool;
	struct follow *others; /* of the service */
	size_t n_others;
	struct follow wanted;
};

/* Says that it failed with @code, which it returns. */
int following_failed(const struct following *f, int code);

/* ---- in follow_check.c; what they refuse is reported ---- */

/* What is wanted, all but the windows and the service's id. */
int following_describe(struct following *f);

/* Is it about sockets of this kind, an index in the windows? */
bool following_wants(const struct following *f, uint32_t kind);

/* Refuses what is there already and leaves open which of it is meant. */
int following_preview(struct following *f);

/* The follows of the service. One that this one could get in the way of is refused. */
int following_read_others(struct following *f);

/* That which is in force, if this is just to be done again; or NULL. */
const struct follow *following_find_same(const struct following *f);

#endif
