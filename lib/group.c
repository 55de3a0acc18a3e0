/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "group.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "order.h"

void groups_done(struct groups *groups)
{
	free(groups->groups);
	free(groups->ports);
	free(groups->order);
}

/* Room for @n elements of the array at @array. */
static int reserve(void *array, size_t *cap, size_t n, size_t size)
{
	size_t larger = n + n / 2 + 16;
	void *grown;

	if (n <= *cap)
		return 0;
	grown = reallocarray(*(void **)array, larger, size);
	if (!grown)
		return -ENOMEM;
	*(void **)array = grown;
	*cap = larger;
	return 0;
}

/* All that the rules of one statement share, but for protocol and family. */
static int compare_shared(const struct rule *a, const struct rule *b)
{
	int d;

	if (a->src_len != b->src_len)
		return b->src_len - a->src_len;
	d = memcmp(a->src, b->src, sizeof(a->src));
	if (d)
		return d;
	if (a->dev != b->dev)
		return a->dev - b->dev;
	if (a->action != b->action)
		return a->action - b->action;
	return (a->service > b->service) - (a->service < b->service);
}

static int compare_rules(const void *a, const void *b, void *data)
{
	const struct rule *rules = data, *x = &rules[*(const uint32_t *)a];
	const struct rule *y = &rules[*(const uint32_t *)b];
	int d;

	if (x->proto != y->proto)
		return x->proto - y->proto;
	d = compare_shared(x, y);
	if (d)
		return d;
	return x->port_lo != y->port_lo ? x->port_lo - y->port_lo : x->port_hi - y->port_hi;
}

static uint64_t rule_key(uint32_t index, const void *data)
{
	const struct rule *rule = (const struct rule *)data + index;

	return (uint64_t)(rule->proto == IPPROTO_UDP) << 63 | order_source_key(rule);
}

/* Rules, as positions in an order. */
struct ordered {
	const struct rule *rules;
	const uint32_t *order;
};

static int compare_ends(const void *a, const void *b, void *data)
{
	const struct ordered *ordered = data;
	const struct rule *x = &ordered->rules[ordered->order[*(const uint32_t *)a]];
	const struct rule *y = &ordered->rules[ordered->order[*(const uint32_t *)b]];

	return x->port_hi != y->port_hi ? x->port_hi - y->port_hi : x->port_lo - y->port_lo;
}

static uint64_t end_key(uint32_t position, const void *data)
{
	const struct ordered *ordered = data;

	return ordered->rules[ordered->order[position]].port_hi;
}

/* 0: the same statement but for protocol and family. */
static int compare_statements(const struct groups *in_x, const struct group *x,
			      const struct groups *in_y, const struct group *y)
{
	int d = compare_shared(&in_x->rules[x->rule], &in_y->rules[y->rule]);

	if (d)
		return d;
	if (x->n_ports != y->n_ports)
		return (x->n_ports > y->n_ports) - (x->n_ports < y->n_ports);
	return memcmp(in_x->ports + x->ports, in_y->ports + y->ports,
		      x->n_ports * sizeof(struct port_range));
}

static int compare_groups(const void *a, const void *b, void *data)
{
	const struct groups *groups = data;
	const struct group *x = &groups->groups[*(const uint32_t *)a];
	const struct group *y = &groups->groups[*(const uint32_t *)b];
	int d = compare_statements(groups, x, groups, y);

	return d ? d : (x->rule > y->rule) - (x->rule < y->rule);
}

static uint64_t group_key(uint32_t index, const void *data)
{
	const struct groups *groups = data;

	return order_source_key(&groups->rules[groups->groups[index].rule]);
}

static int compare_first_rules(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->rule > y->rule) - (x->rule < y->rule);
}

static int add_group(struct groups *groups, size_t rule)
{
	if (reserve(&groups->groups, &groups->cap, groups->n + 1, sizeof(struct group)) < 0 ||
	    reserve(&groups->ports, &groups->cap_ports, groups->n_ports + 1,
		    sizeof(struct port_range)) < 0)
		return -ENOMEM;
	groups->groups[groups->n++] = (struct group){
		.rule = (uint32_t)rule,
		.ports = (uint32_t)groups->n_ports,
		.tcp = groups->rules[rule].proto == IPPROTO_TCP,
		.udp = groups->rules[rule].proto == IPPROTO_UDP,
	};
	return 0;
}

/* To the newest group. */
static int add_range(struct groups *groups, size_t rule)
{
	struct group *group = &groups->groups[groups->n - 1];

	if (reserve(&groups->ports, &groups->cap_ports, groups->n_ports + 1,
		    sizeof(struct port_range)) < 0)
		return -ENOMEM;
	if (rule < group->rule)
		group->rule = (uint32_t)rule;
	groups->ports[groups->n_ports++] =
		(struct port_range){groups->rules[rule].port_lo, groups->rules[rule].port_hi};
	group->n_ports++;
	return 0;
}

/* Must the ranges of two rules, in ascending order, be in two statements? */
static bool touches(const struct rule *a, const struct rule *b)
{
	return b->port_lo <= a->port_hi + 1;
}

/*
 * Deals ranges, ascending by their low ports, out to few statements, so that
 * those of one do not touch: a statement may take the next range when its last
 * one ended before it. Says the statement's number for each range.
 */
