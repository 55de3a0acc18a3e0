/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Listeners of programs that lose traffic to new rules. A million rules and
 * thousands of listeners must not take a product of the two: rules for a
 * listener on one address are found by its covering prefixes, and those on the
 * any-address are kept sorted by port for the rules to go over.
 */
#include "change.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "facts.h"
#include "process.h"
#include "text.h"

/* Rules that are tried for one listener. */
#define TRIED_MAX 8
#define WARNED_MAX 7

/* A listener, or reuseport group of them, and the rules that may take from it. */
struct victim {
	const struct listener *listener;
	uint32_t rules[TRIED_MAX];
	size_t n_rules;
	size_t n_seen; /* with those for which there was no room */
	ssize_t taker; /* the first that does take, or -1 */
	size_t n_takers;
	bool serves4; /* IPv6 that also gets IPv4 */
};

static const uint8_t any_address[16];

static bool is_any(const struct listener *l)
{
	return !memcmp(l->addr, any_address, sizeof(l->addr));
}

static bool is_mapped(const struct listener *l)
{
	return l->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)l->addr);
}

/* The address that packets of @family (4 or 6) to the listener have; all zero: any. */
static void address_in(const struct listener *l, uint8_t family, uint8_t ret[16])
{
	memset(ret, 0, 16);
	if (is_mapped(l))
		memcpy(ret, l->addr + 12, 4);
	else if (family == 6 || l->family == AF_INET)
		memcpy(ret, l->addr, 16);
}

/* Members of one reuseport group compare equal. */
static int compare_listeners(const void *left, const void *right)
{
	const struct listener *a = left, *b = right;
	int diff;

	if (a->family != b->family)
		return a->family - b->family;
	if (a->protocol != b->protocol)
		return a->protocol - b->protocol;
	if (a->port != b->port)
		return a->port - b->port;
	diff = memcmp(a->addr, b->addr, sizeof(a->addr));
	if (diff)
		return diff;
	return (a->ifindex > b->ifindex) - (a->ifindex < b->ifindex);
}

