/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a public handle holds. */
#ifndef ANYBIND_DISPATCHER_H
#define ANYBIND_DISPATCHER_H

#include "netns.h"
#include "registry.h"
#include "state.h"

struct anybind {
	struct netns ns;
	struct state state;
	bool has_bpffs;	   /* else there can be no dispatcher yet */
	const char *bpffs; /* as the caller gave it, or NULL; a copy */
	unsigned int begun; /* depth of anybind_begin() */
};

/* The dispatcher in force. -ENOENT is reported, with the way out. */
int dispatcher_read(struct anybind *anybind, struct current *ret, struct anybind_report *report);

/* Frees what belongs to no service of @rs. */
void dispatcher_collect(const struct anybind *anybind, struct registry *registry,
			const struct anybind_ruleset *rs);

/* Reports why a service got no id, or the registry could not be read. */
int dispatcher_no_id(int code, struct anybind_report *report);

#endif
