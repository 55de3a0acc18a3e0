/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Printing, matching and validating; test_parse.c and test_edit.c have the rest. */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>

#include "cleanup.h"
#include "text.h"

static void test_canonical(void **state)
{
	(void)state;
	assert_canonical("", "");
	assert_canonical("\n \t\r\n# only a comment", "");
	assert_canonical("service b\nservice a missing pass",
			 "service a missing pass\nservice b\n");
	assert_canonical("bind web tcp any 80 # comment\r\n", "service web\nbind web tcp any 80\n");
	/* a service may be declared before or after its use */
	assert_canonical("bind a tcp any 80\nservice a missing pass\nbind a tcp any 81",
			 "service a missing pass\nbind a tcp any 80\nbind a tcp any 81\n");
	/* a fallback declares the service that it names */
	assert_canonical("service b fallback a", "service a\nservice b fallback a\n");
	assert_canonical("service b fallback none missing drop", "service b\n");
	assert_canonical("service none", "service none\n");
	assert_canonical("service c fallback b missing pass\nservice a fallback b\n"
			 "service b fallback d missing pass\nservice a missing drop fallback b",
			 "service a fallback b\nservice b missing pass fallback d\n"
			 "service c missing pass fallback b\nservice d\n");
	/* ranges of one statement are merged, those of two are not */
	assert_canonical("pass tcp any 80-89,85-95,96", "pass tcp any 80-96\n");
	assert_canonical("pass tcp any 80\npass tcp any 82\n", "pass tcp any 80,82\n");
	assert_canonical("pass tcp any 80-89\npass tcp any 85\n",
			 "pass tcp any 85\npass tcp any 80-89\n");
	assert_canonical("drop tcp any 0", "drop tcp any any\n");
	assert_canonical("drop tcp any any except 22,6000-6010",
			 "drop tcp any any except 22,6000-6010\n");
	assert_canonical("drop tcp any 0-21\ndrop tcp any 23-65535\n",
			 "drop tcp any any except 22\n");
	assert_canonical("drop tcp any 0-0", "drop tcp any any except 1-65535\n");
	assert_canonical("drop tcp any 80-89 except 85", "drop tcp any 80-84,86-89\n");
	/* protocols and families that are alike */
	assert_canonical("pass udp ::/0 53\npass tcp any 53\npass udp 0.0.0.0/0 53",
			 "pass tcp,udp any 53\n");
	assert_canonical("pass udp 10.0.0.0/8 53,54-55\npass tcp 10.0.0.0/8 53",
			 "pass tcp 10.0.0.0/8 53\npass udp 10.0.0.0/8 53-55\n");
	assert_canonical("pass tcp 0.0.0.0/0 53\npass tcp,udp ::/0 53",
			 "pass tcp 0.0.0.0/0 53\npass tcp,udp ::/0 53\n");
	/* a source says the family */
	assert_canonical("pass tcp any 53 from any", "pass tcp any 53\n");
	assert_canonical("pass tcp any 53 from 0.0.0.0/0", "pass tcp 0.0.0.0/0 53\n");
	assert_canonical("pass tcp any 53 from ::/0\npass tcp any 54 from ::1 dev lo",
			 "pass tcp ::/0 53\npass tcp ::/0 54 from ::1 dev lo\n");
	assert_canonical("pass tcp any 54 dev lo from ::1", "pass tcp ::/0 54 from ::1 dev lo\n");
	/* hosts, host bits, repetitions */
	assert_canonical("pass tcp 10.1.2.3/8 1\npass tcp 10.0.0.0/8 1\npass tcp 10.1.2.3/32 1",
			 "pass tcp 10.0.0.0/8 1\npass tcp 10.1.2.3 1\n");
	assert_canonical("bind a tcp ::1 80\nbind a tcp ::1/128 80",
			 "service a\nbind a tcp ::1 80\n");
	/* one width, another source: no conflict */
	assert_canonical("pass tcp ::1 80-89\ndrop tcp ::1 85-94 from ::2\n",
			 "pass tcp ::1 80-89\ndrop tcp ::1 85-94 from ::2\n");
}

