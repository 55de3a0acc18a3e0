/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* How flows spread over the sockets of one service, family and protocol. Pure. */
#ifndef ANYBIND_SPREAD_H
#define ANYBIND_SPREAD_H

#include <stddef.h>
#include <stdint.h>

/* The largest table; memory for 65,536 sockets with 64 places each. */
#define SPREAD_MAX (1u << 22)
#define SPREAD_WEIGHT_MAX 1000

struct spread_member {
	uint32_t slot;	 /* names the socket; each once */
	uint32_t weight; /* 0: no new flows */
};

/*
 * A table of a power of two of places, each holding a slot: a flow's hash picks
 * the place. Every member gets places in proportion to its weight, exactly but
 * for rounding. Of the @n_old places of @old (NULL: none) as many as can be
 * keep their member: one that joins takes its share from the others evenly and
 * moves nothing else, one that leaves gives up only its own. (That is the most
 * that consistent hashing can do, at the price that the table depends on its
 * history; rings and rendezvous hashing do not, but their shares vary.)
 *
 * *ret_table is to be freed; no member with a weight: NULL and 0. -ENOMEM.
 */
int spread_build(const uint32_t *old, size_t n_old, const struct spread_member *members, size_t n,
		 uint32_t **ret_table, size_t *ret_n);

#endif
