/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sk_lookup programs for a flood's setting, loaded and ready to be attached in turn. */
#ifndef ANYBIND_BENCH_FLOOD_PROGRAMS_H
#define ANYBIND_BENCH_FLOOD_PROGRAMS_H

#include "flood_places.h"
#include "flood_sockets.h"
#include "peers.h"

struct flood_peers {
	struct peers_bpf *skel;
	int pass, found, fixed, counted, any;
	int lpm; /* -1: left out */
};

/*
 * @targets: a socket for each service. LPM is left out where the setting has
 * no rules for it or more than @lpm_max.
 */
int flood_peers_load(struct flood_peers *ret, const struct setting *setting,
		     const struct flood_sockets *targets, size_t lpm_max);
void flood_peers_close(struct flood_peers *peers);

/*
 * The dispatcher, loaded by the library as for an operator, with socket i for
 * service i modulo @services, then detached: the program that is returned keeps
 * its table and its sockets. *ret_program: a descriptor.
 */
int flood_anybind_load(int *ret_program, const char *rules, size_t size, unsigned int services,
		       const struct flood_sockets *sockets, struct anybind_report *report);

#endif