static int compare_cookies(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/*
 * One victim for each group in @listeners, sorted here; none for those with a
 * registered member, since the kernel then hands packets to the whole group.
 */
static int make_victims(const struct change *c, struct listener *listeners, size_t n,
			struct victim **ret, size_t *ret_n)
{
	_cleanup_free_ uint64_t *cookies = calloc(c->n_cookies + 1, sizeof(*cookies));
	struct victim *victims = calloc(n + 1, sizeof(*victims));
	size_t kept = 0;

	if (!cookies || !victims) {
		free(victims);
		return -ENOMEM;
	}
	if (c->n_cookies) {
		memcpy(cookies, c->cookies, c->n_cookies * sizeof(*cookies));
		qsort(cookies, c->n_cookies, sizeof(*cookies), compare_cookies);
	}
	if (n)
		qsort(listeners, n, sizeof(*listeners), compare_listeners);
	for (size_t i = 0, end; i < n; i = end) {
		const struct listener *l = &listeners[i];
		bool registered = false;

		for (end = i; end < n && !compare_listeners(l, &listeners[end]); end++)
			registered |= bsearch(&listeners[end].cookie, cookies, c->n_cookies,
					      sizeof(*cookies), compare_cookies) != NULL;
		if (registered)
			continue;
		victims[kept++] = (struct victim){
			.listener = l,
			.taker = -1,
			.serves4 =
				is_mapped(l) || (l->family == AF_INET6 && !l->v6only && is_any(l)),
		};
	}
	*ret = victims;
	*ret_n = kept;
	return 0;
}

/* May the rule's packets come in by the listener's device? */
static bool device_fits(const struct change *c, const struct rule *rule, const struct listener *l)
{
	return !l->ifindex || !rule->dev || c->after->devices[rule->dev - 1].ifindex == l->ifindex;
}

static void suspect(struct victim *v, uint32_t rule)
{
	if (v->n_rules < TRIED_MAX)
		v->rules[v->n_rules++] = rule;
}

/* ---- listeners on one address ---- */

struct covering {
	const struct change *change;
	struct victim *victim;
};

static int compare_indices(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static bool see_covering(size_t index, void *data)
{
	const struct covering *covering = data;
	const struct change *c = covering->change;
	const struct rule *rule = &c->after->rules[index];
	const struct listener *l = covering->victim->listener;
	const uint32_t key = (uint32_t)index;

	if (rule->port_lo <= l->port && l->port <= rule->port_hi && device_fits(c, rule, l) &&
	    bsearch(&key, c->taking, c->n_taking, sizeof(key), compare_indices)) {
		suspect(covering->victim, key);
		covering->victim->n_seen++;
	}
	return true;
}

static void suspect_covering(const struct change *c, struct victim *v)
{
	struct covering covering = {.change = c, .victim = v};
	const struct listener *l = v->listener;
	const uint8_t family = l->family == AF_INET || is_mapped(l) ? 4 : 6;
	uint8_t addr[16];

	address_in(l, family, addr);
	winner_each_covering(c->after, family, (uint8_t)l->protocol, addr, see_covering, &covering);
}

/* ---- listeners on the any-address ---- */

/* Those that get packets of one family and protocol, sorted by port. */
struct wildcards {
	struct victim **victims;
	size_t n;
	/* The next that still wants rules, itself if it does; shortened as it is read. */
	size_t *next;
	/* Rules seen by victim i are the sum of [0..i]: counts them all in one step each. */
	ssize_t *changes;
};

static void wildcards_clear(struct wildcards *w)
{
	free(w->victims);
	free(w->next);
	free(w->changes);
}

static int compare_ports(const void *left, const void *right)
{
	const struct victim *const *a = left, *const *b = right;

	return (*a)->listener->port - (*b)->listener->port;
}

static int wildcards_init(struct wildcards *w, struct victim *victims, size_t n, uint8_t family,
			  int protocol)
{
	*w = (struct wildcards){
		.victims = calloc(n + 1, sizeof(struct victim *)),
		.next = calloc(n + 1, sizeof(size_t)),
		.changes = calloc(n + 1, sizeof(ssize_t)),
	};
	if (!w->victims || !w->next || !w->changes)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct listener *l = victims[i].listener;
		const bool fits = family == 4 ? l->family == AF_INET || victims[i].serves4
					      : l->family == AF_INET6;

		if (fits && l->protocol == protocol && is_any(l))
			w->victims[w->n++] = &victims[i];
	}
	if (w->n)
		qsort(w->victims, w->n, sizeof(struct victim *), compare_ports);
	for (size_t i = 0; i <= w->n; i++)
		w->next[i] = i;
	return 0;
}

/* The first victim with a port of at least @port; ->n: none. */
static size_t first_at(const struct wildcards *w, unsigned int port)
{
	size_t lo = 0, hi = w->n;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (w->victims[mid]->listener->port < port)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static size_t next_wanting(struct wildcards *w, size_t i)
{
	while (w->next[i] != i) {
		w->next[i] = w->next[w->next[i]];
		i = w->next[i];
	}
	return i;
}

static void see_rule(const struct change *c, struct wildcards *w, uint32_t index)
{
	const struct rule *rule = &c->after->rules[index];
	const size_t first = first_at(w, rule->port_lo);
	const size_t end = first_at(w, rule->port_hi + 1u);

	w->changes[first]++;
	w->changes[end]--;
	for (size_t i = next_wanting(w, first); i < end; i = next_wanting(w, i + 1)) {
		struct victim *v = w->victims[i];

		if (!device_fits(c, rule, v->listener))
			continue;
		suspect(v, index);
		if (v->n_rules == TRIED_MAX)
			w->next[i] = i + 1;
	}
}

static int suspect_wildcards(const struct change *c, struct victim *victims, size_t n,
			     uint8_t family, uint8_t protocol)
{
	_cleanup_(wildcards_clear) struct wildcards w = {0};
	ssize_t seen = 0;

	if (wildcards_init(&w, victims, n, family, protocol) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < w.n; i++)
		if (w.victims[i]->n_rules >= TRIED_MAX) /* by the other family */
			w.next[i] = i + 1;
	for (size_t i = 0; i < c->n_taking && w.n; i++) {
		const struct rule *rule = &c->after->rules[c->taking[i]];

		if (rule->family == family && rule->proto == protocol)
			see_rule(c, &w, c->taking[i]);
	}
	for (size_t i = 0; i < w.n; i++) {
		seen += w.changes[i];
		w.victims[i]->n_seen += (size_t)seen;
	}
	return 0;
}

/* ---- what they lose ---- */

/* A packet to the listener that the rule is about. */
static struct packet packet_for(const struct change *c, const struct rule *rule,
				const struct listener *l)
{
	struct packet p = {
		.family = rule->family,
		.proto = rule->proto,
		.port = l->port,
		.dev = rule->dev,
	};

	if (is_any(l))
		memcpy(p.dst, rule->dst, sizeof(p.dst));
	else
		address_in(l, rule->family, p.dst);
	memcpy(p.src, rule->src, sizeof(p.src));
	for (size_t i = 0; l->ifindex && !p.dev && i < c->after->n_devices; i++)
		if (c->after->devices[i].ifindex == l->ifindex)
			p.dev = (uint16_t)(i + 1);
	return p;
}

static void try_rules(const struct change *c, struct victim *v)
{
	for (size_t i = 0; i < v->n_rules; i++) {
		const struct rule *rule = &c->after->rules[v->rules[i]];
		const struct packet p = packet_for(c, rule, v->listener);

		if (!change_newly_takes(c, v->rules[i], &p))
			continue;
		if (v->taker < 0)
			v->taker = v->rules[i];
		v->n_takers++;
	}
}

static void endpoint_text(const struct listener *l, char buf[ENDPOINT_TEXT_MAX])
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(l->port)};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(l->port)};

	memcpy(&in6.sin6_addr, l->addr, 16);
	memcpy(&in.sin_addr, l->addr, 4);
	text_of_endpoint(l->family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6,
			 buf);
}

