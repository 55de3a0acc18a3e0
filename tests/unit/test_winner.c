/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "winner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

/* xorshift: the same numbers everywhere, so that a failure can be repeated. */
static uint32_t random_state = 2463534242u;

static uint32_t below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % n;
}

static void random_address(char *buf, size_t size, bool is_v6)
{
	/* Few different ones, so that prefixes nest and packets hit. */
	if (is_v6)
		snprintf(buf, size, "2001:db8:%x::%x", below(2), below(4));
	else
		snprintf(buf, size, "10.%u.0.%u", below(2), below(4));
}

/* Adds a random rule; one that conflicts with what is there is left out. */
static void add_random(struct anybind_ruleset *rs)
{
	static const char *const actions[] = {"pass", "drop", "bind a", "bind b"};
	static const char *const ports[] = {"any", "80", "81", "70-90", "75-95", "80-100", "90"};
	static const char *const devices[] = {"", "", " dev eth0", " dev eth1"};
	static const unsigned int lens[2][5] = {{0, 8, 15, 30, 32}, {0, 32, 47, 126, 128}};
	struct anybind_ruleset *delta;
	const bool is_v6 = below(2);
	char text[256], dst[64], src[64], from[80] = "";

	random_address(dst, sizeof(dst), is_v6);
	random_address(src, sizeof(src), is_v6);
	if (below(2))
		snprintf(from, sizeof(from), " from %s/%u", src, lens[is_v6][1 + below(4)]);
	snprintf(text, sizeof(text), "%s %s %s/%u %s%s%s\n", actions[below(4)],
		 below(2) ? "tcp" : "udp", dst, lens[is_v6][below(5)], ports[below(7)], from,
		 devices[below(4)]);
	assert_int_equal(anybind_ruleset_parse(&delta, text, strlen(text), "random", NULL), 0);
	anybind_ruleset_add(rs, delta, false, NULL);
	anybind_ruleset_free(delta);
}

static struct packet random_packet(const struct anybind_ruleset *rs)
{
	struct packet p = {
		.family = below(2) ? 6 : 4,
		.proto = below(2) ? IPPROTO_TCP : IPPROTO_UDP,
		.port = (uint16_t)(70 + below(32)),
		.dev = (uint16_t)below((uint32_t)rs->n_devices + 1),
	};
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8};

	for (int i = 0; i < 2; i++) {
		uint8_t *addr = i ? p.src : p.dst;

		if (p.family == 6) {
			memcpy(addr, v6, 16);
			addr[5] = (uint8_t)below(2);
			addr[15] = (uint8_t)below(4);
		} else {
			addr[0] = 10;
			addr[1] = (uint8_t)below(2);
			addr[3] = (uint8_t)below(4);
		}
	}
	return p;
}

/* The reference looks at every rule. */
static void test_as_reference(void **state)
{
	size_t hits = 0;

	(void)state;
	for (int round = 0; round < 60; round++) {
		struct anybind_ruleset *rs;

		assert_int_equal(anybind_ruleset_new(&rs), 0);
		for (int i = 0; i < round; i++)
			add_random(rs);
		for (int i = 0; i < 300; i++) {
			const struct packet p = random_packet(rs);
			const ssize_t expected =
				ruleset_match(rs, p.family, p.proto, p.dst, p.port, p.src, p.dev);

			assert_int_equal(winner_find(rs, &p), expected);
			assert_int_equal(winner_takes(rs, &p),
					 expected >= 0 &&
						 rs->rules[expected].action != ANYBIND_PASS);
			hits += expected >= 0;
		}
		anybind_ruleset_free(rs);
	}
	/* Neither all nor none: the packets do meet the rules. */
	assert_in_range(hits, 2000, 16000);
}

static void test_partial_overlap(void **state)
{
	/* Of one width: the lower port comes first in order, `from` in precedence. */
	static const char text[] = "bind a tcp 10.0.0.0/8 10-20\n"
				   "drop tcp 10.0.0.0/8 15-25 from 10.1.0.0/16\n";
	struct packet p = {
		.family = 4, .proto = IPPROTO_TCP, .port = 17, .dst = {10}, .src = {10, 1}};
	struct anybind_ruleset *rs;

	(void)state;
	assert_int_equal(anybind_ruleset_parse(&rs, text, strlen(text), NULL, NULL), 0);
	assert_int_equal(rs->rules[winner_find(rs, &p)].action, ANYBIND_DROP);
	p.src[1] = 2;
	assert_int_equal(rs->rules[winner_find(rs, &p)].action, ANYBIND_BIND);
	p.proto = IPPROTO_UDP;
	assert_int_equal(winner_find(rs, &p), -1);
	assert_false(winner_takes(rs, &p));
	anybind_ruleset_free(rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_reference),
		cmocka_unit_test(test_partial_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
