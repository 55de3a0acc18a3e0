/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Guard rails: what a change would do that its author may not have meant. */
#ifndef ANYBIND_GUARD_H
#define ANYBIND_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anybind.h"
#include "netns.h"

/* Where both differ at most: ->n_before rules of the one, ->n_after of the other. */
struct span {
	size_t begin, n_before, n_after;
};

/*
 * Looks at the step from @before (NULL: no dispatcher) to @after, whose devices
 * are resolved, in @ns. Warns on @report of
 *  - listeners of programs that lose traffic, but those with @registered_cookies,
 *  - bound prefixes that the kernel does not deliver locally,
 *  - UDP rules that take the replies to the host's own clients,
 * and of checks that were not possible. -EPERM: new connections like the
 * caller's ssh session would be taken, and not @force. -ENOMEM. Else 0.
 */
int guard_commit(const struct netns *ns, const struct anybind_ruleset *before,
		 const struct anybind_ruleset *after, const uint64_t *registered_cookies,
		 size_t n_cookies, bool force, struct anybind_report *report);

/* The same for a change that is known to be within @span. */
int guard_commit_span(const struct netns *ns, const struct anybind_ruleset *before,
		      const struct anybind_ruleset *after, const struct span *span,
		      const uint64_t *registered_cookies, size_t n_cookies, bool force,
		      struct anybind_report *report);

#endif
