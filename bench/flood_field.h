/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* All that competes at one place, for one family and one protocol. */
#ifndef ANYBIND_BENCH_FLOOD_FIELD_H
#define ANYBIND_BENCH_FLOOD_FIELD_H

#include "anybind.h"
#include "flood_competitors.h"
#include "flood_programs.h"

#define COMPETITORS_MAX 16

struct field {
	struct setting setting;
	struct flood_sockets targets;  /* a socket for each service */
	struct flood_sockets thousand; /* of one service */
	struct flood_peers peers;
	int anybind, anybind_thousand; /* programs; -1: none */

	struct competitor reference;
	struct competitor competitors[COMPETITORS_MAX];
	unsigned int n;
};

struct field_options {
	size_t lpm_max;	   /* rules up to which the LPM design takes part */
	uint32_t warm_max; /* at most so many packets before a block */
};

/* In the caller's namespace, WORLD_MAIN. Large: what field_free() frees takes time to go. */
int field_new(struct field **ret, const struct place *place, bool v6, bool tcp,
	      const struct field_options *options, struct anybind_report *report);
void field_free(struct field *field);

#endif
