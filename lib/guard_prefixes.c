/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Bound prefixes that are not local: their packets never come to a socket lookup. */
#include "change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "facts.h"
#include "text.h"

/* Prefixes that are warned of one by one. */
#define WARNED_MAX 5

/* Order by family and address, then shorter first: a prefix before those in it. */
static int compare_start(const struct prefix *p, const struct rule *rule)
{
	if (p->family != rule->family)
		return p->family - rule->family;
	return memcmp(p->addr, rule->dst, sizeof(p->addr));
}

/* Drops prefixes inside others, so that the rest, still sorted, are disjoint. */
static size_t keep_outermost(struct prefix *prefixes, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		const struct prefix *p = &prefixes[i];
		const struct prefix *last = kept ? &prefixes[kept - 1] : NULL;

		if (last && last->family == p->family && last->len <= p->len &&
		    prefix_equal(last->addr, p->addr, last->len))
			continue;
		prefixes[kept++] = *p;
	}
	return kept;
}

enum locality { ALL_LOCAL, PARTLY_LOCAL, NOT_LOCAL };

static enum locality locality_of(const struct rule *rule, const struct prefix *locals, size_t n)
{
	size_t lo = 0, hi = n;

	/* The first local prefix that starts behind the rule's. */
	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (compare_start(&locals[mid], rule) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo > 0) {
		const struct prefix *p = &locals[lo - 1];

		if (p->family == rule->family && p->len <= rule->dst_len &&
		    prefix_equal(p->addr, rule->dst, p->len))
			return ALL_LOCAL;
		/* Starts where the rule's does, and is longer. */
		if (!compare_start(p, rule))
			return PARTLY_LOCAL;
	}
	if (lo < n && locals[lo].family == rule->family &&
	    prefix_equal(locals[lo].addr, rule->dst, rule->dst_len))
		return PARTLY_LOCAL;
	return NOT_LOCAL;
}

/* What runs ip(8) in the namespace, as far as it has a name that can be typed. */
static void ip_command(const struct netns *ns, uint8_t family, char *buf, size_t size)
{
	const char *v6 = family == 6 ? " -6" : "";

	if (ns->own || !ns->name[0])
		snprintf(buf, size, "ip%s", v6);
	else if (!strncmp(ns->name, "pid:", 4))
		snprintf(buf, size, "nsenter -t %s -n ip%s", ns->name + 4, v6);
	else if (strchr(ns->name, '/'))
		snprintf(buf, size, "nsenter --net=%s ip%s", ns->name, v6);
	else
		snprintf(buf, size, "ip -n %s%s", ns->name, v6);
}

static void warn(const struct change *c, const struct rule *rule, enum locality locality)
{
	char prefix[PREFIX_TEXT_MAX], ip[320], hint[512];

	text_of_prefix(rule->family, rule->dst, rule->dst_len, prefix);
	ip_command(c->ns, rule->family, ip, sizeof(ip));
	if (locality == NOT_LOCAL) {
		snprintf(hint, sizeof(hint), "%s route add local %s dev lo", ip, prefix);
		report_warning(c->report, hint,
			       "%s is not local: what is sent to it reaches no socket here",
			       prefix);
		return;
	}
	/* Half a subnet made local by mistake cuts off the neighbours in it. */
	snprintf(hint, sizeof(hint), "If all of it is this host's: %s route add local %s dev lo",
		 ip, prefix);
	report_warning(c->report, hint,
		       "%s is only partly local: what is sent to the rest of it reaches no socket "
		       "here",
		       prefix);
}

int guard_prefixes(const struct change *c)
{
	_cleanup_free_ struct prefix *locals = NULL;
	const struct rule *last = NULL;
	size_t n_locals, n_warned = 0;
	int r;

	r = facts_local_prefixes(c->ns, &locals, &n_locals);
	if (r < 0)
		return r;
	n_locals = keep_outermost(locals, n_locals);
	for (size_t i = 0; i < c->n_taking; i++) {
		const struct rule *rule = &c->after->rules[c->taking[i]];
		enum locality locality;

		if (rule->action != ANYBIND_BIND || !rule->dst_len)
			continue;
		if (last && last->family == rule->family && last->dst_len == rule->dst_len &&
		    !memcmp(last->dst, rule->dst, sizeof(rule->dst)))
			continue;
		last = rule;
		locality = locality_of(rule, locals, n_locals);
		if (locality != ALL_LOCAL && n_warned++ < WARNED_MAX)
			warn(c, rule, locality);
	}
	if (n_warned > WARNED_MAX)
		report_warning(c->report, NULL, "and %zu more prefixes that are not local",
			       n_warned - WARNED_MAX);
	return 0;
}
