// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_places.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "flood_mixed.h"
#include "peers.h"

#define NET4 0xc6120000u /* 198.18.0.0 */
#define NET6 0x20010db8u /* 2001:db8:: */

/* Destinations are read in order, but not so many that they crowd out what is measured. */
static uint32_t enough_draws(size_t n)
{
	uint32_t draws = 4096;

	while (draws < 4 * n && draws < DESTINATIONS)
		draws *= 2;
	return draws;
}

/* Addresses from the prefix's second on. */
static int consecutive(struct host_rules *ret, size_t n, bool v6, bool tcp, unsigned int bits)
{
	struct host_rules rules = { .n = n, .v6 = v6, .tcp = tcp, .bits = bits };

	rules.v = calloc(n, sizeof(*rules.v));
	if (!rules.v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		rules.v[i].addr[0] = htonl(v6 ? NET6 : NET4 + i + 1);
		if (v6)
			rules.v[i].addr[3] = htonl(i + 1);
		rules.v[i].port = FLOOD_PORT;
	}
	*ret = rules;
	return 0;
}

/* Any of the @n addresses, with any port. */
static int spread_ports(struct host_rules *addresses, size_t n)
{
	struct host_rule *all = calloc(65535, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < 65535; i++) {
		all[i] = addresses->v[i % n];
		all[i].port = 1 + i;
	}
	host_rules_free(addresses);
	addresses->v = all;
	addresses->n = 65535;
	return 0;
}

/* One rule for the prefix. */
static int new_net(struct setting *s, const struct place *place, bool v6, bool tcp)
{
	unsigned int host_bits = v6 ? 128 : 32;
	unsigned int bits = place->kind == PLACE_ONE ? host_bits :
						       (v6 ? place->bits6 : place->bits4);
	int r = consecutive(&s->rules, 1, v6, tcp, bits);

	if (!r)
		r = consecutive(&s->addresses, place->n, v6, tcp, host_bits);
	if (r < 0)
		return r;
	if (place->kind != PLACE_ONE) /* the prefix itself */
		s->rules.v[0].addr[v6 ? 3 : 0] = v6 ? 0 : htonl(NET4);
	if (place->kind == PLACE_PORTS) {
		s->rules.v[0].port = 0;
		return spread_ports(&s->addresses, place->n);
	}
	return 0;
}

/*
 * All for one service: what INADDR_ANY is compared with has one socket, too.
 * That sixteen sockets need more room in a cache is not the dispatcher's doing.
 */
static int new_hosts(struct setting *s, const struct place *place, bool v6, bool tcp)
{
	int r = host_rules_new(&s->rules, place->n, v6, false);

	if (!r)
		r = host_rules_new(&s->addresses, place->n, v6, false);
	if (r < 0)
		return r;
	s->rules.tcp = s->addresses.tcp = tcp;
	for (size_t i = 0; i < place->n; i++)
		s->rules.v[i].service = 0;
	return 0;
}

int setting_new(struct setting *ret, const struct place *place, bool v6, bool tcp)
{
	_cleanup_(setting_free) struct setting s = { .services = 1 };
	int r;

	if (place->kind == PLACE_MIXED) {
		s.services = MIXED_SERVICES;
		r = mixed_rules_new(&s.text, &s.text_size, &s.addresses, place->n, v6, tcp);
	} else {
		r = place->kind == PLACE_HOSTS ? new_hosts(&s, place, v6, tcp) :
						 new_net(&s, place, v6, tcp);
		if (!r)
			r = host_rules_text(&s.rules, &s.text, &s.text_size);
	}
	if (r < 0)
		return r;
	s.drawn = place->kind == PLACE_ONE ? 1 : enough_draws(s.addresses.n);
	*ret = s;
	s = SETTING_NONE;
	return 0;
}

void setting_free(struct setting *setting)
{
	host_rules_free(&setting->rules);
	host_rules_free(&setting->addresses);
	free(setting->text);
}

void setting_draw(const struct setting *setting, union destinations *to)
{
	static const uint16_t unused[SERVICES];
	struct host_rules from = setting->addresses;

	if (setting->drawn == 1)
		from.n = 1;
	host_rules_draw(&from, unused, to);
}
