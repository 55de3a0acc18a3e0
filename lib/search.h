/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The candidates that fit, and choosing among them. */
#ifndef ANYBIND_SEARCH_H
#define ANYBIND_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "candidate.h"

/* Lines of a list in a hint; the rest is counted. */
#define LISTED_MAX 10

/*
 * A process may hold thousands of sockets, so descriptors are kept only of the
 * first of each family and protocol and of what is in one reuseport group with
 * it: if there is a choice to make, no socket is needed, and if there is none,
 * it is these.
 */
struct search {
	struct candidate *found;
	size_t n, cap;
	size_t first[2][2]; /* 1 + index of the first found: [IPv6][UDP] */
};

void search_clear(struct search *s);

/* Takes *@fd where it is wanted. -ENOMEM. */
int search_add(struct search *s, const struct candidate *c, int *fd);

/*
 * What was found, one for each family and protocol; not for an empty search.
 * -ENOTUNIQ: several. Then the hint lists them, to be typed with @pid, or,
 * where @pid is 0, by their numbers. @who: "pid 812 (nginx) holds".
 */
int search_result(struct search *s, struct anybind_sockets **ret, pid_t pid, const char *who,
		  struct anybind_report *report);

#endif
