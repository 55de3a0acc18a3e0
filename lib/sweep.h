/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A cgroup's sockets that are there already, into the windows of a follow. */
#ifndef ANYBIND_SWEEP_H
#define ANYBIND_SWEEP_H

#include "facts.h"
#include "members.h"

/*
 * TCP listeners and unconnected UDP sockets of @ns that @follow is about, by the
 * cgroup they were made in. UDP ports of the range for clients count only with
 * an address. @ret is to be freed. Failures are reported.
 */
int sweep_find(const struct netns *ns, const struct follow_state *follow, struct listener **ret,
	       size_t *ret_n, struct anybind_report *report);

struct sweep {
	const struct netns *ns;
	const struct registry *registry;
	struct pool *pool;
	const struct follow_state *follow;
	bool by_descriptor; /* of the process that holds it: needs the rights to debug that */
};

/*
 * Registers those of @found that are not in the windows yet. What the kernel
 * does not take is warned of; what has gone meanwhile is left out.
 */
int sweep_insert(const struct sweep *sweep, const struct listener *found, size_t n,
		 struct anybind_report *report);

/* Must TCP sockets go .by_descriptor, as the kernel does not let them be walked? */
bool sweep_needs_descriptors(void);

#endif
