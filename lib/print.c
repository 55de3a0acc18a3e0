/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "print.h"

#include <netinet/in.h>
#include <string.h>

#include "cleanup.h"
#include "fallback.h"
#include "group.h"
#include "statement.h"
#include "text.h"

/* One statement and what its parts point to. */
struct printed {
	struct anybind_statement statement;
	char prefix[PREFIX_TEXT_MAX], from[PREFIX_TEXT_MAX];
	char ports[PORTS_TEXT_MAX(GROUP_PORTS_MAX + 1)];
	char text[STATEMENT_MAX + 1];
};
static_assert(PORTS_TEXT_MAX(GROUP_PORTS_MAX + 1) + RULE_TEXT_MAX <= STATEMENT_MAX,
	      "what is printed can be read");

static const char *const action_words[] = {
	[ANYBIND_PASS] = "pass",
	[ANYBIND_DROP] = "drop",
	[ANYBIND_BIND] = "bind",
	[ANYBIND_SERVICE] = "service",
};

/* A blank and a word; nothing for NULL. */
static char *put(char *p, const char *word)
{
	if (!word)
		return p;
	*p++ = ' ';
	return stpcpy(p, word);
}

static void print_text(struct printed *printed)
{
	const struct anybind_statement *st = &printed->statement;
	char *p = stpcpy(printed->text, action_words[st->action]);

	p = put(p, st->service);
	p = put(p, st->proto);
	p = put(p, st->prefix);
	p = put(p, st->ports);
	p = put(p, st->from ? "from" : NULL);
	p = put(p, st->from);
	p = put(p, st->dev ? "dev" : NULL);
	p = put(p, st->dev);
	p = put(p, st->missing_pass ? "missing pass" : NULL);
	p = put(p, st->fallback ? "fallback" : NULL);
	put(p, st->fallback);
	printed->statement.text = printed->text;
}

/* The statement of @group, whose ranges are @ports. */
static void print_group(struct printed *printed, const struct anybind_ruleset *rs,
			const struct rule *rule, const struct group *group,
			const struct port_range *ports)
{
	printed->statement = (struct anybind_statement){
		.action = (enum anybind_action)rule->action,
		.service = rule->action == ANYBIND_BIND ? rs->services[rule->service].name : NULL,
		.proto = group->tcp && group->udp ? "tcp,udp"
			 : group->tcp		  ? "tcp"
						  : "udp",
		.prefix = group->any ? "any"
				     : text_of_prefix(rule->family, rule->dst, rule->dst_len,
						      printed->prefix),
		.ports = ports_text(ports, group->n_ports, printed->ports),
		.from = rule->src_len ? text_of_prefix(rule->family, rule->src, rule->src_len,
						       printed->from)
				      : NULL,
		.dev = rule->dev ? rs->devices[rule->dev - 1].name : NULL,
	};
	print_text(printed);
}

const char *ruleset_rule_text(const struct anybind_ruleset *rs, const struct rule *rule,
			      char buf[RULE_TEXT_MAX])
{
	struct port_range range = {rule->port_lo, rule->port_hi};
	struct group group = {
		.n_ports = 1,
		.tcp = rule->proto == IPPROTO_TCP,
		.udp = rule->proto == IPPROTO_UDP,
	};
	struct printed printed;

	print_group(&printed, rs, rule, &group, &range);
	strcpy(buf, printed.text);
	return buf;
}

struct printer {
	const struct anybind_ruleset *rs;
	anybind_statement_fn fn;
	void *data;
	struct groups any4, any6, groups;
	struct printed printed;
};

static void printer_done(struct printer *printer)
{
	groups_done(&printer->any4);
	groups_done(&printer->any6);
	groups_done(&printer->groups);
}

