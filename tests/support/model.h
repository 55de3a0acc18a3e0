/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The sockets of random_ruleset()'s services, and what the program has to do
 * with a verdict given what is in their slots: the plain statement of
 * bpf/dispatch.bpf.c's second half, for comparing.
 */
#ifndef ANYBIND_TESTS_MODEL_H
#define ANYBIND_TESTS_MODEL_H

#include "kernel.h"
#include "random_rules.h"
#include "world.h"

#define MODEL_SLOTS (4 * RANDOM_SERVICES)
/* Ports of the services' sockets start here. No random rule names one of them. */
#define MODEL_PORT 20001
#define MODEL_PORT_END (MODEL_PORT + 2 * MODEL_SLOTS)

/* MODEL_GOOD: an IPv4 socket or one of IPv6 that takes IPv4, too. */
enum model_content { MODEL_EMPTY, MODEL_GOOD, MODEL_V6ONLY };

struct model {
	int fds[MODEL_SLOTS][2]; /* good, IPv6 only (-1 in slots of IPv4) */
	enum model_content content[MODEL_SLOTS];
	struct counters counters[RANDOM_SERVICES]; /* what the program must have counted */
};

struct outcome {
	bool pass;
	uint64_t cookie; /* of the socket chosen, or 0 */
};

/* Makes the sockets, in the namespace of the caller. */
void model_open(struct model *model);
void model_close(struct model *model);

/* Fills the slots of the map @sockets; @holes: some stay empty, some get an IPv6-only one. */
void model_fill(struct model *model, int sockets, struct random *random, bool holes);

/* What becomes of a packet with that verdict word of @rs; counts it. */
struct outcome model_steer(struct model *model, const struct anybind_ruleset *rs, uint32_t verdict,
			   uint8_t family, uint8_t proto);

/* The program's counters are the model's. */
void model_assert_counters(const struct model *model, int counters);

#endif
