/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "change.h"

#include <errno.h>
#include <stdlib.h>

struct taking {
	struct change *change;
	size_t begin; /* of the rules looked at */
};

static void add_taking(size_t index, void *data)
{
	const struct taking *taking = data;
	struct change *c = taking->change;

	index += taking->begin;
	if (c->after->rules[index].action != ANYBIND_PASS)
		c->taking[c->n_taking++] = (uint32_t)index;
}

/* @n rules of @rs, from @begin on, with the names of all. */
static struct anybind_ruleset part_of(const struct anybind_ruleset *rs, size_t begin, size_t n)
{
	struct anybind_ruleset part = *rs;

	part.rules += begin;
	part.n_rules = n;
	return part;
}

int change_find_taking(struct change *c, const struct span *span)
{
	const struct anybind_ruleset after = part_of(c->after, span->begin, span->n_after);
	struct taking taking = { c, span->begin };
	struct anybind_ruleset before;

	c->n_taking = 0;
	c->taking = calloc(span->n_after + 1, sizeof(*c->taking));
	if (!c->taking)
		return -ENOMEM;
	if (!c->before) {
		for (size_t i = 0; i < span->n_after; i++)
			add_taking(i, &taking);
		return 0;
	}
	before = part_of(c->before, span->begin, span->n_before);
	ruleset_each_new(&before, &after, add_taking, &taking);
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
