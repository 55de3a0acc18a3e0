/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The change that the guard rails look at. Only guard*.c and change.c use this. */
#ifndef ANYBIND_CHANGE_H
#define ANYBIND_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guard.h"
#include "netns.h"
#include "ruleset.h"
#include "winner.h"

struct change {
	const struct netns *ns;
	const struct anybind_ruleset *before; /* NULL: no rules */
	const struct anybind_ruleset *after;
	const uint64_t *cookies; /* of registered sockets */
	size_t n_cookies;
	struct anybind_report *report;
	/* Ascending indices in after->rules of bind and drop rules that are new. */
	uint32_t *taking;
	size_t n_taking;
};

/* Fills in ->taking, of rules in @span, which is to be freed. -ENOMEM. */
int change_find_taking(struct change *c, const struct span *span);

/* Did @before take the packet already? packet->dev is one of @after's. */
bool change_took_before(const struct change *c, const struct packet *packet);

/* Does rule @index decide about the packet, and did none take it before? */
bool change_newly_takes(const struct change *c, size_t index, const struct packet *packet);

/* The checks; each warns, and returns a negative errno where it was not possible. */
int guard_listeners(const struct change *c);
int guard_prefixes(const struct change *c);
int guard_clients(const struct change *c);

#endif
