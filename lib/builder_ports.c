// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Port ranges of one prefix, nested and overlapping as they may be, become
 * sorted disjoint ranges with an action each: a sweep over the ports keeps the
 * list of rules that are open, narrowest first.
 */
#include "builder.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "cleanup.h"
#include "verdict.h"

/* Disjoint ranges as they stand in a PORTS node: two words each. */
struct ranges {
	uint32_t *words;
	size_t n, cap;
};

/* Rules with one port range: adjacent in canonical order. */
struct run {
	const struct rule *rules;
	size_t n;
};

static int ranges_add(struct ranges *ranges, uint32_t lo, uint32_t hi, uint32_t action)
{
	uint32_t *last = ranges->n ? ranges->words + 2 * (ranges->n - 1) : NULL;

	if (last && last[1] == action && (last[0] >> 16) + 1 == lo) {
		last[0] = (last[0] & 0xffff) | hi << 16;
		return 0;
	}
	if (ranges->n == ranges->cap) {
		size_t cap = ranges->cap ? ranges->cap * 2 : 8;
		uint32_t *grown = reallocarray(ranges->words, cap, 2 * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		ranges->words = grown;
		ranges->cap = cap;
	}
	ranges->words[2 * ranges->n] = lo | hi << 16;
	ranges->words[2 * ranges->n++ + 1] = action;
	return 0;
}

static unsigned int run_width(const struct run *run)
{
	return run->rules[0].port_hi - run->rules[0].port_lo;
}

static int by_precedence(const void *pa, const void *pb)
{
	return rule_precedence(*(const struct rule *const *)pa, *(const struct rule *const *)pb);
}

/* Does the group decide for every packet, so that wider ranges cannot matter? */
static bool decides(const struct rule *const *rules, size_t n)
{
	return !rules[n - 1]->src_len && !rules[n - 1]->dev;
}

/* Runs that are open, narrowest first, and room to work on their rules. */
struct sweep {
	struct run *open;
	size_t n_open;
	const struct rule **rules; /* of the open runs, group after group */
	size_t *groups;		   /* where each group of one width ends in `rules` */
};

/*
 * Lists the rules of the open runs in groups of one width, down to the first
 * group that decides. Returns the number of groups.
 */
static size_t gather(struct sweep *sweep)
{
	size_t n = 0, n_groups = 0, start = 0;

	for (size_t i = 0; i < sweep->n_open; i++) {
		const struct run *run = &sweep->open[i];
		bool last = i + 1 == sweep->n_open || run_width(run) != run_width(run + 1);

		for (size_t k = 0; k < run->n; k++)
			sweep->rules[n++] = &run->rules[k];
		if (!last)
			continue;
		qsort(sweep->rules + start, n - start, sizeof(*sweep->rules), by_precedence);
		sweep->groups[n_groups++] = n;
		if (decides(sweep->rules + start, n - start))
			break;
		start = n;
	}
	return n_groups;
}

/*
 * The action where these runs are open: each width passes on to the next wider
 * what it does not take, so the widest is compiled first.
 */
static int open_action(struct builder *builder, struct sweep *sweep, uint32_t other,
		       uint32_t *ret_action)
{
	size_t n_groups = gather(sweep);
	int r = 0;

	while (n_groups-- && !r) {
		size_t start = n_groups ? sweep->groups[n_groups - 1] : 0;

		r = sources_compile(builder, sweep->rules + start,
				    sweep->groups[n_groups] - start, other, &other);
	}
	if (!r)
		*ret_action = other;
	return r;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Closes the runs that end before @port and opens @runs, which start at it. */
static void move_to(struct sweep *sweep, const struct run *runs, size_t n_runs, uint32_t port)
{
	struct run *open = sweep->open;
	size_t n = 0;

	for (size_t i = 0; i < sweep->n_open; i++)
		if (open[i].rules[0].port_hi >= port)
			open[n++] = open[i];
	for (size_t i = 0; i < n_runs; i++) {
		size_t at = n++;

		for (; at && run_width(&open[at - 1]) > run_width(&runs[i]); at--)
			open[at] = open[at - 1];
		open[at] = runs[i];
	}
	sweep->n_open = n;
}

static int by_low_port(const void *pa, const void *pb)
{
	const struct run *a = pa, *b = pb;

	return (int)a->rules[0].port_lo - (int)b->rules[0].port_lo;
}

/* @runs by low port, @n_rules rules in all. */
static int sweep_ports(struct builder *builder, const struct run *runs, size_t n_runs,
		       size_t n_rules, uint32_t other, struct ranges *ranges)
{
	_cleanup_free_ uint32_t *edges = calloc(2 * n_runs, sizeof(*edges));
	_cleanup_free_ struct run *open = calloc(n_runs, sizeof(*open));
	_cleanup_free_ const struct rule **rules = calloc(n_rules, sizeof(*rules));
	_cleanup_free_ size_t *groups = calloc(n_runs, sizeof(*groups));
	struct sweep sweep = { .open = open, .rules = rules, .groups = groups };
	size_t next = 0;
	int r = 0;

	if (!edges || !open || !rules || !groups)
		return -ENOMEM;
	for (size_t i = 0; i < n_runs; i++) {
		edges[2 * i] = runs[i].rules[0].port_lo;
		edges[2 * i + 1] = runs[i].rules[0].port_hi + 1u;
	}
	qsort(edges, 2 * n_runs, sizeof(*edges), by_number);
	for (size_t i = 0; i + 1 < 2 * n_runs && !r; i++) {
		uint32_t lo = edges[i], action;
		size_t first = next;

		if (lo == edges[i + 1])
			continue;
		while (next < n_runs && runs[next].rules[0].port_lo == lo)
			next++;
		move_to(&sweep, runs + first, next - first, lo);
		r = open_action(builder, &sweep, other, &action);
		if (!r && action != other)
			r = ranges_add(ranges, lo, edges[i + 1] - 1, action);
	}
	return r;
}

/* Disjoint ranges for the rules of one protocol. */
static int protocol_ranges(struct builder *builder, const struct rule *rules, size_t n,
			   uint32_t other, struct ranges *ranges)
{
	_cleanup_free_ struct run *runs = NULL;
	size_t n_runs = 0;

	if (!n)
		return 0;
	if (n == 1 && !rules->src_len && !rules->dev) /* by far the commonest */
		return ranges_add(ranges, rules->port_lo, rules->port_hi,
				  verdict_action(builder, rules));
	runs = calloc(n, sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (n_runs && rules[i].port_lo == runs[n_runs - 1].rules[0].port_lo &&
		    rules[i].port_hi == runs[n_runs - 1].rules[0].port_hi)
			runs[n_runs - 1].n++;
		else
			runs[n_runs++] = (struct run){ &rules[i], 1 };
	}
	qsort(runs, n_runs, sizeof(*runs), by_low_port);
	return sweep_ports(builder, runs, n_runs, n, other, ranges);
}

/* A single range that is decided fits into the action itself; see abi.h. */
static bool inline_action(const struct builder *builder, const struct ranges *tcp,
			  const struct ranges *udp, const struct rule *rule, uint32_t *ret_action)
{
	const struct ranges *one = tcp->n ? tcp : udp;
	uint32_t protos = (tcp->n ? PROTO_BIT_TCP : 0) | (udp->n ? PROTO_BIT_UDP : 0);
	uint32_t verdict = rule_verdict(builder->rs, rule), lo, hi;

	if (tcp->n > 1 || udp->n > 1 || verdict > ACTION_VERDICT_MAX)
		return false;
	if (tcp->n && udp->n && memcmp(tcp->words, udp->words, 8))
		return false;
	if (one->words[1] != verdict_action(builder, rule))
		return false;
	lo = one->words[0] & 0xffff;
	hi = one->words[0] >> 16;
	if (lo == hi)
		*ret_action = ACTION_PORT | lo << ACTION_PORT_SHIFT;
	else if (!lo && hi == 0xffff)
		*ret_action = ACTION_PROTO;
	else
		return false;
	*ret_action |= protos << ACTION_SHIFT | verdict << ACTION_VERDICT_SHIFT;
	return true;
}

static bool is_all(const struct ranges *ranges)
{
	return ranges->n == 1 && ranges->words[0] == 0xffff0000u;
}

static int ports_node(struct builder *builder, const struct ranges *tcp, const struct ranges *udp,
		      uint32_t other, uint32_t *ret_action)
{
	size_t n = 3 + 2 * tcp->n + 2 * udp->n;
	_cleanup_free_ uint32_t *node = malloc(n * sizeof(*node));
	uint32_t at;
	int r;

	if (!node)
		return -ENOMEM;
	node[0] = NODE_PORTS | tcp->n << NODE_SHIFT;
	node[1] = udp->n;
	node[2] = other;
	if (tcp->n)
		memcpy(node + 3, tcp->words, 8 * tcp->n);
	if (udp->n)
		memcpy(node + 3 + 2 * tcp->n, udp->words, 8 * udp->n);
	r = nodes_add(&builder->nodes, node, n, &at);
	if (r < 0)
		return r;
	*ret_action = at << ACTION_SHIFT | ACTION_NODE;
	return 0;
}

int ports_compile(struct builder *builder, const struct rule *rules, size_t n, uint32_t other,
		  bool is_fallback, uint32_t *ret_action)
{
	struct ranges tcp = { 0 }, udp = { 0 };
	size_t n_tcp = 0;
	int r;

	while (n_tcp < n && rules[n_tcp].proto == IPPROTO_TCP)
		n_tcp++;
	r = protocol_ranges(builder, rules, n_tcp, other, &tcp);
	if (!r)
		r = protocol_ranges(builder, rules + n_tcp, n - n_tcp, other, &udp);
	if (r < 0)
		goto out;
	if (!tcp.n && !udp.n)
		*ret_action = other;
	else if (is_all(&tcp) && is_all(&udp) && tcp.words[1] == udp.words[1])
		*ret_action = tcp.words[1];
	else if (!is_fallback || !inline_action(builder, &tcp, &udp, rules, ret_action))
		r = ports_node(builder, &tcp, &udp, other, ret_action);
out:
	free(tcp.words);
	free(udp.words);
	return r;
}
