// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * explain's check of itself: the compiled table and the kernel's test run of
 * the program must come to what the rules say.
 */
#include "explain.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "verdict.h"

/* A service may get another socket while we look; then we look again. */
#define TRIES 3

/* The rule that decides, or NULL. */
static const struct rule *find_rule(const struct question *q, uint16_t dev)
{
	ssize_t i = ruleset_match(q->rs, q->run.family, q->run.proto, q->run.dst, q->run.dst_port,
				  q->run.src, dev);

	return i < 0 ? NULL : &q->rs->rules[i];
}

/* Is the verdict in the table, and with it the fallbacks of its service? */
static bool table_agrees(const struct question *q, const struct rule *rule, uint32_t ifindex)
{
	const struct service *service, *next;

	if (table_lookup(q->table, q->run.family, q->run.proto, q->run.dst, q->run.dst_port,
			 q->run.src, ifindex) != rule_verdict(q->rs, rule))
		return false;
	if (!rule || rule->action != ANYBIND_BIND)
		return true;
	for (service = &q->rs->services[rule->service]; service; service = next) {
		next = service->fallback ? &q->rs->services[service->fallback - 1] : NULL;
		if (table_fallback(q->table, service->id) !=
		    (next ? VERDICT_SERVICE(next->id, false) : 0))
			return false;
	}
	return true;
}

/* The sockets of one service that a packet may go to; one of them is the flow's. */
struct choice {
	const struct service *service;
	uint32_t own; /* the service's own slot for them */
	uint64_t *cookies;
	size_t n;
};

/* Of the service that a rule names, then of its fallbacks. */
struct choices {
	struct choice v[1 + FALLBACKS_MAX];
	size_t n;
};

static void choices_free(struct choices *choices)
{
	for (size_t i = 0; i < choices->n; i++)
		free(choices->v[i].cookies);
	choices->n = 0;
}

static size_t count_slots(const struct members *members)
{
	size_t n = 0;

	for (size_t i = 0; i < members->n; i++)
		n += member_slots(&members->v[i]);
	return n;
}

/* Those of one own slot that are open and get flows. */
static int choose_own(const struct question *q, uint32_t own, struct choice *ret)
{
	struct members members;
	int r = members_read(&q->anybind->state, q->registry, own, &members);

	if (r < 0)
		return r;
	free(ret->cookies);
	ret->own = own;
	ret->n = 0;
	ret->cookies = calloc(count_slots(&members) + 1, sizeof(*ret->cookies));
	if (!ret->cookies)
		r = -ENOMEM;
	for (size_t i = 0; i < members.n && !r; i++) {
		const struct member *m = &members.v[i];

		for (uint32_t k = 0; k < member_slots(m) && (m->weight || m->standby); k++)
			ret->n += !kernel_slot_cookie(q->registry->maps.fd[MAP_SOCKETS],
						      m->slot + k, &ret->cookies[ret->n]);
	}
	members_free(&members);
	return r;
}

static int choose_service(const struct question *q, struct choice *choice)
{
	bool udp = q->run.proto == IPPROTO_UDP, v6 = q->run.family == 6;
	int r = choose_own(q, SLOT(choice->service->id, udp, v6), choice);

	if (r < 0 || choice->n || v6)
		return r;
	/* A dual-stack socket serves IPv4, too. */
	return choose_own(q, SLOT(choice->service->id, udp, 1), choice);
}

static int choose(const struct question *q, const struct rule *rule, struct choices *ret)
{
	const struct service *services = q->rs->services, *service;
	int r = 0;

	choices_free(ret);
	if (!rule || rule->action != ANYBIND_BIND)
		return 0;
	for (service = &services[rule->service]; service && !r;
	     service = service->fallback ? &services[service->fallback - 1] : NULL) {
		struct choice *choice = &ret->v[ret->n++];

		*choice = (struct choice){.service = service};
		r = choose_service(q, choice);
	}
	return r;
}

/* The first service with a socket; ->n: none has one. */
static size_t first_with_socket(const struct choices *choices)
{
	size_t i = 0;

	while (i < choices->n && !choices->v[i].n)
		i++;
	return i;
}

/* The service that has the socket; ->n: none has. */
static size_t find_cookie(const struct choices *choices, uint64_t cookie)
{
	for (size_t i = 0; i < choices->n; i++)
		for (size_t j = 0; j < choices->v[i].n; j++)
			if (choices->v[i].cookies[j] == cookie)
				return i;
	return choices->n;
}

/* What the kernel should do with a verdict whose service has no usable socket. */
static bool passes_without_socket(uint32_t verdict)
{
	if (VERDICT_IS_SERVICE(verdict))
		return verdict & VERDICT_MISSING_PASS;
	return verdict == VERDICT_PASS;
}

/* What came of the kernel's test run. */
struct trial {
	enum anybind_kernel_check check;
	int error;	 /* of the run itself */
	bool refused;	 /* it went without sockets that are there */
	uint64_t cookie; /* of the socket that it chose */
};

