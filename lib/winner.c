/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "winner.h"

#include <string.h>

/* The first @len bits of @addr, the rest zero. */
static void mask(uint8_t ret[16], const uint8_t addr[16], unsigned int len)
{
	memset(ret, 0, 16);
	memcpy(ret, addr, len / 8);
	if (len % 8)
		ret[len / 8] = (uint8_t)(addr[len / 8] & 0xff00 >> len % 8);
}

/* Order of the groups in a sealed ruleset: rules of one prefix and protocol. */
static int compare_group(const struct rule *a, const struct rule *b)
{
	int diff;

	if (a->family != b->family)
		return a->family - b->family;
	diff = memcmp(a->dst, b->dst, sizeof(a->dst));
	if (diff)
		return diff;
	if (a->dst_len != b->dst_len)
		return a->dst_len - b->dst_len;
	return a->proto - b->proto;
}

/* Index of the first rule of @key's group, or of where it would be. */
static size_t group_start(const struct anybind_ruleset *rs, const struct rule *key)
{
	size_t lo = 0, hi = rs->n_rules;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (compare_group(&rs->rules[mid], key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void winner_each_covering(const struct anybind_ruleset *rs, uint8_t family, uint8_t proto,
			  const uint8_t dst[16], bool (*fn)(size_t index, void *data), void *data)
{
	struct rule key = {.family = family, .proto = proto};

	for (int len = family == 4 ? 32 : 128; len >= 0; len--) {
		key.dst_len = (uint8_t)len;
		mask(key.dst, dst, key.dst_len);
		for (size_t i = group_start(rs, &key);
		     i < rs->n_rules && !compare_group(&rs->rules[i], &key); i++)
			if (!fn(i, data))
				return;
	}
}

struct contest {
	const struct anybind_ruleset *rs;
	const struct packet *packet;
	ssize_t best;
};

/*
 * Within a group narrower ranges come first, but those of one width by port
 * and not by precedence: all of that width must be seen.
 */
static bool enter_contest(size_t index, void *data)
{
	struct contest *c = data;
	const struct rule *rule = &c->rs->rules[index];
	const struct rule *best = c->best < 0 ? NULL : &c->rs->rules[c->best];
	const struct packet *p = c->packet;

	if (best && (best->dst_len != rule->dst_len ||
		     best->port_hi - best->port_lo < rule->port_hi - rule->port_lo))
		return false;
	if (rule_matches(rule, p->family, p->proto, p->dst, p->port, p->src, p->dev) &&
	    (!best || rule_precedence(rule, best) < 0))
		c->best = (ssize_t)index;
	return true;
}

ssize_t winner_find(const struct anybind_ruleset *rs, const struct packet *packet)
{
	struct contest c = {.rs = rs, .packet = packet, .best = -1};

	winner_each_covering(rs, packet->family, packet->proto, packet->dst, enter_contest, &c);
	return c.best;
}

bool winner_takes(const struct anybind_ruleset *rs, const struct packet *packet)
{
	const ssize_t i = winner_find(rs, packet);

	return i >= 0 && rs->rules[i].action != ANYBIND_PASS;
}
