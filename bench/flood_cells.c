// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What a packet costs: the competitors take short turns in shuffled order, and
 * each turn is divided by the mean of the reference's turns before and after it.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "flood_bench.h"
#include "flood_memory.h"
#include "flood_report.h"
#include "flood_thread.h"

static const struct place places[] = {
	{ "one address", PLACE_ONE, 0, 0, 16000 },
	{ "/24", PLACE_NET, 24, 120, 250 },
	{ "/24, all ports", PLACE_PORTS, 24, 120, 250 },
	{ "/18", PLACE_NET, 18, 114, 16000 },
	{ "160 hosts", PLACE_HOSTS, 0, 0, 160 },
	{ "10000 hosts", PLACE_HOSTS, 0, 0, 10000 },
	{ "400000 hosts", PLACE_HOSTS, 0, 0, 400000 },
	{ "1000000 hosts", PLACE_HOSTS, 0, 0, 1000000 },
	{ "10000 mixed", PLACE_MIXED, 0, 0, 10000 },
};

/* So many sockets take long to open: such a competitor has fewer turns, and longer ones. */
#define SLOW_EVERY 4

static bool is_slow(const struct competitor *c)
{
	return c->how == BY_EXACT && c->sockets > 1000;
}

/* A SYN cookie takes as long as three dropped SYNs. */
static uint32_t packets_of(const struct bench *b, enum flood_kind kind)
{
	return kind == FLOOD_COOKIES ? b->options.packets / 5 * 2 : b->options.packets;
}

static double take_turn(const struct bench *b, const struct competitor *c,
			const struct flood *flood)
{
	uint64_t lost = 0;
	double ns = 0;
	int r = competitor_turn(c, flood, packets_of(b, flood->kind),
				is_slow(c) ? SLOW_EVERY : 1, &ns, &lost);

	if (r == -EBADMSG)
		die(0, "%s flood, %s: %llu packets did not get to their socket",
		    flood_names[flood->kind], c->name, (unsigned long long)lost);
	if (r < 0)
		die(r, "%s flood, %s", flood_names[flood->kind], c->name);
	return ns;
}

static void shuffle(struct competitor **v, unsigned int n)
{
	for (unsigned int i = n; i > 1; i--) {
		unsigned int j = random() % i;
		struct competitor *other = v[j];

		v[j] = v[i - 1];
		v[i - 1] = other;
	}
}

static void run_turns(const struct bench *b, struct field *field, const struct flood *flood,
		      bool slow_ones_too)
{
	struct competitor *order[COMPETITORS_MAX];
	unsigned int n = 0;
	double before;

	for (unsigned int i = 0; i < field->n; i++)
		if (slow_ones_too || !is_slow(&field->competitors[i]))
			order[n++] = &field->competitors[i];
	shuffle(order, n);
	before = take_turn(b, &field->reference, flood);
	for (unsigned int i = 0; i < n; i++) {
		double ns = take_turn(b, order[i], flood), after, reference;

		/* The kernel may still be freeing, or others may have run while it was waited for. */
		if (order[i]->how == BY_EXACT && order[i]->sockets >= MANY_SOCKETS)
			take_turn(b, &field->reference, flood);
		after = take_turn(b, &field->reference, flood);
		reference = (before + after) / 2;
		samples_add(&field->reference.ns, after);
		samples_add(&order[i]->ns, ns);
		samples_add(&order[i]->ratio, ns / reference);
		samples_add(&order[i]->added, ns - reference);
		before = after;
	}
}

static void clear(struct field *field)
{
	field->reference.ns.n = 0;
	for (unsigned int i = 0; i < field->n; i++)
		field->competitors[i].ns.n = field->competitors[i].ratio.n =
			field->competitors[i].added.n = 0;
}

static void run_cell(struct bench *b, struct field *field, const struct place *place,
		     const struct flood *flood)
{
	use_syncookies(b, flood->kind == FLOOD_COOKIES);
	clear(field);
	for (unsigned int round = 0; round < b->options.rounds; round++)
		for (unsigned int turn = 0; turn < b->options.turns; turn++)
			run_turns(b, field, flood, turn % SLOW_EVERY == 0);
	flood_print(field, place, flood);
	json_array_append_new(b->cells, flood_json(field, place, flood));
}

/* All floods of one protocol: what is loaded serves them all. */
static void run_place(struct bench *b, const struct place *place, bool v6, bool tcp)
{
	struct anybind_report *report = anybind_report_new();
	struct field *field = NULL;

	for (enum flood_kind kind = tcp ? FLOOD_SYN : FLOOD_UDP;
	     kind <= (tcp ? FLOOD_COOKIES : FLOOD_UDP); kind++) {
		struct flood flood = { &b->worlds, &b->injector, NULL, kind, v6 };
		int r = 0;

		if (!is_wanted(b, "cost", kind, v6, place->name))
			continue;
		if (!field)
			r = field_new(&field, place, v6, tcp, &b->options.field, report);
		if (r < 0)
			die(r, "cannot set up %s: %s", place->name, first_message(report));
		flood.setting = &field->setting;
		setting_draw(&field->setting, b->injector.order);
		injector_aim(&b->injector, v6, tcp, field->setting.drawn);
		run_cell(b, field, place, &flood);
	}
	if (field) {
		field_free(field);
		if (place->n > LARGE)
			wait_for_quiet();
	}
	anybind_report_free(report);
}

/* Whoever else runs in between takes the caches along. */
static void claim_cpu(const struct bench *b, bool claim)
{
	struct sched_param param = { .sched_priority = claim };
	int r = pin_thread(b->options.cpu, NICE_FIRST);

	if (r < 0)
		die(r, "cannot run on CPU %u", b->options.cpu);
	/* Where that is not allowed the figures are noisier, not wrong. */
	sched_setscheduler(0, claim ? SCHED_FIFO : SCHED_OTHER, &param);
}

void run_cells(struct bench *b)
{
	claim_cpu(b, true);
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		for (unsigned int kind = 0; kind < 4; kind++)
			run_place(b, &places[i], kind & 1, kind & 2);
	claim_cpu(b, false);
}
