/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A few lines of a table changed, the table itself not. Pure. */
#ifndef ANYBIND_OVERLAY_H
#define ANYBIND_OVERLAY_H

#include "prefixes.h"

/* Of one prefix and its markers, each of which may push others on. */
#define OVERLAY_MAX ((DEPTH_MAX + 1ul) * PROBES_MAX)

struct overlay {
	bool v6;
	const uint8_t (*old)[64]; /* the family's lines */
	uint32_t n;
	uint64_t mul;
	struct overlay_line {
		uint64_t v[8];
		uint32_t at;
	} lines[OVERLAY_MAX];
	size_t n_lines;
};

/* Is there an entry, or a marker, for just @entry's prefix? *ret_action is its action. */
bool overlay_find(const struct overlay *overlay, const struct entry *entry, uint32_t *ret_action);

/* Gives @entry's prefix its action. False: no room. */
bool overlay_put(struct overlay *overlay, const struct entry *entry);

/*
 * Has searches for longer prefixes go on at @entry's prefix, which keeps the
 * action that it has, and gets @entry's where it is new. False: no room.
 */
bool overlay_mark(struct overlay *overlay, const struct entry *entry);

#endif