static int deal(const struct rule *rules, const uint32_t *order, size_t n, uint32_t *ret_numbers)
{
	_cleanup_free_ uint32_t *ends = malloc(n * sizeof(*ends));     /* by high port */
	_cleanup_free_ uint32_t *sizes = calloc(n, sizeof(*sizes));    /* by number */
	_cleanup_free_ uint32_t *unused = malloc(n * sizeof(*unused)); /* numbers */
	size_t n_numbers = 0, n_unused = 0, ended = 0;

	if (!ends || !sizes || !unused)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ends[i] = (uint32_t)i;
	if (order_sort(ends, n,
		       &(struct order_by){compare_ends, end_key, &(struct ordered){rules, order}}) <
	    0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		for (; !touches(&rules[order[ends[ended]]], &rules[order[i]]); ended++)
			if (sizes[ret_numbers[ends[ended]]] < GROUP_PORTS_MAX)
				unused[n_unused++] = ret_numbers[ends[ended]];
		ret_numbers[i] = n_unused > 0 ? unused[--n_unused] : (uint32_t)n_numbers++;
		sizes[ret_numbers[i]]++;
	}
	return 0;
}

/* Brings @order into the order of the @numbers, keeping it within each. */
static int order_by_number(uint32_t *order, uint32_t *numbers, size_t n)
{
	_cleanup_free_ uint32_t *starts = calloc(n + 1, sizeof(*starts));
	_cleanup_free_ uint32_t *old = malloc(2 * n * sizeof(*old));

	if (!starts || !old)
		return -ENOMEM;
	memcpy(old, order, n * sizeof(*old));
	memcpy(old + n, numbers, n * sizeof(*old));
	for (size_t i = 0; i < n; i++)
		starts[numbers[i] + 1]++;
	for (size_t i = 0; i < n; i++)
		starts[i + 1] += starts[i];
	for (size_t i = 0; i < n; i++) {
		uint32_t to = starts[old[n + i]]++;

		order[to] = old[i];
		numbers[to] = old[n + i];
	}
	return 0;
}

/* The groups of rules that share all but ports, which ascend. */
static int add_shared(struct groups *groups, uint32_t *order, size_t n)
{
	_cleanup_free_ uint32_t *numbers = NULL;
	bool touching = false;
	size_t size = 0;
	int r;

	for (size_t i = 1; i < n && !touching; i++)
		touching = touches(&groups->rules[order[i - 1]], &groups->rules[order[i]]);
	if (touching) {
		numbers = malloc(n * sizeof(*numbers));
		if (!numbers || deal(groups->rules, order, n, numbers) < 0 ||
		    order_by_number(order, numbers, n) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || size == GROUP_PORTS_MAX ||
		    (touching && numbers[i] != numbers[i - 1])) {
			r = add_group(groups, order[i]);
			if (r < 0)
				return r;
			size = 0;
		}
		r = add_range(groups, order[i]);
		if (r < 0)
			return r;
		size++;
	}
	return 0;
}

/* The groups in an order in which those that may become one are adjacent. */
static int order_groups(struct groups *groups)
{
	if (reserve(&groups->order, &groups->cap_order, groups->n, sizeof(uint32_t)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < groups->n; i++)
		groups->order[i] = (uint32_t)i;
	return order_sort(groups->order, groups->n,
			  &(struct order_by){compare_groups, group_key, groups});
}

static void drop_gone(struct groups *groups)
{
	size_t n = 0;

	for (size_t i = 0; i < groups->n; i++)
		if (!groups->groups[i].gone)
			groups->groups[n++] = groups->groups[i];
	groups->n = n;
	qsort(groups->groups, n, sizeof(struct group), compare_first_rules);
}

static int merge_protocols(struct groups *groups)
{
	if (order_groups(groups) < 0)
		return -ENOMEM;
	for (size_t i = 1; i < groups->n; i++) {
		struct group *a = &groups->groups[groups->order[i - 1]];
		struct group *b = &groups->groups[groups->order[i]];

		if (compare_statements(groups, a, groups, b) == 0) {
			a->udp = true; /* the rules of TCP are first */
			b->gone = true;
		}
	}
	drop_gone(groups);
	return 0;
}

int groups_make(struct groups *groups, const struct rule *rules, size_t begin, size_t end)
{
	size_t n = end - begin;

	groups->rules = rules;
	groups->n = groups->n_ports = 0;
	if (reserve(&groups->order, &groups->cap_order, n, sizeof(uint32_t)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		groups->order[i] = (uint32_t)(begin + i);
	if (order_sort(groups->order, n,
		       &(struct order_by){compare_rules, rule_key, (void *)rules}) < 0)
		return -ENOMEM;
	for (size_t i = 0, next; i < n; i = next) {
		const struct rule *rule = &rules[groups->order[i]];

		for (next = i + 1; next < n && rules[groups->order[next]].proto == rule->proto &&
				   compare_shared(&rules[groups->order[next]], rule) == 0;
		     next++)
			;
		if (add_shared(groups, groups->order + i, next - i) < 0)
			return -ENOMEM;
	}
	return groups->n > 1 ? merge_protocols(groups) : 0;
}

int groups_merge_families(struct groups *v4, struct groups *v6)
{
	size_t i = 0, j = 0;

	if (order_groups(v4) < 0 || order_groups(v6) < 0)
		return -ENOMEM;
	while (i < v4->n && j < v6->n) {
		struct group *a = &v4->groups[v4->order[i]], *b = &v6->groups[v6->order[j]];
		int d = compare_statements(v4, a, v6, b);

		/* With a source the family is said; the statement cannot be for both. */
		if (d == 0 && a->tcp == b->tcp && a->udp == b->udp &&
		    v4->rules[a->rule].src_len == 0)
			a->any = b->gone = true;
		i += d <= 0;
		j += d >= 0;
	}
	drop_gone(v6);
	return 0;
}