/* Lists are cut so that every line can be read. */
static void test_long_lists(void **state)
{
	struct anybind_ruleset *rs, *again;
	char *text = calloc(1, 1 << 20), *printed;

	(void)state;
	for (int i = 10000; i < 60000; i += 20)
		sprintf(text + strlen(text), "bind s tcp,udp 10.0.0.0/8 %d-%d\n", i, i + 9);
	rs = parse(text);
	assert_int_equal(rs->n_rules, 5000);
	printed = to_text(rs);
	for (const char *line = printed, *end; (end = strchr(line, '\n')); line = end + 1)
		assert_true(end - line <= 4096);
	again = parse(printed);
	assert_int_equal(again->n_rules, 5000);
	assert_memory_equal(again->rules, rs->rules, 5000 * sizeof(*rs->rules));
	anybind_ruleset_free(rs);
	anybind_ruleset_free(again);
	free(printed);
	free(text);
}

/* The text of the rule that decides. */
static void assert_decides(const struct anybind_ruleset *rs, uint8_t proto, const char *dst,
			   uint16_t port, const char *src, const char *dev, const char *rule)
{
	uint8_t d[16], s[16], len, family;
	char buf[RULE_TEXT_MAX];
	ssize_t i;

	assert_int_equal(text_prefix(src, strlen(src), s, &len, &family), 0);
	assert_int_equal(text_prefix(dst, strlen(dst), d, &len, &family), 0);
	i = ruleset_match(rs, family, proto, d, port, s,
			  (uint16_t)(dev ? 1 + ruleset_find_device(rs, dev) : 0));
	if (!rule)
		assert_int_equal(i, -1);
	else
		assert_string_equal(ruleset_rule_text(rs, &rs->rules[i], buf), rule);
}

static void test_match(void **state)
{
	struct anybind_ruleset *rs = parse("bind a tcp 10.0.0.0/8 any\n"
					   "bind b tcp 10.1.0.0/16 80-89\n"
					   "bind c tcp 10.1.0.0/16 80\n"
					   "bind d tcp 10.1.0.0/16 80 from 192.0.2.0/24\n"
					   "bind e tcp 10.1.0.0/16 80 from 192.0.2.0/24 dev lo\n"
					   "bind f tcp 10.1.0.0/16 80 dev lo\n"
					   "drop tcp 10.1.1.1 22 dev eth0\n"
					   "pass tcp ::/0 any\n"
					   "pass udp 0.0.0.0/0 53\n");
	const char *near = "192.0.2.5", *far = "203.0.113.5";

	(void)state;
	assert_decides(rs, IPPROTO_TCP, "10.1.1.1", 80, near, "lo",
		       "bind e tcp 10.1.0.0/16 80 from 192.0.2.0/24 dev lo");
	assert_decides(rs, IPPROTO_TCP, "10.1.1.1", 80, near, NULL,
		       "bind d tcp 10.1.0.0/16 80 from 192.0.2.0/24");
	assert_decides(rs, IPPROTO_TCP, "10.1.1.1", 80, far, "lo",
		       "bind f tcp 10.1.0.0/16 80 dev lo");
	assert_decides(rs, IPPROTO_TCP, "10.1.1.1", 80, far, "eth0", "bind c tcp 10.1.0.0/16 80");
	assert_decides(rs, IPPROTO_TCP, "10.1.1.1", 81, near, "lo", "bind b tcp 10.1.0.0/16 80-89");
	/* what does not match falls through to the shorter prefix */
	assert_decides(rs, IPPROTO_TCP, "10.1.1.1", 22, near, "eth0",
		       "drop tcp 10.1.1.1 22 dev eth0");
	assert_decides(rs, IPPROTO_TCP, "10.1.1.1", 22, near, "lo", "bind a tcp 10.0.0.0/8 any");
	assert_decides(rs, IPPROTO_TCP, "11.1.1.1", 22, near, NULL, NULL);
	assert_decides(rs, IPPROTO_UDP, "10.1.1.1", 80, near, NULL, NULL);
	assert_decides(rs, IPPROTO_UDP, "10.1.1.1", 53, near, NULL, "pass udp 0.0.0.0/0 53");
	assert_decides(rs, IPPROTO_UDP, "::1", 53, "::1", NULL, NULL);
	assert_decides(rs, IPPROTO_TCP, "::1", 53, "::1", NULL, "pass tcp ::/0 any");
	anybind_ruleset_free(rs);
}

