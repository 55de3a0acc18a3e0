/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sets of ports as ranges. Pure. */
#ifndef ANYBIND_PORTS_H
#define ANYBIND_PORTS_H

#include <stddef.h>
#include <stdint.h>

struct port_range {
	uint16_t lo, hi; /* host order, inclusive */
};

/* What the lists of one statement can come to: an item takes two bytes or more. */
#define PORTS_MAX 2050

/* Ranges in ascending order that neither touch nor overlap. */
struct ports {
	size_t n;
	struct port_range ranges[PORTS_MAX];
};

/* Why a list was refused: the item, and -EINVAL, -ERANGE (no port) or -EDOM (hi < lo). */
struct ports_error {
	const char *item;
	size_t len;
};

/*
 * Reads "443", "8000-8999", "any", "0" (any) or a comma list of these; touching
 * and overlapping ranges become one. -E2BIG: more than PORTS_MAX.
 */
int ports_read(const char *word, size_t len, struct ports *ret, struct ports_error *ret_error);

/* The ports of @from that are not in @except. -E2BIG. */
int ports_subtract(const struct ports *from, const struct ports *except, struct ports *ret);

/*
 * The words for @n ranges, ascending and without touching ones: a list, or
 * `any except LIST` where that has fewer items or a list would be misread.
 */
#define PORTS_TEXT_MAX(n) ((size_t)12 * ((n) + 1) + sizeof("any except "))
const char *ports_text(const struct port_range *ranges, size_t n, char *buf);

#endif
