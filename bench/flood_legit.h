/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One packet in five is a real client's: how they fare beside a flood. */
#ifndef ANYBIND_BENCH_FLOOD_LEGIT_H
#define ANYBIND_BENCH_FLOOD_LEGIT_H

#include <stdatomic.h>

#include "anybind.h"
#include "flood_client.h"
#include "flood_competitors.h"
#include "flood_programs.h"

enum legit_how {
	LEGIT_ANY,     /* a socket on INADDR_ANY */
	LEGIT_TPROXY,  /* in a world of its own */
	LEGIT_LPM,     /* programs that are attached for each turn */
	LEGIT_ANYBIND,
	LEGIT_IN_FORCE, /* what the caller has put in force for .target */
};

/* Where and under what. */
struct legit_scene {
	const struct worlds *worlds;
	struct injector *injector;
	unsigned int cpu_server, cpu_clients; /* the flood comes to the server's */
	enum flood_kind kind;
	bool v6;
};

/* Who serves the clients. Do not move: parts point to others. */
struct legit {
	const char *name;
	enum legit_how how;
	enum world world;
	bool flooded;
	struct setting setting;
	struct flood_sockets target; /* one; of LEGIT_ANY none */
	struct flood_peers peers;
	int program; /* of LPM and anybind, else -1 */
	struct client client;
	uint64_t astray; /* came to the socket on INADDR_ANY that no rule names */
};

int legit_new(struct legit *ret, const struct legit_scene *scene, const struct place *place,
	      enum legit_how how, struct anybind_report *report);
void legit_free(struct legit *legit);

/*
 * Has clients ask @batches times or, where @until is not NULL, until that is
 * true; but no longer once they get no answer.
 */
int legit_turn(struct legit *legit, const struct legit_scene *scene, unsigned int batches,
	       const atomic_bool *until);
/* Hands over what the clients have found, to be freed, and begins anew. */
int legit_take_client(struct legit *legit, const struct legit_scene *scene, struct client *ret);

#endif