#define SEALED                                                                                     \
	"bind a tcp 10.0.0.0/8 80-89 dev lo\n"                                                     \
	"bind b tcp 10.0.0.0/8 90-99 from 192.0.2.0/24\n"                                          \
	"pass udp 2001:db8::/33 53\n"

/* A byte of SEALED's second (IPv4) or third (IPv6) rule, a service or the device. */
static const struct {
	enum { V4, V6, SERVICE, DEVICE } what;
	size_t offset;
	uint8_t value;
} damages[] = {
	{V4, offsetof(struct rule, family), 5},
	{V4, offsetof(struct rule, proto), 132},
	{V4, offsetof(struct rule, dst_len), 33},
	{V6, offsetof(struct rule, dst_len), 129},
	{V6, offsetof(struct rule, dst_len), 255},
	{V4, offsetof(struct rule, dst) + 1, 1},  /* host bits */
	{V4, offsetof(struct rule, dst) + 15, 1}, /* beyond IPv4 */
	{V6, offsetof(struct rule, dst) + 4, 0x40},
	{V4, offsetof(struct rule, src) + 3, 1},
	{V6, offsetof(struct rule, src), 1},
	{V4, offsetof(struct rule, src_len), 33},
	{V4, offsetof(struct rule, port_lo), 100}, /* past port_hi */
	{V4, offsetof(struct rule, port_hi), 90},  /* order */
	{V4, offsetof(struct rule, dev), 2},
	{V4, offsetof(struct rule, action), ANYBIND_SERVICE},
	{V4, offsetof(struct rule, action), ANYBIND_PASS}, /* with a service */
	{V4, offsetof(struct rule, zero), 1},
	{V4, offsetof(struct rule, service), 2},
	{V6, offsetof(struct rule, service), 1},
	{SERVICE, 0, '/'},
	{SERVICE, 0, '\0'},
	{SERVICE, 0, 'c'}, /* order */
	{SERVICE, 0, 'b'}, /* twice the same */
	{SERVICE, 2, 'x'}, /* after the end */
	{SERVICE, offsetof(struct service, missing_pass), 2},
	{SERVICE, offsetof(struct service, fallback), 1}, /* to itself */
	{SERVICE, offsetof(struct service, fallback), 3},
	{DEVICE, 0, '\0'},
	{DEVICE, 0, '/'},
	{DEVICE, 15, 'x'},
};

static void test_damage(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct anybind_ruleset *rs = parse(SEALED);
		uint8_t *const records[] = {
			[V4] = (uint8_t *)&rs->rules[1],
			[V6] = (uint8_t *)&rs->rules[2],
			[SERVICE] = (uint8_t *)&rs->services[0],
			[DEVICE] = (uint8_t *)&rs->devices[0],
		};

		records[damages[i].what][damages[i].offset] = damages[i].value;
		if (ruleset_validate(rs) != -EUCLEAN)
			fail_msg("damage %zu was not seen", i);
		anybind_ruleset_free(rs);
	}
}

static void test_validate_fallbacks(void **state)
{
	struct anybind_ruleset *rs =
		parse("service a fallback c\nservice b fallback c\nservice none");

	(void)state;
	assert_int_equal(rs->n_services, 4);
	rs->services[2].fallback = 4; /* "none" cannot be said */
	assert_int_equal(ruleset_validate(rs), -EUCLEAN);
	rs->services[2].fallback = 2; /* b, whose fallback is c */
	assert_int_equal(ruleset_validate(rs), -EUCLEAN);
	rs->services[2].fallback = 0;
	rs->services[3].fallback = 3;
	assert_int_equal(ruleset_validate(rs), 0);
	rs->services[0].fallback = 0xffff;
	assert_int_equal(ruleset_validate(rs), -EUCLEAN);
	anybind_ruleset_free(rs);
}

