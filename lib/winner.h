/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which rule decides about a packet: ruleset_match() in logarithmic time. Pure. */
#ifndef ANYBIND_WINNER_H
#define ANYBIND_WINNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ruleset.h"

struct packet {
	uint8_t dst[16], src[16]; /* as in struct rule */
	uint8_t family;		  /* 4 or 6 */
	uint8_t proto;
	uint16_t port; /* destination, host order */
	uint16_t dev;  /* as in struct rule; 0: none of the ruleset's */
};

/* Index of the rule, or -1: none matches. */
ssize_t winner_find(const struct anybind_ruleset *rs, const struct packet *packet);

/* Is it a rule that keeps the packet from the normal lookup? */
bool winner_takes(const struct anybind_ruleset *rs, const struct packet *packet);

/*
 * Calls @fn with the index of every rule whose destination prefix holds @dst,
 * of that family and protocol, longest prefix first, until it returns false.
 */
void winner_each_covering(const struct anybind_ruleset *rs, uint8_t family, uint8_t proto,
			  const uint8_t dst[16], bool (*fn)(size_t index, void *data), void *data);

#endif
