/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Random rule sets and packets that are likely to meet them. Reproducible by seed. */
#ifndef TESTS_RANDOM_RULES_H
#define TESTS_RANDOM_RULES_H

#include "ruleset.h"

/* Services s0 to s3, devices d0 to d2. */
#define RANDOM_SERVICES 4
#define RANDOM_DEVICES 3

struct random {
	uint64_t state;
};

uint64_t random_next(struct random *random);
/* 0 to n - 1. */
unsigned int random_below(struct random *random, unsigned int n);

/*
 * Services, some with fallbacks, and at most @n statements: nested prefixes of
 * both families, overlapping port ranges, sources, devices, all verdicts. Conflicting ones are left out. The
 * caller frees; ids are 0 to 3, ifindexes 11, 12 and none.
 */
struct anybind_ruleset *random_ruleset(struct random *random, unsigned int n);

struct packet {
	uint8_t family, proto;
	uint8_t dst[16], src[16];
	uint16_t port;
	uint16_t dev; /* as in struct rule */
	uint32_t ifindex;
};

/* In or just beside some rule's match. */
void random_packet(struct random *random, const struct anybind_ruleset *rs, struct packet *ret);

/* The verdict word that the plain reference gives. */
uint32_t reference_verdict(const struct anybind_ruleset *rs, const struct packet *packet);

#endif
