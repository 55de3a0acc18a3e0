/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Where a flood goes, and the rules that cover it. */
#ifndef ANYBIND_BENCH_FLOOD_PLACES_H
#define ANYBIND_BENCH_FLOOD_PLACES_H

#include "rules.h"

#define FLOOD_PORT 443

enum place_kind {
	PLACE_ONE,   /* one address */
	PLACE_NET,   /* the first addresses of a prefix, which one rule covers */
	PLACE_PORTS, /* the same at all ports */
	PLACE_HOSTS, /* random hosts, a rule for each */
	PLACE_MIXED, /* rules of many kinds, each as often as any other */
};

struct place {
	const char *name; /* for people and for --only */
	enum place_kind kind;
	unsigned int bits4, bits6; /* of the prefix of PLACE_NET and PLACE_PORTS */
	size_t n;		   /* addresses; of PLACE_HOSTS and PLACE_MIXED: rules */
};

/* A place for one family and one protocol. */
struct setting {
	struct host_rules rules;     /* for LPM; none for PLACE_MIXED */
	struct host_rules addresses; /* destinations */
	char *text;		     /* rules for anybind */
	size_t text_size;
	unsigned int services; /* s0 … in @text */
	uint32_t drawn;	       /* destinations that a flood repeats: a power of two */
};
#define SETTING_NONE ((struct setting){ 0 })

int setting_new(struct setting *ret, const struct place *place, bool v6, bool tcp);
void setting_free(struct setting *setting);

/* Draws .drawn destinations, uniformly. */
void setting_draw(const struct setting *setting, union destinations *to);

#endif
