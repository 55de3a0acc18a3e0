/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Reading, printing, matching and validating; test_edit.c has the editing. */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <time.h>

#include "cleanup.h"
#include "text.h"

#define LONG_LINE 4096

/* @text is refused, with the message at @line. */
static void assert_refused(const char *text, size_t size, int code, unsigned int line,
			   const char *const words[])
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs = NULL;

	if (anybind_ruleset_parse(&rs, text, size, "rules", report) != code)
		fail_msg("\"%s\" gave something other than %d", text, code);
	assert_null(rs);
	assert_message(report, code, line, words);
	assert_string_equal(anybind_report_get(report, 0)->source, "rules");
	anybind_report_free(report);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *words[4];
	} vectors[] = {
		{ "bnid a tcp any 80", 1, { "\"bnid\"", "did you mean \"bind\"" } },
		{ "# x\n\nallow tcp any 80", 3, { "unknown statement \"allow\"" } },
		{ "bind", 1, { "service name is missing after \"bind\"" } },
		{ "bind w$b tcp any 80", 1, { "\"w$b\" is not a service name" } },
		{ "bind web", 1, { "protocol is missing after \"web\"" } },
		{ "bind web sctp any 80", 1, { "\"sctp\" is not a protocol", "tcp,udp" } },
		{ "pass udp,tcp any 80", 1, { "\"udp,tcp\" is not a protocol" } },
		{ "pass tcp", 1, { "prefix is missing after \"tcp\"" } },
		{ "pass tcp 10.0.0.0/33 80", 1, { "\"10.0.0.0/33\"", "0 to 32" } },
		{ "pass tcp ::/129 80", 1, { "\"::/129\"", "0 to 128" } },
		{ "pass tcp 10.0.0.010 80", 1, { "\"10.0.0.010\" is not an address" } },
		{ "pass tcp ::ffff:10.0.0.1 80", 1, { "\"::ffff:10.0.0.1\" is IPv4-mapped" } },
		{ "pass tcp any", 1, { "a port list is missing after \"any\"" } },
		{ "pass tcp any http", 1, { "\"http\" is not a port or range" } },
		{ "pass tcp any 80,,81", 1, { "\"\" in \"80,,81\" is not a port" } },
		{ "pass tcp any 80,", 1, { "in \"80,\" is not a port" } },
		{ "pass tcp any 80-", 1, { "\"80-\" is not a port" } },
		{ "pass tcp any 80, 81", 1, { "in \"80,\" is not a port" } },
		{ "pass tcp any 90-80", 1, { "\"90-80\" runs backwards" } },
		{ "pass tcp any 65536", 1, { "\"65536\" is beyond the last port, 65535" } },
		{ "pass tcp any any except", 1, { "missing after \"except\"" } },
		{ "pass tcp any 80 except 0", 1, { "\"80 except 0\" leaves no port" } },
		{ "pass tcp any 80 expect 81", 1, { "\"expect\"", "did you mean \"except\"" } },
		{ "pass tcp any 80 from", 1, { "prefix is missing after \"from\"" } },
		{ "pass tcp any 80 from 10.0.0.0/8 from 10.0.0.0/8", 1, { "\"from\" is given twice" } },
		{ "pass tcp any 80 from lo", 1, { "\"lo\" is not an address" } },
		{ "pass tcp any 80 from ::ffff:0:0/96", 1, { "IPv4-mapped" } },
		{ "pass tcp 10.0.0.0/8 80 from ::1", 1, { "source \"::1\" is IPv6", "is IPv4" } },
		{ "pass tcp ::/0 80 from 0.0.0.0/0", 1, { "is IPv4", "\"::/0\" is IPv6" } },
		{ "pass tcp any 80 dev", 1, { "interface name is missing" } },
		{ "pass tcp any 80 dev a/b", 1, { "\"a/b\" cannot be the name of an interface" } },
		{ "pass tcp any 80 dev sixteen-bytes-xx", 1, { "cannot be the name" } },
		{ "pass tcp any 80 dev lo dev lo", 1, { "\"dev\" is given twice" } },
		{ "pass tcp any 80 81", 1, { "\"81\" is not expected here" } },
		{ "pass web tcp any 80", 1, { "\"web\" is not a protocol" } },
		{ "service", 1, { "service name is missing" } },
		{ "service a b", 1, { "\"b\" is not expected" } },
		{ "service a missing", 1, { "drop or pass is missing after \"missing\"" } },
		{ "service a missing reject", 1, { "missing cannot be \"reject\"", "drop and pass" } },
		{ "service a missing drop x", 1, { "\"x\" is not expected" } },
		{ "bind \xff tcp any 80", 1, { "\"\\xff\" is not UTF-8" } },
		{ "bind\va tcp any 80", 1, { "unknown statement \"bind\\x0ba\"" } },
		{ "pass tcp any 80\rx", 1, { "\"80\\x0dx\" is not a port" } },
		{ "pass tcp any 80\r", 1, { "\"80\\x0d\" is not a port" } },
		{ "service a\nservice b missing pass\nservice a missing pass", 3,
		  { "\"service a missing pass\" conflicts with line 1", "missing drop" } },
		{ "bind a tcp any 80\npass tcp 0.0.0.0/0 80", 2,
		  { "\"pass tcp 0.0.0.0/0 80\" conflicts with line 1: \"bind a tcp 0.0.0.0/0 80\"" } },
		{ "bind a tcp ::1 80\n\nbind b tcp,udp ::1 80 # x\n", 3,
		  { "\"bind b tcp ::1 80\" conflicts with line 1: \"bind a tcp ::1 80\"" } },
		{ "bind a tcp ::1 80-89\nbind a tcp ::1 85-94\n", 2,
		  { "\"bind a tcp ::1 85-94\" conflicts with line 1", "partly overlaps" } },
		{ "drop tcp ::1 85-94 dev x\nbind a tcp ::1 80-89 dev x", 2,
		  { "80-89 dev x\" conflicts with line 1", "partly overlaps" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		assert_refused(vectors[i].text, strlen(vectors[i].text), -EINVAL, vectors[i].line,
			       vectors[i].words);
	assert_refused("pass tcp any 1\npass\0tcp any 2", 29, -EINVAL, 2, WORDS("NUL byte"));
	assert_refused("# \0", 3, -EINVAL, 1, WORDS("NUL byte"));
}

/* Rules that may partly overlap stand between two that may not. */
static void test_hidden_overlap(void **state)
{
	char text[8192] = "pass tcp 10.0.0.0/8 1000-1999 from 192.0.2.77\n";

	(void)state;
	for (int i = 1; i < 100; i++)
		sprintf(text + strlen(text), "pass tcp 10.0.0.0/8 %d-%d from 192.0.2.%d\n",
			1000 + i, 1999 + i, 100 + i);
	anybind_ruleset_free(parse(text));
	strcat(text, "pass tcp 10.0.0.0/8 1500-2499 from 192.0.2.77\n");
	assert_refused(text, strlen(text), -EINVAL, 101,
		       WORDS("1500-2499 from 192.0.2.77\" conflicts with line 1", "1000-1999"));
}

static void test_line_lengths(void **state)
{
	char text[2 * LONG_LINE + 100];
	int n;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "pass tcp any 80", 15);
	text[LONG_LINE] = '\n';
	n = sprintf(text + LONG_LINE + 1, "pass tcp any 81");
	text[LONG_LINE + 1 + n] = '\0';
	anybind_ruleset_free(parse(text));
	text[LONG_LINE] = ' ';
	text[LONG_LINE + 1] = '\n';
	assert_refused(text, LONG_LINE + 2, -EINVAL, 1, WORDS("4097 bytes", "4096"));
}

/* All errors are found, 20 are kept, those of single lines before those between lines. */
static void test_many_errors(void **state)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs = NULL;
	char text[4096] = "pass tcp any 80\ndrop tcp any 80\n";

	(void)state;
	for (int i = 0; i < 30; i++)
		sprintf(text + strlen(text), "pass tcp any x%d\n", i);
	assert_int_equal(anybind_ruleset_parse(&rs, text, strlen(text), NULL, report), -EINVAL);
	assert_int_equal(anybind_report_count(report), 20);
	assert_int_equal(anybind_report_dropped(report, ANYBIND_ERROR), 12);
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(anybind_report_get(report, i)->line, 3 + i);
	assert_int_equal(anybind_ruleset_parse(&rs, text, strlen(text), NULL, NULL), -EINVAL);
	assert_null(rs);
	anybind_report_free(report);
}

