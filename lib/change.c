/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "change.h"

#include <errno.h>
#include <stdlib.h>

static void add_taking(size_t index, void *data)
{
	struct change *c = data;

	if (c->after->rules[index].action != ANYBIND_PASS)
		c->taking[c->n_taking++] = (uint32_t)index;
}

int change_find_taking(struct change *c)
{
	c->n_taking = 0;
	c->taking = calloc(c->after->n_rules + 1, sizeof(*c->taking));
	if (!c->taking)
		return -ENOMEM;
	if (c->before)
		ruleset_each_new(c->before, c->after, add_taking, c);
	else
		for (size_t i = 0; i < c->after->n_rules; i++)
			add_taking(i, c);
	return 0;
}

bool change_took_before(const struct change *c, const struct packet *packet)
{
	struct packet same = *packet;

	if (!c->before)
		return false;
	if (packet->dev)
		same.dev =
			(uint16_t)(1 + ruleset_find_device(
					       c->before, c->after->devices[packet->dev - 1].name));
	return winner_takes(c->before, &same);
}

bool change_newly_takes(const struct change *c, size_t index, const struct packet *packet)
{
	return winner_find(c->after, packet) == (ssize_t)index && !change_took_before(c, packet);
}
