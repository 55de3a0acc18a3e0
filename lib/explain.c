// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Which rule decides over a packet, and why not another. The answer comes from
 * the rules by the plain reference (ruleset_match()); explain_kernel.c checks it.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "error.h"
#include "explain.h"
#include "text.h"

void anybind_explanation_free(struct anybind_explanation *explanation)
{
	free((struct explanation *)explanation);
}

/* ---- the rules' answer ---- */

static bool rule_takes(const struct question *q, const struct rule *rule)
{
	return rule_matches(rule, q->run.family, q->run.proto, q->run.dst, q->run.dst_port,
			    q->run.src, q->dev);
}

static bool covers_destination(const struct question *q, const struct rule *rule)
{
	return rule->family == q->run.family && rule->proto == q->run.proto &&
	       prefix_equal(rule->dst, q->run.dst, rule->dst_len);
}

/* Why @rule does not match although its prefix does. */
static void why_not(const struct question *q, const struct rule *rule, char ret[REASON_MAX])
{
	char prefix[PREFIX_TEXT_MAX], source[PREFIX_TEXT_MAX];

	if (q->run.dst_port < rule->port_lo || q->run.dst_port > rule->port_hi)
		snprintf(ret, REASON_MAX, "port %u is not in it", q->run.dst_port);
	else if (!prefix_equal(rule->src, q->run.src, rule->src_len))
		snprintf(ret, REASON_MAX, "source %s is not in %s",
			 text_of_prefix(q->run.family, q->run.src,
					q->run.family == 4 ? 32 : 128, source),
			 text_of_prefix(rule->family, rule->src, rule->src_len, prefix));
	else if (q->dev_name)
		snprintf(ret, REASON_MAX, "the packet comes in by %s%s", q->dev_name,
			 q->dev ? "" : ", which is not the interface the rule was resolved to");
	else
		snprintf(ret, REASON_MAX, "no incoming interface was given");
}

/* By what @strong comes before @weak, both of which match; behind @intro. */
static void why_before(const struct rule *strong, const struct rule *weak, const char *intro,
		       char ret[REASON_MAX])
{
	unsigned int strong_width = strong->port_hi - strong->port_lo + 1u;
	unsigned int weak_width = weak->port_hi - weak->port_lo + 1u;

	if (strong->dst_len != weak->dst_len)
		snprintf(ret, REASON_MAX, "%sa longer destination prefix (/%u before /%u)", intro,
			 strong->dst_len, weak->dst_len);
	else if (strong_width != weak_width)
		snprintf(ret, REASON_MAX, "%sa narrower port range (%u before %u)", intro,
			 strong_width, weak_width);
	else if (strong->src_len != weak->src_len)
		snprintf(ret, REASON_MAX, "%sa longer source prefix (/%u before /%u)", intro,
			 strong->src_len, weak->src_len);
	else
		snprintf(ret, REASON_MAX, "%sthe interface's name", intro);
}

static int by_precedence(const void *pa, const void *pb)
{
	const struct rule *a = *(const struct rule *const *)pa;
	const struct rule *b = *(const struct rule *const *)pb;
	int r = rule_precedence(a, b);

	return r ? r : rule_compare(a, b);
}

static void add_candidate(struct explanation *e, const struct question *q,
			  const struct rule *winner, const struct rule *rule)
{
	size_t i = e->public.n_candidates;
	struct anybind_candidate *c = &e->candidates[i];

	if (i == CANDIDATES_MAX) {
		e->public.n_omitted++;
		return;
	}
	e->public.n_candidates++;
	c->text = ruleset_rule_text(q->rs, rule, e->texts[i]);
	c->matches = rule_takes(q, rule);
	c->reason = e->reasons[i];
	if (c->matches)
		why_before(winner, rule, "the deciding rule has ", e->reasons[i]);
	else
		why_not(q, rule, e->reasons[i]);
}

/*
 * The rules that somebody might have expected to win: stronger ones that do
 * not match, and weaker ones that do.
 */
static int list_candidates(struct explanation *e, const struct question *q,
			   const struct rule *winner)
{
	_cleanup_free_ const struct rule **rules = NULL;
	size_t n = 0;

	if (!q->rs->rules)
		return 0;
	for (size_t i = 0; i < q->rs->n_rules; i++)
		n += covers_destination(q, &q->rs->rules[i]);
	rules = calloc(n + 1, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < q->rs->n_rules; i++)
		if (covers_destination(q, &q->rs->rules[i]))
			rules[n++] = &q->rs->rules[i];
	qsort(rules, n, sizeof(*rules), by_precedence);
	for (size_t i = 0; i < n; i++)
		if (rules[i] != winner &&
		    (rule_takes(q, rules[i]) || !winner || rule_precedence(rules[i], winner) < 0))
			add_candidate(e, q, winner, rules[i]);
	return 0;
}

/* Why @winner decides: what sets it off from the next that matches. */
static void why_winner(struct explanation *e, const struct question *q, const struct rule *winner)
{
	const struct rule *next = NULL;

	for (size_t i = 0; i < q->rs->n_rules; i++) {
		const struct rule *rule = &q->rs->rules[i];

		if (rule != winner && rule_takes(q, rule) &&
		    (!next || rule_precedence(rule, next) < 0))
			next = rule;
	}
	if (next)
		why_before(winner, next, "of the rules that match it has ", e->reason);
	else
		snprintf(e->reason, REASON_MAX, "no other rule matches");
}

