/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Rules gathered into the statements that say them. Pure. */
#ifndef ANYBIND_GROUP_H
#define ANYBIND_GROUP_H

#include "ports.h"
#include "ruleset.h"

/* Ranges in one statement: such a line is always shorter than STATEMENT_MAX. */
#define GROUP_PORTS_MAX 256

/* Rules that differ in ports, protocol and, for any destination, family only. */
struct group {
	uint32_t rule;	/* index of the first */
	uint32_t ports; /* index of the first range in ->ports */
	uint32_t n_ports;
	bool tcp, udp;
	bool any;  /* 0.0.0.0/0 and ::/0 */
	bool gone; /* went into another one */
};

/* Kept from one use to the next, as most have one rule only. */
struct groups {
	const struct rule *rules;
	struct group *groups;
	struct port_range *ports;
	uint32_t *order;
	size_t n, cap;
	size_t n_ports, cap_ports;
	size_t cap_order;
};

void groups_done(struct groups *groups);

/*
 * Makes the groups of @rules[begin] to [end - 1], which are all those of one
 * destination prefix, in place of the ones there were. -ENOMEM.
 */
int groups_make(struct groups *groups, const struct rule *rules, size_t begin, size_t end);

/* Moves groups of @v6 that @v4 has, too, to it as .any. -ENOMEM. */
int groups_merge_families(struct groups *v4, struct groups *v6);

#endif
