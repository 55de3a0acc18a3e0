/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * UDP rules on all the ports that the host's own clients use: a client that is
 * not connected, such as many resolvers, then loses its replies to the service.
 */
#include "change.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "facts.h"
#include "text.h"

#define WARNED_MAX 5
/* Addresses tried for one rule; others may be passed, and the rest are alike. */
#define TRIED_MAX 8
#define LO_IFINDEX 1

struct clients {
	/* Sorted. Of interfaces but lo, and loopback addresses. */
	struct address *addresses;
	size_t n;
	uint16_t lo, hi; /* their ports */
};

static int compare_addresses(const void *left, const void *right)
{
	const struct address *a = left, *b = right;

	if (a->family != b->family)
		return a->family - b->family;
	return memcmp(a->addr, b->addr, sizeof(a->addr));
}

static bool is_loopback(const struct address *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return a->family == 4 ? a->addr[0] == 127 : !memcmp(a->addr, one, sizeof(one));
}

/* Services' own addresses are often set on lo; clients do not use them. */
static size_t keep_clients(struct address *addresses, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (addresses[i].ifindex != LO_IFINDEX || is_loopback(&addresses[i]))
			addresses[kept++] = addresses[i];
	return kept;
}

static int find_clients(const struct netns *ns, struct clients *ret)
{
	struct clients c;
	int r;

	r = facts_port_range(ns, &c.lo, &c.hi);
	if (r < 0)
		return r;
	r = facts_addresses(ns, &c.addresses, &c.n);
	if (r < 0)
		return r;
	c.n = keep_clients(c.addresses, c.n);
	if (c.n)
		qsort(c.addresses, c.n, sizeof(*c.addresses), compare_addresses);
	*ret = c;
	return 0;
}

static bool takes_clients_of(const struct change *c, const struct clients *clients, size_t index,
			     const struct address *address)
{
	const struct rule *rule = &c->after->rules[index];
	struct packet p = {
		.family = rule->family,
		.proto = rule->proto,
		.port = clients->lo,
		.dev = rule->dev,
	};

	memcpy(p.dst, address->addr, sizeof(p.dst));
	memcpy(p.src, rule->src, sizeof(p.src));
	if (change_newly_takes(c, index, &p))
		return true;
	p.port = clients->hi;
	return change_newly_takes(c, index, &p);
}

/* An address in the rule's prefix whose clients lose replies, or NULL. */
static const struct address *find_victim(const struct change *c, const struct clients *clients,
					 size_t index)
{
	const struct rule *rule = &c->after->rules[index];
	struct address key = {.family = rule->family};
	size_t lo = 0, hi = clients->n, tried = 0;

	memcpy(key.addr, rule->dst, sizeof(key.addr));
	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (compare_addresses(&clients->addresses[mid], &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < clients->n && tried < TRIED_MAX; lo++) {
		const struct address *a = &clients->addresses[lo];

		if (a->family != rule->family || !prefix_equal(a->addr, rule->dst, rule->dst_len))
			break;
		/* Who says `any` does not think of loopback, nor loses much by it. */
		if (!rule->dst_len && a->ifindex == LO_IFINDEX)
			continue;
		tried++;
		if (takes_clients_of(c, clients, index, a))
			return a;
	}
	return NULL;
}

static void warn(const struct change *c, const struct clients *clients, const struct rule *rule,
		 const struct address *victim)
{
	char text[RULE_TEXT_MAX], address[PREFIX_TEXT_MAX], hint[256];

	text_of_prefix(victim->family, victim->addr, victim->family == 4 ? 32 : 128, address);
	snprintf(
		hint, sizeof(hint),
		"Leave the clients' ports out with `any except %u-%u`, or add `pass udp %s %u-%u`.",
		clients->lo, clients->hi, address, clients->lo, clients->hi);
	report_warning(
		c->report, hint,
		"'%s' also takes the replies to this host's own UDP clients (DNS, NTP) at %s",
		ruleset_rule_text(c->after, rule, text), address);
}

int guard_clients(const struct change *c)
{
	_cleanup_free_ struct address *addresses = NULL;
	struct clients clients;
	size_t n_warned = 0;
	int r;

	r = find_clients(c->ns, &clients);
	if (r < 0)
		return r;
	addresses = clients.addresses;
	for (size_t i = 0; i < c->n_taking; i++) {
		const struct rule *rule = &c->after->rules[c->taking[i]];
		const struct address *victim;

		if (rule->proto != IPPROTO_UDP || rule->port_lo > clients.lo ||
		    rule->port_hi < clients.hi)
			continue;
		victim = find_victim(c, &clients, c->taking[i]);
		if (victim && n_warned++ < WARNED_MAX)
			warn(c, &clients, rule, victim);
	}
	if (n_warned > WARNED_MAX)
		report_warning(c->report, NULL,
			       "and %zu more rules that take replies to UDP clients",
			       n_warned - WARNED_MAX);
	return 0;
}
