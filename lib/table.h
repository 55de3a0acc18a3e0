/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Reading a table image, be it fresh from compile.c or back from the kernel. Pure. */
#ifndef ANYBIND_TABLE_H
#define ANYBIND_TABLE_H

#include <stdbool.h>

#include "abi.h"
#include "ruleset.h"

/* What a table is to be loaded of, be it compiled or patched. */
struct image {
	size_t size;
	const struct table_params *params;
	/* As compile_write(). */
	void (*write)(const void *data, uint64_t generation, uint64_t changed, void *image);
	const void *data;
};

struct table {
	const struct table_header *header;
	size_t size; /* of the memory at header */
};

/*
 * Checks that an image of at most @size bytes is one that this version can
 * read, whatever bytes it holds. -ENOTSUP: another layout. -EUCLEAN: damaged.
 */
int table_open(struct table *ret, const void *image, size_t size, struct anybind_report *report);

/* Does the image say that it is larger than @size? */
bool table_is_cut(const void *image, size_t size);

/*
 * The arrays of the ruleset that the table was compiled from, in place: not
 * checked, to be read only, not to be freed, and gone with the image.
 */
struct anybind_ruleset table_view(const struct table *table);

/* Reports that what the table says of its rules cannot be; -EUCLEAN. */
int table_damaged(struct anybind_report *report);

/* The same, checked as a whole. */
int table_checked(const struct table *table, struct anybind_ruleset *ret,
		  struct anybind_report *report);

/* The ruleset that the table was compiled from; a copy, checked. */
int table_ruleset(const struct table *table, struct anybind_ruleset **ret,
		  struct anybind_report *report);

/*
 * The verdict word for a packet. Addresses as in struct rule; @port in host
 * order; @ifindex 0: none.
 */
uint32_t table_lookup(const struct table *table, uint8_t family, uint8_t proto,
		      const uint8_t dst[16], uint16_t port, const uint8_t src[16],
		      uint32_t ifindex);

/* The verdict word of the service that stands in for service @id, or 0. */
uint32_t table_fallback(const struct table *table, uint32_t id);

/* Bytes that lookups may read, and bytes of the rules kept beside them. */
size_t table_lookup_bytes(const struct table *table);
size_t table_rules_bytes(const struct table *table);

#endif
