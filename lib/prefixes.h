/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sets of prefixes with an action each, and the hash lines that hold them. */
#ifndef ANYBIND_PREFIXES_H
#define ANYBIND_PREFIXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

/* Host order, host bits zero. IPv4: hi is 0, the address is in lo's lower half. */
struct entry {
	uint64_t hi, lo;
	uint32_t action;
	uint8_t len;
	bool more; /* longer prefixes exist that a search finds by way of this one */
};

struct entries {
	struct entry *v;
	size_t n, cap;
};

int entries_add(struct entries *entries, const struct entry *entry);

/* By address, then length: a prefix right before those inside it. */
void entries_sort(struct entries *entries);

/* The mask of a prefix length; for IPv4 in *ret_lo. */
void prefix_mask(bool v6, unsigned int len, __u64 *ret_hi, __u64 *ret_lo);

/*
 * A prefix, or a mask, as lines have it: *ret_hi and *ret_lo from host order
 * (as in struct entry) to what abi.h says of keys.
 */
void prefix_key(bool v6, uint64_t hi, uint64_t lo, __u64 *ret_hi, __u64 *ret_lo);

/* Does @outer hold @inner (or equal it)? */
bool entry_covers(bool v6, const struct entry *outer, const struct entry *inner);

/*
 * Joins halves of a prefix that have the same action into that prefix, as long
 * as there are any. @entries are sorted before and after.
 */
int entries_join(bool v6, struct entries *entries);

/*
 * Chooses the tree of prefix lengths for @entries (sorted) and adds the
 * markers that it needs, each with the action of the longest prefix that holds
 * it, else @fallback.
 */
int entries_plan(bool v6, struct entries *entries, uint32_t fallback, struct family_params *params);

/* All lines of a table; those of one set after those of another. */
struct lines {
	uint8_t (*v)[64];
	size_t n, cap;
};

/*
 * Appends lines with @entries, where no search needs more than PROBES_MAX.
 * -E2BIG: no multiplier spreads them well enough.
 */
int lines_add(struct lines *lines, bool v6, const struct entries *entries, uint32_t *ret_line0,
	      uint32_t *ret_lines, __u64 *ret_mul);

#endif
