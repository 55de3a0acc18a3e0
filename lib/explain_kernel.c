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

#include "error.h"

/* A service may get another socket while we look; then we look again. */
#define TRIES 3

/* The verdict word that rules give, in the table's terms. */
static uint32_t expected_verdict(const struct question *q, uint16_t dev)
{
	ssize_t i = ruleset_match(q->rs, q->run.family, q->run.proto, q->run.dst, q->run.dst_port,
				  q->run.src, dev);
	const struct service *service;

	if (i < 0 || q->rs->rules[i].action == ANYBIND_PASS)
		return VERDICT_PASS;
	if (q->rs->rules[i].action == ANYBIND_DROP)
		return VERDICT_DROP;
	service = &q->rs->services[q->rs->rules[i].service];
	return VERDICT_SERVICE | service->id << VERDICT_ID_SHIFT |
	       (service->missing_pass ? VERDICT_MISSING_PASS : 0);
}

static uint32_t table_verdict(const struct question *q, uint32_t ifindex)
{
	return table_lookup(q->table, q->run.family, q->run.proto, q->run.dst, q->run.dst_port,
			    q->run.src, ifindex);
}

/* The sockets that a verdict may lead to; one of them is the flow's. */
struct choice {
	uint32_t own; /* the service's own slot for them */
	uint64_t *cookies;
	size_t n;
};

/* Those of one own slot that are open and get flows. */
static int choose_own(const struct question *q, uint32_t own, struct choice *ret)
{
	struct members members;
	int r = members_read(&q->anybind->state, q->registry, own, &members);

	if (r < 0)
		return r;
	*ret = (struct choice){own, calloc(members.n + 1, sizeof(*ret->cookies)), 0};
	if (!ret->cookies)
		r = -ENOMEM;
	for (size_t i = 0; i < members.n && !r; i++)
		if (members.v[i].weight || members.v[i].standby)
			ret->n += !kernel_slot_cookie(q->registry->maps.fd[MAP_SOCKETS],
						      members.v[i].slot, &ret->cookies[ret->n]);
	members_free(&members);
	return r;
}

static int choose(const struct question *q, uint32_t verdict, struct choice *ret)
{
	uint32_t id = verdict >> VERDICT_ID_SHIFT & VERDICT_ID_MASK;
	bool udp = q->run.proto == IPPROTO_UDP;
	int r;

	*ret = (struct choice){0};
	if ((verdict & VERDICT_KIND) != VERDICT_SERVICE)
		return 0;
	r = choose_own(q, SLOT(id, udp, q->run.family == 6), ret);
	if (r < 0 || ret->n || q->run.family == 6)
		return r;
	free(ret->cookies); /* a dual-stack socket serves IPv4, too */
	*ret = (struct choice){0};
	return choose_own(q, SLOT(id, udp, 1), ret);
}

static bool may_choose(const struct choice *choice, uint64_t cookie)
{
	for (size_t i = 0; i < choice->n; i++)
		if (choice->cookies[i] == cookie)
			return true;
	return false;
}

/* What the kernel should do with a verdict whose service has no usable socket. */
static bool passes_without_socket(uint32_t verdict)
{
	if ((verdict & VERDICT_KIND) == VERDICT_SERVICE)
		return verdict & VERDICT_MISSING_PASS;
	return (verdict & VERDICT_KIND) == VERDICT_PASS;
}

/* What came of the kernel's test run. */
struct trial {
	enum anybind_kernel_check check;
	int error;	 /* of the run itself */
	bool refused;	 /* it went without any of the sockets that are there */
	uint64_t cookie; /* of the socket that it chose */
};

/*
 * Compares a test run with @verdict and its sockets. Sockets that the kernel
 * refuses (IPv6 only, shut down) count as agreement: the policy for a missing
 * one decides, and .refused says so.
 */
static struct trial try(const struct question *q, uint32_t verdict, const struct choice *choice)
{
	struct test_run run = q->run;
	struct trial trial = {ANYBIND_CHECK_DISAGREES, 0, false, 0};
	int r = kernel_test_run(q->generation->program, &run);

	if (r == -EOPNOTSUPP && choice->n) {
		trial.check = ANYBIND_CHECK_GROUP;
	} else if (r < 0) {
		trial.error = r;
	} else if (run.cookie) {
		trial.cookie = run.cookie;
		if (run.pass && may_choose(choice, run.cookie))
			trial.check = ANYBIND_CHECK_AGREES;
	} else if (run.pass == passes_without_socket(verdict)) {
		trial.check = ANYBIND_CHECK_AGREES;
		trial.refused = choice->n;
	}
	return trial;
}

static void say_check(struct explanation *e, const struct question *q, const struct trial *trial)
{
	const char *device = q->ifindex ? " (without the interface, which a test run cannot have)"
					: "";

	switch (e->public.check) {
	case ANYBIND_CHECK_AGREES:
		snprintf(e->check_text, REASON_MAX, "a test run of the program comes to the same%s%s", device,
			 trial->refused ? "; the kernel refuses the registered socket for this packet" : "");
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

/* The socket that the packet goes to: the kernel's choice or, for another verdict, any. */
static void name_socket(struct explanation *e, const struct choice *choice,
			const struct trial *trial, const struct census *census)
{
	uint64_t cookie = choice->n ? choice->cookies[0] : 0;

	if (trial && trial->check == ANYBIND_CHECK_AGREES && trial->cookie)
		cookie = trial->cookie;
	e->public.missing = !cookie || (trial && trial->refused);
	if (!cookie)
		return;
	census_describe(census, choice->own, cookie, &e->socket, &e->socket_text);
	e->public.socket = &e->socket;
}

int explain_kernel(struct explanation *e, const struct question *q, const struct census *census)
{
	/* A test run has no interface: what is compared is the answer without one. */
	uint32_t verdict = expected_verdict(q, q->dev), plain = expected_verdict(q, 0);
	struct trial trial = {ANYBIND_CHECK_DISAGREES, 0, false, 0};
	struct choice choice = {0};
	int r = 0;

	e->public.check = ANYBIND_CHECK_DISAGREES;
	if (table_verdict(q, q->ifindex) != verdict || table_verdict(q, 0) != plain) {
		snprintf(e->check_text, REASON_MAX, "the compiled table and the rules differ");
		e->public.check_text = e->check_text;
		return 0;
	}
	for (int i = 0; i < TRIES && trial.check == ANYBIND_CHECK_DISAGREES && !r; i++) {
		free(choice.cookies);
		r = choose(q, plain, &choice);
		if (!r)
			trial = try(q, plain, &choice);
	}
	e->public.check = trial.check;
	say_check(e, q, &trial);
	if (verdict != plain && !r) {
		free(choice.cookies);
		r = choose(q, verdict, &choice);
	}
	if (!r && (verdict & VERDICT_KIND) == VERDICT_SERVICE)
		name_socket(e, &choice, verdict == plain ? &trial : NULL, census);
	free(choice.cookies);
	return r;
}
