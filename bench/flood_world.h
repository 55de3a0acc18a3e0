/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Network namespaces under flood. They and all in them end with this process. */
#ifndef ANYBIND_BENCH_FLOOD_WORLD_H
#define ANYBIND_BENCH_FLOOD_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "flood_inject.h"

/*
 * MAIN	where all compete but TPROXY
 * TWIN	the same once more, to see what another namespace alone changes
 * TPROXY	its policy routing would slow the others' routing, even once removed
 */
enum world { WORLD_MAIN, WORLD_TWIN, WORLD_TPROXY, WORLDS };

struct worlds {
	int netns[WORLDS];
	unsigned int ifindex[WORLDS]; /* of the device that is flooded */
	int clients[WORLDS];	      /* namespaces at the other ends of their devices "lan" */
};

/* Of the clients' links, in each world and in its clients' namespace. */
#define LAN_SERVER4 "10.0.0.1"
#define LAN_CLIENT4 "10.0.0.2"
#define LAN_SERVER6 "fd00::1"
#define LAN_CLIENT6 "fd00::2"

/* Where TPROXY's socket listens. */
#define TPROXY_PORT 8443

/*
 * Makes them, in a mount namespace of its own with an empty bpffs, and leaves
 * the caller in MAIN. What the commands that it runs have to say goes to stderr.
 */
int worlds_new(struct worlds *ret, struct injector *injector);
int worlds_enter(const struct worlds *worlds, enum world world);

/* Of the caller's namespace alone. */
int set_syncookies(bool on);

#endif
