/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Random host rules, and what is made of them. All from one seed, so runs can be compared. */
#ifndef ANYBIND_BENCH_RULES_H
#define ANYBIND_BENCH_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ruleset.h"
#include "spread.h"

/* `bind sSERVICE PROTOCOL ADDRESS/BITS PORT` */
struct host_rule {
	uint32_t addr[4]; /* network order; IPv4 in the first */
	uint16_t port;	  /* host order; 0: any */
	uint16_t service;
};

struct host_rules {
	size_t n;
	bool v6;
	bool tcp;
	uint8_t bits; /* length of all prefixes */
	struct host_rule *v;
};

/*
 * @n rules for UDP and distinct random hosts outside 10/8, services in turn;
 * all for port 443 or, with @ports_differ, each for a random one.
 */
int host_rules_new(struct host_rules *ret, size_t n, bool v6, bool ports_differ);
void host_rules_free(struct host_rules *rules);

/* The same as text, to be freed. */
int host_rules_text(const struct host_rules *rules, char **ret, size_t *ret_size);

/* The same as a ruleset, parsed from text; service sN has id N. */
int host_rules_parse(const struct host_rules *rules, struct anybind_ruleset **ret,
		     struct anybind_report *report);

/* Fills @to with rules' destinations, drawn uniformly. @ports: of the services' sockets. */
void host_rules_draw(const struct host_rules *rules, const uint16_t ports[],
		     union destinations *to);

#endif
