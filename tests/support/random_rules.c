// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "random_rules.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "cleanup.h"
#include "verdict.h"

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
uint64_t random_next(struct random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

unsigned int random_below(struct random *random, unsigned int n)
{
	return random_next(random) % n;
}

#define PICK(random, array) ((array)[random_below(random, ARRAY_SIZE(array))])

/* Few distinct bits, so that prefixes nest and meet. */
static void prefix4(struct random *random, char *ret, size_t size)
{
	static const unsigned int lens[] = { 0, 1, 7, 8, 9, 15, 16, 23, 24, 25, 30, 31, 32, 32, 32 };

	snprintf(ret, size, "%u.%u.%u.%u/%u", 10 + random_below(random, 2),
		 random_below(random, 2) * 128, random_below(random, 3),
		 random_below(random, 5) ? random_below(random, 8) : random_below(random, 256),
		 PICK(random, lens));
}

static void prefix6(struct random *random, char *ret, size_t size)
{
	static const unsigned int lens[] = { 0,	 1,  3,	 16, 31, 32, 33,  47,  48,  56,
					     63, 64, 65, 96, 97, 120, 126, 127, 128, 128 };

	snprintf(ret, size, "2001:db8:%x:%x::%x/%u", random_below(random, 2),
		 random_below(random, 2) * 0x8000, random_below(random, 4), PICK(random, lens));
}

static void ports(struct random *random, char *ret, size_t size)
{
	static const char *const some[] = {
		"any",	   "53",	"80",		"443",		   "53,80,443",	  "1-1024",
		"50-60",   "8000-8999", "8500-9499",	"any except 22",   "0-1023",	  "65535",
		"53-54",   "80-89",	"85-94",	"any except 1-9,80", "1-65535",	  "52-53",
		"1,3,5,7", "2-6",	"any except 53", "1-60000",	   "30000-65535", "443-444",
	};
	unsigned int lo;

	if (random_below(random, 4)) {
		snprintf(ret, size, "%s", PICK(random, some));
		return;
	}
	lo = 1 + random_below(random, 100);
	snprintf(ret, size, "%u-%u", lo, lo + random_below(random, 40));
}

static void statement(struct random *random, char *ret, size_t size)
{
	static const char *const protos[] = { "tcp", "udp", "tcp,udp" };
	static const char *const verdicts[] = { "pass", "drop", "bind s0", "bind s1", "bind s2",
						"bind s3" };
	char prefix[64], from[72] = "", dev[16] = "", range[64];
	unsigned int family = random_below(random, 9);
	size_t n;

	if (family < 4)
		prefix4(random, prefix, sizeof(prefix));
	else if (family < 8)
		prefix6(random, prefix, sizeof(prefix));
	else
		snprintf(prefix, sizeof(prefix), "any");
	if (!random_below(random, 3)) {
		n = snprintf(from, sizeof(from), "from ");
		if (family < 4)
			prefix4(random, from + n, sizeof(from) - n);
		else
			prefix6(random, from + n, sizeof(from) - n);
	}
	if (!random_below(random, 4))
		snprintf(dev, sizeof(dev), "dev d%u", random_below(random, RANDOM_DEVICES));
	ports(random, range, sizeof(range));
	snprintf(ret, size, "%s %s %s %s %s %s", PICK(random, verdicts), PICK(random, protos),
		 prefix, range, from, dev);
}

static void add(struct anybind_ruleset *rs, const char *text)
{
	char *word = (char *)text;
	struct anybind_ruleset *delta;

	if (anybind_ruleset_parse_words(&delta, 1, &word, NULL) < 0)
		return;
	anybind_ruleset_add(rs, delta, false, NULL);
	anybind_ruleset_free(delta);
}

/* The services, in half of the rule sets with fallbacks: chains, and some that join. */
static void declare(struct random *random, struct anybind_ruleset *rs)
{
	bool fallbacks = random_below(random, 2);
	unsigned int turn = random_below(random, RANDOM_SERVICES);
	char text[64];

	for (unsigned int i = 0; i < RANDOM_SERVICES; i++) {
		unsigned int n = snprintf(text, sizeof(text), "service s%u%s",
					  (i + turn) % RANDOM_SERVICES,
					  (i + turn) % 2 ? " missing pass" : "");

		/* Only to those declared before: never in a circle. */
		if (fallbacks && i && random_below(random, 4))
			snprintf(text + n, sizeof(text) - n, " fallback s%u",
				 (random_below(random, i) + turn) % RANDOM_SERVICES);
		add(rs, text);
	}
}

struct anybind_ruleset *random_ruleset(struct random *random, unsigned int n)
{
	struct anybind_ruleset *rs;
	char text[256];

	if (anybind_ruleset_new(&rs) < 0)
		abort();
	declare(random, rs);
	for (unsigned int i = 0; i < n; i++) {
		statement(random, text, sizeof(text));
		add(rs, text);
	}
	/* One prefix with many sources now and then, for the table's set of them. */
	for (unsigned int i = 0; i < 40 && n % 8 == 0; i++) {
		char from[64];

		prefix4(random, from, sizeof(from));
		snprintf(text, sizeof(text), "bind s%u udp 10.0.0.0/%u 53 from %s%s", i % 4,
			 i % 2 ? 8 : 24, from, i % 5 ? "" : " dev d1");
		add(rs, text);
		prefix6(random, from, sizeof(from));
		snprintf(text, sizeof(text), "bind s%u tcp 2001:db8::/32 1-60 from %s%s", i % 4,
			 from, i % 5 ? "" : " dev d0");
		add(rs, text);
	}
	for (size_t i = 0; i < rs->n_services; i++)
		rs->services[i].id = i;
	for (size_t i = 0; i < rs->n_devices; i++)
		rs->devices[i].ifindex = strcmp(rs->devices[i].name, "d2")
						 ? 11 + (uint32_t)(rs->devices[i].name[1] - '0')
						 : 0;
	return rs;
}

/* An address in @addr/@len, at one of its ends or anywhere. */
static void address_in(struct random *random, const uint8_t addr[16], unsigned int len,
		       unsigned int bits, uint8_t ret[16])
{
	unsigned int how = random_below(random, 4);

	memcpy(ret, addr, 16);
	for (unsigned int bit = len; bit < bits && how; bit++) {
		bool set = how == 1 || (how == 2 && random_below(random, 2)) ||
			   (how == 3 && bit + 3 >= bits && random_below(random, 2));

		if (set)
			ret[bit / 8] |= 0x80 >> bit % 8;
	}
	if (!random_below(random, 6) && len) /* just outside */
		ret[(len - 1) / 8] ^= 0x80 >> (len - 1) % 8;
}

void random_packet(struct random *random, const struct anybind_ruleset *rs, struct packet *ret)
{
	static const struct rule none = { .family = 4, .proto = IPPROTO_TCP };
	const struct rule *rule =
		rs->n_rules ? &rs->rules[random_below(random, rs->n_rules)] : &none;
	const struct rule *other =
		rs->n_rules ? &rs->rules[random_below(random, rs->n_rules)] : &none;
	unsigned int bits = rule->family == 4 ? 32 : 128;

	*ret = (struct packet){ .family = rule->family, .proto = rule->proto };
	address_in(random, rule->dst, rule->dst_len, bits, ret->dst);
	if (other->family == rule->family && random_below(random, 2))
		address_in(random, other->src, other->src_len, bits, ret->src);
	else
		address_in(random, rule->src, rule->src_len, bits, ret->src);
	ret->port = random_below(random, 2) ? rule->port_lo + random_below(random, 3) - 1
					    : rule->port_hi + random_below(random, 3) - 1;
	if (!random_below(random, 4))
		ret->port = other->port_lo;
	if (!random_below(random, 8))
		ret->proto ^= IPPROTO_TCP ^ IPPROTO_UDP;
	if (rs->n_devices && random_below(random, 2)) {
		ret->dev = random_below(random, rs->n_devices) + 1;
		ret->ifindex = rs->devices[ret->dev - 1].ifindex;
		/* Nothing comes in by a device that does not exist. */
		ret->dev = ret->ifindex ? ret->dev : 0;
	}
}

uint32_t reference_verdict(const struct anybind_ruleset *rs, const struct packet *p)
{
	ssize_t i = ruleset_match(rs, p->family, p->proto, p->dst, p->port, p->src, p->dev);

	return rule_verdict(rs, i < 0 ? NULL : &rs->rules[i]);
}