static int answer_from_rules(struct explanation *e, const struct question *q)
{
	ssize_t i = ruleset_match(q->rs, q->run.family, q->run.proto, q->run.dst, q->run.dst_port,
				  q->run.src, q->dev);
	const struct rule *winner = i < 0 ? NULL : &q->rs->rules[i];

	e->public.action = ANYBIND_PASS;
	e->public.reason = e->reason;
	if (winner) {
		e->public.action = winner->action;
		e->public.rule = ruleset_rule_text(q->rs, winner, e->rule);
		why_winner(e, q, winner);
	} else {
		snprintf(e->reason, REASON_MAX, "no rule matches");
	}
	if (winner && winner->action == ANYBIND_BIND) {
		const struct service *service = &q->rs->services[winner->service];

		memcpy(e->service, service->name, sizeof(e->service));
		e->public.service = e->service;
		e->public.missing_pass = service->missing_pass;
	}
	e->public.candidates = e->candidates;
	return list_candidates(e, q, winner);
}

/* ---- the question ---- */

static void split_address(const struct sockaddr_storage *address, uint8_t ret_addr[16],
			  uint16_t *ret_port, uint8_t *ret_family)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;

	memset(ret_addr, 0, 16);
	*ret_family = address->ss_family == AF_INET6 ? 6 : 4;
	if (*ret_family == 6)
		memcpy(ret_addr, &v6->sin6_addr, 16);
	else
		memcpy(ret_addr, &v4->sin_addr, 4);
	*ret_port = ntohs(*ret_family == 6 ? v6->sin6_port : v4->sin_port);
}

static int check_address(const struct sockaddr_storage *address, struct anybind_report *report)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	if (address->ss_family != AF_INET && address->ss_family != AF_INET6)
		return report_error(report, -EAFNOSUPPORT, NULL,
				    "an address of the flow is neither IPv4 nor IPv6");
	if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return report_error(report, -EINVAL, "Give the IPv4 address.",
				    "an IPv4-mapped IPv6 address stands for IPv4 and is in no "
				    "packet");
	return 0;
}

static int ask(const struct anybind *a, const struct anybind_flow *flow, struct question *q,
	       struct anybind_report *report)
{
	uint8_t source_family;
	int r = check_address(&flow->source, report);

	if (!r)
		r = check_address(&flow->destination, report);
	if (r < 0)
		return r;
	split_address(&flow->destination, q->run.dst, &q->run.dst_port, &q->run.family);
	split_address(&flow->source, q->run.src, &q->run.src_port, &source_family);
	if (source_family != q->run.family)
		return report_error(report, -EINVAL, "Give two addresses of one family.",
				    "source is IPv%u, destination IPv%u", source_family,
				    q->run.family);
	if (flow->protocol != IPPROTO_TCP && flow->protocol != IPPROTO_UDP)
		return report_error(report, -EINVAL, NULL, "the protocol is neither tcp nor udp");
	q->run.proto = flow->protocol;
	if (!flow->dev)
		return 0;
	r = facts_ifindex(&a->ns, flow->dev);
	if (r <= 0) {
		char quoted[QUOTED_MAX], where[NETNS_TEXT_MAX];

		return report_error(report, r ? r : -ENODEV, "`ip link` lists what there is.",
				    "no interface %s in %s",
				    text_quote(flow->dev, strlen(flow->dev), quoted),
				    netns_text(&a->ns, where));
	}
	q->ifindex = r;
	q->dev_name = flow->dev;
	for (size_t i = 0; i < q->rs->n_devices; i++)
		if (q->rs->devices[i].ifindex == q->ifindex)
			q->dev = i + 1;
	return 0;
}

static int answer(struct explanation *e, const struct anybind *a, const struct question *q,
		  struct anybind_report *report)
{
	struct census census = { 0 };
	int r = answer_from_rules(e, q);

	if (!r)
		r = census_take(&census, &a->ns);
	if (r < 0)
		return report_error(report, r, NULL, "cannot look at the namespace's sockets: %s",
				    report_errno(r));
	r = explain_kernel(e, q, &census);
	census_free(&census);
	if (r < 0)
		return report_error(report, r, NULL, "cannot look at the service's sockets: %s",
				    report_errno(r));
	if (e->public.check != ANYBIND_CHECK_DISAGREES)
		return 0;
	return report_error(report, -EUCLEAN,
			    "Ask again, in case something changed just now; if it stays, report it "
			    "with the output of `anybind rules`.",
			    "explain is not sure: %s", e->check_text);
}

int anybind_explain(struct anybind *a, const struct anybind_flow *flow,
		    struct anybind_explanation **ret_explanation, struct anybind_report *report)
{
	struct explanation *e = calloc(1, sizeof(*e));
	struct current current = CURRENT_NONE;
	struct anybind_ruleset *rs = NULL;
	struct registry registry = { 0 };
	struct question q = { 0 };
	bool answered = false;
	int r;

	if (!e)
		return report_oom(report);
	r = dispatcher_read(a, &current, report);
	if (!r)
		r = table_ruleset(&current.table, &rs, report);
	if (!r) {
		q = (struct question){ a, rs, &current.table, &current.generation, &registry };
		r = ask(a, flow, &q, report);
	}
	if (!r) {
		r = registry_open(&registry, &current.maps, false);
		if (r < 0)
			report_error(report, r, NULL, "cannot read the registry of services: %s",
				     report_errno(r));
	}
	if (!r) {
		r = answer(e, a, &q, report);
		answered = !r || r == -EUCLEAN;
	}
	registry_close(&registry);
	anybind_ruleset_free(rs);
	current_close(&current);
	if (answered)
		*ret_explanation = &e->public;
	else
		free(e);
	return r;
}
