// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_field.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

/* ---- who competes ---- */

__attribute__((format(printf, 3, 4))) static struct competitor *
enter(struct field *field, enum how how, const char *format, ...)
{
	struct competitor *c = &field->competitors[field->n++];
	va_list ap;

	*c = (struct competitor){ .how = how, .sockets = 1, .program = -1 };
	va_start(ap, format);
	vsnprintf(c->name, sizeof(c->name), format, ap);
	va_end(ap);
	return c;
}

static void enter_program(struct field *field, int program, const struct flood_sockets *targets,
			  uint32_t warm, const char *name)
{
	struct competitor *c;

	if (program < 0)
		return;
	c = enter(field, BY_PROGRAM, "%s", name);
	c->program = program;
	c->targets = targets;
	c->warm = warm;
}

static void enter_sockets(struct field *field, size_t n)
{
	enter(field, BY_EXACT, "%zu sockets on the port", n)->sockets = n;
}

/* Sockets on one port, the classic way. */
static void enter_classic(struct field *field, const struct place *place)
{
	if (place->kind == PLACE_ONE) {
		enter(field, BY_ANY, "INADDR_ANY");
		enter_sockets(field, 250);
	}
	if (place->kind == PLACE_NET || place->kind == PLACE_ONE)
		enter_sockets(field, place->n);
}

/*
 * Where no one socket without help takes all packets, the program that assigns
 * a fixed one is the reference.
 */
static void choose_reference(struct field *field, const struct place *place)
{
	bool fixed = place->kind == PLACE_PORTS || place->kind == PLACE_MIXED;

	if (fixed)
		enter_program(field, field->peers.fixed, &field->targets, 0, "fixed socket");
	else if (place->kind == PLACE_ONE)
		enter(field, BY_EXACT, "exact address");
	else
		enter(field, BY_ANY, "INADDR_ANY");
	field->reference = field->competitors[0];
	strcpy(field->competitors[0].name, "again (A/A)");
	if (!fixed) {
		field->competitors[field->n] = field->competitors[0];
		field->competitors[field->n].world = WORLD_TWIN;
		strcpy(field->competitors[field->n++].name, "again, other namespace");
	}
}

static void enter_all(struct field *field, const struct place *place, uint32_t warm)
{
	bool net = place->kind == PLACE_NET || place->kind == PLACE_ONE;

	choose_reference(field, place);
	enter_classic(field, place);
	if (net || place->kind == PLACE_PORTS)
		enter(field, BY_TPROXY, "nftables TPROXY")->world = WORLD_TPROXY;
	if (place->kind != PLACE_PORTS && place->kind != PLACE_MIXED) {
		enter_program(field, field->peers.pass, NULL, 0, "sk_lookup, passes");
		enter_program(field, field->peers.found, NULL, 0, "sk_lookup, finds a socket");
		enter_program(field, field->peers.fixed, &field->targets, 0,
			      "sk_lookup, fixed socket");
		enter_program(field, field->peers.counted, &field->targets, 0,
			      "sk_lookup, fixed, counts");
	}
	if (place->kind == PLACE_MIXED)
		enter_program(field, field->peers.any, &field->targets, 0,
			      "one of 16 sockets, no rules");
	enter_program(field, field->peers.lpm, &field->targets, warm, "two LPM lookups");
	enter_program(field, field->anybind, &field->targets, warm, "anybind");
	enter_program(field, field->anybind_thousand, &field->thousand, 0,
		      "anybind, 1000 sockets");
	enter(field, BY_NOTHING, "generator");
}

/* ---- what they need ---- */

/* Out of the flood's way: nothing but a dispatcher leads there. */
static int open_targets(struct flood_sockets *targets, size_t n, bool v6, bool tcp)
{
	struct flood_socket_options options = { .v6 = v6, .tcp = tcp };
	uint32_t loopback[4] = { v6 ? 0 : htonl(INADDR_LOOPBACK), 0, 0, htonl(1) };
	int r = 0;

	for (size_t i = 0; i < n && !r; i++)
		r = flood_sockets_add(targets, &options, loopback, 0);
	return r;
}

static int load_thousand(struct field *field, bool v6, bool tcp, struct anybind_report *report)
{
	const struct setting *s = &field->setting;
	int r = open_targets(&field->thousand, 1000, v6, tcp);

	return r ? r : flood_anybind_load(&field->anybind_thousand, s->text, s->text_size, 1,
					  &field->thousand, report);
}

static int load_all(struct field *field, const struct place *place, bool v6, bool tcp,
		    size_t lpm_max, struct anybind_report *report)
{
	struct setting *s = &field->setting;
	int r = setting_new(s, place, v6, tcp);

	if (!r)
		r = open_targets(&field->targets, s->services, v6, tcp);
	if (!r)
		r = flood_peers_load(&field->peers, s, &field->targets, lpm_max);
	if (!r)
		r = flood_anybind_load(&field->anybind, s->text, s->text_size, s->services,
				       &field->targets, report);
	if (!r && place->kind == PLACE_NET && place->n < 1000)
		r = load_thousand(field, v6, tcp, report);
	return r;
}

int field_new(struct field **ret, const struct place *place, bool v6, bool tcp,
	      const struct field_options *options, struct anybind_report *report)
{
	struct field *field = calloc(1, sizeof(*field));
	uint32_t warm;
	int r;

	if (!field)
		return -ENOMEM;
	field->setting = SETTING_NONE;
	field->anybind = field->anybind_thousand = -1;
	r = load_all(field, place, v6, tcp, options->lpm_max, report);
	if (r < 0) {
		field_free(field);
		return r;
	}
	warm = place->n < options->warm_max ? place->n : options->warm_max;
	enter_all(field, place, warm);
	*ret = field;
	return 0;
}

void field_free(struct field *field)
{
	if (field->anybind >= 0)
		close(field->anybind);
	if (field->anybind_thousand >= 0)
		close(field->anybind_thousand);
	if (field->peers.skel)
		flood_peers_close(&field->peers);
	flood_sockets_close(&field->targets);
	flood_sockets_close(&field->thousand);
	setting_free(&field->setting);
	free(field);
}