static void test_validate(void **state)
{
	struct anybind_ruleset *rs = parse(SEALED);
	struct rule second = rs->rules[1];
	char name[sizeof(rs->services[1].name)];

	(void)state;
	rs->rules[1] = rs->rules[0]; /* twice the same */
	assert_int_equal(ruleset_validate(rs), -EUCLEAN);
	rs->rules[1] = second;
	memcpy(name, rs->services[1].name, sizeof(name));
	memset(rs->services[1].name, 'x', sizeof(name)); /* no end */
	assert_int_equal(ruleset_validate(rs), -EUCLEAN);
	memcpy(rs->services[1].name, name, sizeof(name));
	assert_int_equal(ruleset_validate(rs), 0);

	/* with and without a device overlapping ranges do not conflict, with the same they do */
	memset(second.src, 0, sizeof(second.src));
	second.src_len = 0;
	second.port_lo = 85;
	second.port_hi = 94;
	rs->rules[1] = second;
	assert_int_equal(ruleset_validate(rs), 0);
	rs->rules[1].dev = 1;
	assert_int_equal(ruleset_validate(rs), -EUCLEAN);
	rs->rules[1].dev = 0;
	rs->rules[0].dev = 0; /* now nothing uses the device */
	assert_int_equal(ruleset_validate(rs), -EUCLEAN);

	rs->n_rules = RULESET_RULES_MAX + 1ul;
	assert_int_equal(ruleset_validate(rs), -EUCLEAN);
	anybind_ruleset_free(rs);
}

/* A random statement of a small world, so that much is shared and touching. */
static int random_statement(char *buf)
{
	static const char *const protos[] = {"tcp", "udp", "tcp,udp"};
	static const char *const prefixes[] = {"any",	     "0.0.0.0/0",   "::/0",
					       "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32",
					       "2001:db8::1"};
	static const char *const verdicts[] = {"bind a", "bind b", "pass", "drop"};
	char *p = buf;
	int lo;

	if (rand() % 10 == 0)
		return sprintf(buf, "service %c missing pass fallback %c\n", "ab"[rand() % 2],
			       "cd"[rand() % 2]);
	if (rand() % 20 == 0)
		return sprintf(buf, "service %c fallback %c\n", "cd"[rand() % 2],
			       "ab"[rand() % 2]);
	p += sprintf(p, "%s %s %s ", verdicts[rand() % 4], protos[rand() % 3],
		     prefixes[rand() % 7]);
	for (int n = rand() % 3; n >= 0; n--) {
		lo = rand() % 40;
		p += sprintf(p, "%d-%d%s", lo, lo + (rand() % 3 ? 0 : rand() % 10), n ? "," : "");
	}
	if (rand() % 4 == 0)
		p += sprintf(p, ",1000-65535");
	if (rand() % 4 == 0)
		p += sprintf(p, " from %s", rand() % 2 ? "any" : "0.0.0.0/0");
	if (rand() % 4 == 0)
		p += sprintf(p, " dev %s", rand() % 2 ? "lo" : "eth0");
	return (int)(p + sprintf(p, "\n") - buf);
}

/* Statements are added where they do not conflict; text and ruleset lead to each other. */
static void test_round_trip(void **state)
{
	(void)state;
	srand(20);
	for (int i = 0; i < 300; i++) {
		struct anybind_ruleset *rs = NULL, *again;
		char *text, *text_again;

		assert_int_equal(anybind_ruleset_new(&rs), 0);
		for (int j = rand() % 60; j > 0; j--) {
			struct anybind_ruleset *delta = NULL;
			char buf[256];
			int n = random_statement(buf);

			if (anybind_ruleset_parse(&delta, buf, (size_t)n, NULL, NULL) == 0)
				anybind_ruleset_add(rs, delta, rand() % 2, NULL);
			anybind_ruleset_free(delta);
		}
		assert_int_equal(ruleset_validate(rs), 0);
		text = to_text(rs);
		again = parse(text);
		assert_int_equal(again->n_rules, rs->n_rules);
		assert_int_equal(again->n_services, rs->n_services);
		assert_int_equal(again->n_devices, rs->n_devices);
		if (rs->n_rules)
			assert_memory_equal(again->rules, rs->rules,
					    rs->n_rules * sizeof(*rs->rules));
		text_again = to_text(again);
		assert_string_equal(text, text_again);
		free(text);
		free(text_again);
		anybind_ruleset_free(rs);
		anybind_ruleset_free(again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical), cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_match),	  cmocka_unit_test(test_damage),
		cmocka_unit_test(test_validate),  cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_validate_fallbacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
