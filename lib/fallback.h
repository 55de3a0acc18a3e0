/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which service stands in for which. In a sealed ruleset nobody comes back to
 * himself, no chain has more than FALLBACKS_MAX steps, and nobody falls back to
 * a service called FALLBACK_NONE. Pure.
 */
#ifndef ANYBIND_FALLBACK_H
#define ANYBIND_FALLBACK_H

#include "ruleset.h"

/* The word of the language for no fallback. */
#define FALLBACK_NONE "none"

/* The name of the fallback of service @i, or NULL. */
const char *fallback_name(const struct anybind_ruleset *rs, size_t i);

/* Do both, which may be of different rulesets, do the same without a socket? */
bool fallback_same_policy(const struct anybind_ruleset *a, size_t i,
			  const struct anybind_ruleset *b, size_t j);

/* "missing drop" or "missing pass fallback sorry", for messages. */
#define POLICY_TEXT_MAX (ANYBIND_NAME_MAX + 32)
const char *fallback_policy_text(const struct anybind_ruleset *rs, size_t i,
				 char buf[POLICY_TEXT_MAX]);

/* Whatever the records hold, but for names, which must be sound. */
bool fallbacks_are_valid(const struct anybind_ruleset *rs);

/*
 * The same of sound indices, with each circle and each chain that is too long
 * reported. @lines: where each service was declared, 0 unknown. -EINVAL.
 */
int fallbacks_check(const struct anybind_ruleset *rs, const uint32_t *lines, const char *source,
		    struct anybind_report *report);

#endif