static void warn(const struct change *c, const struct victim *v, const struct owner *owner)
{
	const struct rule *rule = &c->after->rules[v->taker];
	const struct packet p = packet_for(c, rule, v->listener);
	const size_t untried = v->n_seen - v->n_rules, more = v->n_takers - 1 + untried;
	char rule_text[RULE_TEXT_MAX], prefix[PREFIX_TEXT_MAX], endpoint[ENDPOINT_TEXT_MAX];
	char who[80], rest[80] = "";

	/* Of the listener's address no more than that is lost to it. */
	text_of_prefix(p.family, p.dst,
		       is_any(v->listener) ? rule->dst_len
		       : p.family == 4	   ? 32
					   : 128,
		       prefix);
	endpoint_text(v->listener, endpoint);
	if (owner->pid)
		snprintf(who, sizeof(who), "%s (pid %d)", owner->program, owner->pid);
	else
		snprintf(who, sizeof(who), "a program of uid %u", v->listener->uid);
	if (untried)
		snprintf(rest, sizeof(rest), "; so do up to %zu more rules", more);
	else if (more)
		snprintf(rest, sizeof(rest),
			 more == 1 ? "; so does %zu more rule" : "; so do %zu more rules", more);
	report_warning(c->report, NULL, "'%s' takes %s %s port %u from %s, which %s %s%s",
		       ruleset_rule_text(c->after, rule, rule_text),
		       rule->proto == IPPROTO_TCP ? "tcp" : "udp", prefix, v->listener->port, who,
		       rule->proto == IPPROTO_TCP ? "listens on" : "is bound to", endpoint, rest);
}

static void warn_all(const struct change *c, const struct victim *victims, size_t n)
{
	struct owner owners[WARNED_MAX] = {0};
	const struct victim *shown[WARNED_MAX];
	size_t n_shown = 0, n_taken = 0;

	for (size_t i = 0; i < n; i++) {
		if (victims[i].taker < 0 || n_taken++ >= WARNED_MAX)
			continue;
		owners[n_shown].inode = victims[i].listener->inode;
		shown[n_shown++] = &victims[i];
	}
	/* Without names the warnings are still worth having. */
	process_find_owners(owners, n_shown);
	for (size_t i = 0; i < n_shown; i++)
		warn(c, shown[i], &owners[i]);
	if (n_taken > n_shown)
		report_warning(c->report, NULL, "and %zu more listeners lose traffic",
			       n_taken - n_shown);
}

int guard_listeners(const struct change *c)
{
	static const struct {
		uint8_t family, protocol;
	} kinds[] = {{4, IPPROTO_TCP}, {4, IPPROTO_UDP}, {6, IPPROTO_TCP}, {6, IPPROTO_UDP}};
	_cleanup_free_ struct listener *listeners = NULL;
	_cleanup_free_ struct victim *victims = NULL;
	size_t n_listeners, n;
	int r;

	r = facts_listeners(c->ns, &listeners, &n_listeners);
	if (r < 0)
		return r;
	r = make_victims(c, listeners, n_listeners, &victims, &n);
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && r >= 0; i++)
		r = suspect_wildcards(c, victims, n, kinds[i].family, kinds[i].protocol);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (!is_any(victims[i].listener))
			suspect_covering(c, &victims[i]);
		try_rules(c, &victims[i]);
	}
	warn_all(c, victims, n);
	return 0;
}
