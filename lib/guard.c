/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "guard.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "change.h"
#include "cleanup.h"
#include "error.h"
#include "facts.h"
#include "process.h"
#include "text.h"

/* A new connection like the ssh session that the caller types in. */
struct session {
	struct sockaddr_storage client, server;
	struct packet packet;
};

static void address_of(const struct sockaddr_storage *sa, uint8_t ret[16])
{
	memset(ret, 0, 16);
	if (sa->ss_family == AF_INET)
		memcpy(ret, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	else
		memcpy(ret, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
}

static bool find_session(struct session *ret)
{
	struct packet *p = &ret->packet;

	if (process_ssh_connection(&ret->client, &ret->server) < 0)
		return false;
	*p = (struct packet){
		.family = ret->server.ss_family == AF_INET ? 4 : 6,
		.proto = IPPROTO_TCP,
		/* At the same place in IPv4 and IPv6. */
		.port = ntohs(((struct sockaddr_in *)&ret->server)->sin_port),
	};
	address_of(&ret->server, p->dst);
	address_of(&ret->client, p->src);
	return true;
}

/*
 * The rule that newly takes the session's port, or -1. By which device the
 * session comes in is not known, so each that rules name is tried.
 */
static ssize_t find_taker(const struct change *c, struct packet *p)
{
	for (size_t dev = 0; dev <= c->after->n_devices; dev++) {
		p->dev = (uint16_t)dev;
		if (winner_takes(c->after, p) && !change_took_before(c, p))
			return winner_find(c->after, p);
	}
	return -1;
}

/* A pass rule that comes before @rule for the session; "" where there is none. */
static void way_out(const struct rule *rule, const struct packet *p, char *buf, size_t size)
{
	const unsigned int host = p->family == 4 ? 32 : 128;
	const bool wider = rule->dst_len < host || rule->port_lo < rule->port_hi;
	char server[PREFIX_TEXT_MAX], client[PREFIX_TEXT_MAX];

	text_of_prefix(p->family, p->dst, (uint8_t)host, server);
	text_of_prefix(p->family, p->src, (uint8_t)host, client);
	if (wider)
		snprintf(buf, size, "Add `pass tcp %s %u`, or use --force.", server, p->port);
	else if (rule->src_len < host)
		snprintf(buf, size, "Add `pass tcp %s %u from %s`, or use --force.", server,
			 p->port, client);
	else
		snprintf(buf, size, "If that is meant, use --force.");
}

static int check_session(const struct change *c)
{
	char rule_text[RULE_TEXT_MAX], hint[256], server[PREFIX_TEXT_MAX], client[PREFIX_TEXT_MAX];
	const struct rule *rule;
	struct session session;
	ssize_t taker;
	int r;

	if (!find_session(&session))
		return 0;
	taker = find_taker(c, &session.packet);
	if (taker < 0)
		return 0;
	r = facts_tcp_connected(c->ns, (struct sockaddr *)&session.server,
				(struct sockaddr *)&session.client);
	if (r < 0)
		report_warning(c->report, NULL,
			       "could not check whether this ssh session comes in here: %s",
			       report_errno(r));
	if (r <= 0)
		return 0;
	rule = &c->after->rules[taker];
	way_out(rule, &session.packet, hint, sizeof(hint));
	text_of_prefix(session.packet.family, session.packet.dst,
		       session.packet.family == 4 ? 32 : 128, server);
	text_of_prefix(session.packet.family, session.packet.src,
		       session.packet.family == 4 ? 32 : 128, client);
	return report_error(c->report, -EPERM, hint,
			    "'%s' would take tcp %s port %u, where this ssh session from %s "
			    "comes in",
			    ruleset_rule_text(c->after, rule, rule_text), server,
			    session.packet.port, client);
}

static void check_not_possible(struct anybind_report *report, const char *what, int code)
{
	if (code < 0)
		report_warning(report, NULL, "could not check %s: %s", what, report_errno(code));
}

int guard_commit(const struct netns *ns, const struct anybind_ruleset *before,
		 const struct anybind_ruleset *after, const uint64_t *registered_cookies,
		 size_t n_cookies, bool force, struct anybind_report *report)
{
	const struct span all = { 0, before ? before->n_rules : 0, after->n_rules };

	return guard_commit_span(ns, before, after, &all, registered_cookies, n_cookies, force,
				 report);
}

int guard_commit_span(const struct netns *ns, const struct anybind_ruleset *before,
		      const struct anybind_ruleset *after, const struct span *span,
		      const uint64_t *registered_cookies, size_t n_cookies, bool force,
		      struct anybind_report *report)
{
	_cleanup_free_ uint32_t *taking = NULL;
	struct change c = {
		.ns = ns,
		.before = before,
		.after = after,
		.cookies = registered_cookies,
		.n_cookies = n_cookies,
		.report = report,
	};
	int r;

	r = force ? 0 : check_session(&c);
	if (r < 0)
		return r;
	r = change_find_taking(&c, span);
	taking = c.taking;
	if (r < 0)
		return report_oom(report);
	if (!c.n_taking)
		return 0;
	check_not_possible(report, "which programs lose traffic", guard_listeners(&c));
	check_not_possible(report, "whether the prefixes are local", guard_prefixes(&c));
	check_not_possible(report, "whether the host's own UDP clients lose replies",
			   guard_clients(&c));
	return 0;
}