/*
 * Compares a test run with @verdict and its sockets. Sockets that the kernel
 * refuses (IPv6 only, shut down) count as agreement: the fallback or the policy
 * for a missing one decides, and .refused says so.
 */
static struct trial try(const struct question *q, uint32_t verdict, const struct choices *choices)
{
	struct test_run run = q->run;
	struct trial trial = {ANYBIND_CHECK_DISAGREES, 0, false, 0};
	int r = kernel_test_run(q->generation->program, &run);
	size_t first = first_with_socket(choices), chosen;

	if (r == -EOPNOTSUPP && first < choices->n) {
		trial.check = ANYBIND_CHECK_GROUP;
	} else if (r < 0) {
		trial.error = r;
	} else if (run.cookie) {
		chosen = find_cookie(choices, run.cookie);
		trial.cookie = run.cookie;
		trial.refused = first < chosen;
		if (run.pass && chosen < choices->n)
			trial.check = ANYBIND_CHECK_AGREES;
	} else if (run.pass == passes_without_socket(verdict)) {
		trial.check = ANYBIND_CHECK_AGREES;
		trial.refused = first < choices->n;
	}
	return trial;
}

static void say_check(struct explanation *e, const struct question *q, const struct trial *trial)
{
	const char *device = q->ifindex ? " (without the interface, which a test run cannot have)"
					: "";

	switch (e->public.check) {
	case ANYBIND_CHECK_AGREES:
		snprintf(e->check_text, REASON_MAX,
			 "a test run of the program comes to the same%s%s", device,
			 trial->refused ? "; the kernel refuses a registered socket for this packet"
					: "");
		break;
	case ANYBIND_CHECK_GROUP:
		snprintf(e->check_text, REASON_MAX,
			 "a test run of the program chose a socket of a reuseport group%s", device);
		break;
	case ANYBIND_CHECK_DISAGREES:
		if (trial->error)
			snprintf(e->check_text, REASON_MAX, "the test run of the program failed: %s",
				 report_errno(trial->error));
		else
			snprintf(e->check_text, REASON_MAX,
				 "a test run of the program came to something else%s", device);
	}
	e->public.check_text = e->check_text;
}

/* The service at which the packet arrives; ->n: none. */
static size_t find_taker(const struct choices *choices, const struct trial *trial)
{
	if (trial && trial->check == ANYBIND_CHECK_AGREES)
		return trial->cookie ? find_cookie(choices, trial->cookie) : choices->n;
	return first_with_socket(choices);
}

/*
 * The service and the socket that the packet goes to: the kernel's choice or,
 * for another verdict (@trial is NULL), any; where the kernel refuses all, one.
 */
static void name_socket(struct explanation *e, const struct choices *choices,
			const struct trial *trial, const struct census *census)
{
	size_t taker = find_taker(choices, trial), shown = taker;
	uint64_t cookie;

	e->public.missing = taker == choices->n;
	for (size_t i = 1; i < choices->n && i <= taker; i++) {
		memcpy(e->fallback_names[i - 1], choices->v[i].service->name,
		       sizeof(e->fallback_names[0]));
		e->fallbacks[i - 1] = e->fallback_names[i - 1];
		e->public.n_fallbacks = i;
	}
	e->public.fallbacks = e->fallbacks;
	if (e->public.missing)
		shown = first_with_socket(choices);
	if (shown == choices->n)
		return;
	cookie = choices->v[shown].cookies[0];
	if (!e->public.missing && trial && trial->check == ANYBIND_CHECK_AGREES)
		cookie = trial->cookie;
	census_describe(census, choices->v[shown].own, cookie, &e->socket, &e->socket_text);
	e->public.socket = &e->socket;
}

int explain_kernel(struct explanation *e, const struct question *q, const struct census *census)
{
	/* A test run has no interface: what is compared is the answer without one. */
	const struct rule *rule = find_rule(q, q->dev), *plain = find_rule(q, 0);
	bool same = rule_verdict(q->rs, rule) == rule_verdict(q->rs, plain);
	struct trial trial = {ANYBIND_CHECK_DISAGREES, 0, false, 0};
	struct choices choices = {.n = 0};
	int r = 0;

	e->public.check = ANYBIND_CHECK_DISAGREES;
	if (!table_agrees(q, rule, q->ifindex) || !table_agrees(q, plain, 0)) {
		snprintf(e->check_text, REASON_MAX, "the compiled table and the rules differ");
		e->public.check_text = e->check_text;
		return 0;
	}
	for (int i = 0; i < TRIES && trial.check == ANYBIND_CHECK_DISAGREES && !r; i++) {
		r = choose(q, plain, &choices);
		if (!r)
			trial = try(q, rule_verdict(q->rs, plain), &choices);
	}
	e->public.check = trial.check;
	say_check(e, q, &trial);
	if (!same && !r)
		r = choose(q, rule, &choices);
	if (!r && choices.n)
		name_socket(e, &choices, same ? &trial : NULL, census);
	choices_free(&choices);
	return r;
}