static void test_canonical(void **state)
{
	(void)state;
	assert_canonical("", "");
	assert_canonical("\n \t\r\n# only a comment", "");
	assert_canonical("service b\nservice a missing pass", "service a missing pass\nservice b\n");
	assert_canonical("bind web tcp any 80 # comment\r\n",
			 "service web\nbind web tcp any 80\n");
	/* a service may be declared before or after its use */
	assert_canonical("bind a tcp any 80\nservice a missing pass\nbind a tcp any 81",
			 "service a missing pass\nbind a tcp any 80\nbind a tcp any 81\n");
	/* ranges of one statement are merged, those of two are not */
	assert_canonical("pass tcp any 80-89,85-95,96", "pass tcp any 80-96\n");
	assert_canonical("pass tcp any 80\npass tcp any 82\n", "pass tcp any 80,82\n");
	assert_canonical("pass tcp any 80-89\npass tcp any 85\n",
			 "pass tcp any 85\npass tcp any 80-89\n");
	assert_canonical("drop tcp any 0", "drop tcp any any\n");
	assert_canonical("drop tcp any any except 22,6000-6010",
			 "drop tcp any any except 22,6000-6010\n");
	assert_canonical("drop tcp any 0-21\ndrop tcp any 23-65535\n", "drop tcp any any except 22\n");
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
	assert_canonical("bind a tcp ::1 80\nbind a tcp ::1/128 80", "service a\nbind a tcp ::1 80\n");
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
		assert_true(end - line <= LONG_LINE);
	again = parse(printed);
	assert_int_equal(again->n_rules, 5000);
	assert_memory_equal(again->rules, rs->rules, 5000 * sizeof(*rs->rules));
	anybind_ruleset_free(rs);
	anybind_ruleset_free(again);
	free(printed);
	free(text);
}

