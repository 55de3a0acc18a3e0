/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Rules as a large site may have them: prefixes of many lengths, ranges of ports, sources. */
#ifndef ANYBIND_BENCH_FLOOD_MIXED_H
#define ANYBIND_BENCH_FLOOD_MIXED_H

#include "rules.h"

#define MIXED_SERVICES 16

/*
 * @n rules of one family and protocol as text, and a destination within each:
 * of ten rules six are for hosts, two for /24 (/64), one for /20 (/48) and one
 * for /16 (/32), apart from a few /8 (/16); half with one port, a quarter with
 * a range, a quarter with all; each fifth only for half of the sources. What no
 * rule takes goes to s0. *ret: to be freed.
 */
int mixed_rules_new(char **ret, size_t *ret_size, struct host_rules *ret_destinations, size_t n,
		    bool v6, bool tcp);

#endif