static int print_services(struct printer *printer, const bool *services)
{
	const struct anybind_ruleset *rs = printer->rs;
	int r = 0;

	for (size_t i = 0; i < rs->n_services && r == 0; i++) {
		if (services && !services[i])
			continue;
		printer->printed.statement = (struct anybind_statement){
			.action = ANYBIND_SERVICE,
			.service = rs->services[i].name,
			.missing_pass = rs->services[i].missing_pass,
			.fallback = fallback_name(rs, i),
			.implied = rs->declarations && !rs->declarations[i].is_explicit,
		};
		print_text(&printer->printed);
		r = printer->fn(&printer->printed.statement, printer->data);
	}
	return r;
}

static int print_groups(struct printer *printer, const struct groups *groups)
{
	int r = 0;

	for (size_t i = 0; i < groups->n && r == 0; i++) {
		const struct group *group = &groups->groups[i];

		print_group(&printer->printed, printer->rs, &printer->rs->rules[group->rule], group,
			    groups->ports + group->ports);
		r = printer->fn(&printer->printed.statement, printer->data);
	}
	return r;
}

/* The end of the rules from @begin on that have the same destination. */
static size_t destination_end(const struct anybind_ruleset *rs, size_t begin)
{
	const struct rule *first = &rs->rules[begin];
	size_t end = begin + 1;

	while (end < rs->n_rules && rs->rules[end].family == first->family &&
	       rs->rules[end].dst_len == first->dst_len &&
	       memcmp(rs->rules[end].dst, first->dst, sizeof(first->dst)) == 0)
		end++;
	return end;
}

/* Where IPv6 starts. */
static size_t find_ipv6(const struct anybind_ruleset *rs)
{
	size_t low = 0, high = rs->n_rules;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (rs->rules[middle].family == 4)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Groups of 0.0.0.0/0 and ::/0, which may be one statement; returns in @ret_end where each ends. */
static int make_any(struct printer *printer, size_t ipv6, size_t ret_end[2])
{
	const struct anybind_ruleset *rs = printer->rs;
	int r = 0;

	ret_end[0] = 0;
	ret_end[1] = ipv6;
	if (ipv6 > 0 && rs->rules[0].dst_len == 0) {
		ret_end[0] = destination_end(rs, 0);
		r = groups_make(&printer->any4, rs->rules, 0, ret_end[0]);
	}
	if (r == 0 && ipv6 < rs->n_rules && rs->rules[ipv6].dst_len == 0) {
		ret_end[1] = destination_end(rs, ipv6);
		r = groups_make(&printer->any6, rs->rules, ipv6, ret_end[1]);
	}
	if (r == 0 && printer->any4.n > 0 && printer->any6.n > 0)
		r = groups_merge_families(&printer->any4, &printer->any6);
	return r;
}

static int print_range(struct printer *printer, size_t begin, size_t end)
{
	int r = 0;

	for (size_t i = begin, next; i < end && r == 0; i = next) {
		next = destination_end(printer->rs, i);
		r = groups_make(&printer->groups, printer->rs->rules, i, next);
		if (r == 0)
			r = print_groups(printer, &printer->groups);
	}
	return r;
}

int print_statements(const struct anybind_ruleset *rs, const bool *services,
		     anybind_statement_fn fn, void *data)
{
	_cleanup_(printer_done) struct printer printer = {.rs = rs, .fn = fn, .data = data};
	size_t ipv6 = find_ipv6(rs), any_end[2];
	int r;

	r = make_any(&printer, ipv6, any_end);
	if (r == 0)
		r = print_services(&printer, services);
	if (r == 0)
		r = print_groups(&printer, &printer.any4);
	if (r == 0)
		r = print_range(&printer, any_end[0], ipv6);
	if (r == 0)
		r = print_groups(&printer, &printer.any6);
	if (r == 0)
		r = print_range(&printer, any_end[1], rs->n_rules);
	return r;
}

int anybind_ruleset_each(const struct anybind_ruleset *ruleset, anybind_statement_fn fn, void *data)
{
	return print_statements(ruleset, NULL, fn, data);
}