static void test_words(void **state)
{
	static char *const separate[] = { "bind", "web", "tcp", "any", "80", "dev", "lo" };
	static char *const joined[] = { "bind web tcp", "any 80", "dev lo" };
	static char *const wrong[] = { "bind", "web", "tcp\n", "any" };
	static char *const none[] = { "", " # x" };
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *a = NULL, *b = NULL, *c = NULL;
	char *text;

	(void)state;
	assert_int_equal(anybind_ruleset_parse_words(&a, 7, separate, NULL), 0);
	assert_int_equal(anybind_ruleset_parse_words(&b, 3, joined, NULL), 0);
	text = to_text(a);
	assert_string_equal(text, "service web\nbind web tcp any 80 dev lo\n");
	assert_int_equal(a->n_rules, b->n_rules);
	assert_memory_equal(a->rules, b->rules, a->n_rules * sizeof(*a->rules));
	assert_int_equal(anybind_ruleset_parse_words(&c, 4, wrong, report), -EINVAL);
	assert_message(report, -EINVAL, 0, WORDS("\"tcp\\x0a\" is not a protocol"));
	assert_null(anybind_report_get(report, 0)->source);
	assert_int_equal(anybind_ruleset_parse_words(&c, 2, none, NULL), -EINVAL);
	assert_int_equal(anybind_ruleset_parse_words(&c, 0, NULL, NULL), -EINVAL);
	assert_null(c);
	free(text);
	anybind_ruleset_free(a);
	anybind_ruleset_free(b);
	anybind_report_free(report);
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

/* Every single damage to a sealed ruleset is seen. */
static void test_validate(void **state)
{
	struct anybind_ruleset *good = parse("bind a tcp 10.0.0.0/8 80-89 dev lo\n"
					     "bind b tcp 10.0.0.0/8 90-99 from 192.0.2.0/24\n"
					     "pass udp 2001:db8::/33 53\n");

	(void)state;
	for (int i = 0; i < 28; i++) {
		struct anybind_ruleset *rs = NULL;
		struct rule *v4, *v6;

		assert_int_equal(ruleset_copy(&rs, good), 0);
		assert_int_equal(ruleset_validate(rs), 0);
		v4 = &rs->rules[1];
		v6 = &rs->rules[2];
		switch (i) {
		case 0: v4->family = 5; break;
		case 1: v4->proto = 132; break;
		case 2: v4->dst_len = 33; break;
		case 3: v6->dst_len = 129; break;
		case 4: v4->dst[1] = 1; break;
		case 5: v4->dst[15] = 1; break;
		case 6: v4->src[3] = 1; break;
		case 7: v4->src_len = 33; break;
		case 8: v6->src[0] = 1; break;
		case 9: v6->dst[4] = 0x40; break;
		case 10: v4->port_lo = v4->port_hi + 1; break;
		case 11: v4->dev = 2; break;
		case 12: v4->action = ANYBIND_SERVICE; break;
		case 13: v4->zero = 1; break;
		case 14: v4->service = 2; break;
		case 15: v6->service = 1; break;
		case 16: rs->rules[1] = rs->rules[0]; break;
		case 17: v4->port_lo -= 10; v4->port_hi -= 10; v4->dev = 1; v4->src_len = 0; break;
		case 18: rs->rules[0].dev = 0; break; /* nothing uses the device */
		case 19: rs->services[0].name[0] = '/'; break;
		case 20: rs->services[0].name[2] = 'x'; break;
		case 21: memset(rs->services[1].name, 'x', sizeof(rs->services[1].name)); break;
		case 22: rs->services[0].missing_pass = 2; break;
		case 23: rs->services[0].zero[1] = 1; break;
		case 24: rs->services[1].name[0] = 'a'; break;
		case 25: rs->devices[0].name[15] = 'x'; break;
		case 26: rs->devices[0].name[0] = '\0'; break;
		case 27: rs->rules[2] = rs->rules[0]; break;
		}
		if (ruleset_validate(rs) != -EUCLEAN)
			fail_msg("damage %d was not seen", i);
		anybind_ruleset_free(rs);
	}
	/* overlap, with the order kept */
	good->rules[1].src_len = 0;
	memset(good->rules[1].src, 0, 16);
	good->rules[1].dev = 1;
	good->rules[1].port_lo = 85;
	good->rules[1].port_hi = 94;
	assert_int_equal(ruleset_validate(good), -EUCLEAN);
	good->rules[1].dev = 0; /* with and without a device do not conflict */
	assert_int_equal(ruleset_validate(good), 0);
	anybind_ruleset_free(good);
}

/* A random statement of a small world, so that much is shared and touching. */
static int random_statement(char *buf)
{
	static const char *const protos[] = { "tcp", "udp", "tcp,udp" };
	static const char *const prefixes[] = { "any", "0.0.0.0/0", "::/0", "10.0.0.0/8", "10.1.0.0/16",
						"2001:db8::/32", "2001:db8::1" };
	static const char *const verdicts[] = { "bind a", "bind b", "pass", "drop" };
	char *p = buf;
	int lo;

	if (rand() % 10 == 0)
		return sprintf(buf, "service %c missing pass\n", "ab"[rand() % 2]);
	p += sprintf(p, "%s %s %s ", verdicts[rand() % 4], protos[rand() % 3], prefixes[rand() % 7]);
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

/* Large, and over the limits; how long it takes is said, not asserted. */
static void test_large(void **state)
{
	size_t n = 9000000, size = 0;
	char *text = malloc(n * 32);
	struct anybind_ruleset *rs = NULL;
	struct timespec start, end;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < 300000; i++)
		size += (size_t)sprintf(text + size, "bind w tcp 10.%zu.%zu.%zu 80\n", i * 7 % 256,
					i / 256 % 256, i / 65536);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(anybind_ruleset_parse(&rs, text, size, NULL, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	print_message("# %zu lines in %ld ms\n", rs->n_rules,
		      (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000);
	assert_int_equal(rs->n_rules, 300000);
	assert_int_equal(ruleset_validate(rs), 0);
	anybind_ruleset_free(rs);

	for (size = 0; size < n * 16; size += 16)
		memcpy(text + size, "pass tcp ::1 80\n", 16);
	assert_refused(text, size, -E2BIG, RULESET_RULES_MAX + 1, WORDS("more than 8388608 rules"));
	for (size = 0, n = 0; n <= ANYBIND_SERVICES_MAX; n++)
		size += (size_t)sprintf(text + size, "service s%zu\n", n);
	assert_refused(text, size, -E2BIG, ANYBIND_SERVICES_MAX + 1, WORDS("4096 services"));
	for (size = 0, n = 0; n <= RULESET_DEVICES_MAX; n++)
		size += (size_t)sprintf(text + size, "pass tcp ::1 80 dev d%zu\n", n);
	assert_refused(text, size, -E2BIG, RULESET_DEVICES_MAX + 1, WORDS("65535 interfaces"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),	     cmocka_unit_test(test_hidden_overlap),
		cmocka_unit_test(test_line_lengths), cmocka_unit_test(test_many_errors),
		cmocka_unit_test(test_canonical),    cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_words),	     cmocka_unit_test(test_match),
		cmocka_unit_test(test_validate),     cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
