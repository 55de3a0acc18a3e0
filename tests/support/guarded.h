/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Two namespaces, and changes of rules in them for the guard rails to look at. */
#ifndef ANYBIND_TESTS_GUARDED_H
#define ANYBIND_TESTS_GUARDED_H

#include "guard.h"
#include "netns.h"
#include "ruleset.h"
#include "world.h"

/*
 * The own one, with v0 (down), and "blue" with 192.0.2.1/24 on v0, 192.0.2.99
 * on lo and local 198.51.100.0/24 and 2001:db8:1::/48.
 */
extern struct netns own, blue;

/* After world_enter(). */
void guarded_setup(void);

/* Parsed, with devices resolved in @ns. */
struct anybind_ruleset *guarded_rules(const struct netns *ns, const char *text);

/* @before NULL: no dispatcher. Must give @code; the report is the caller's. */
struct anybind_report *guarded_commit(const struct netns *ns, const char *before, const char *after,
				      bool force, int code);

/* No message at all. */
void expect_quiet(const struct netns *ns, const char *before, const char *after);

/* Exactly one, a warning that holds @text and has @hint (NULL: any) in its hint. */
void expect_warning(const struct netns *ns, const char *before, const char *after, const char *text,
		    const char *hint);

#endif
