/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Text to ruleset and what is refused. */
#include "unit.h"

#include <errno.h>
#include <time.h>

#include "abi.h"
#include "cleanup.h"

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

static const struct {
	const char *text;
	unsigned int line;
	const char *words[4];
} mistakes[] = {
	{"bnid a tcp any 80", 1, {"\"bnid\"", "did you mean \"bind\""}},
	{"# x\n\nallow tcp any 80", 3, {"unknown statement \"allow\""}},
	{"bind", 1, {"service name is missing after \"bind\""}},
	{"bind w$b tcp any 80", 1, {"\"w$b\" is not a service name"}},
	{"bind web", 1, {"protocol is missing after \"web\""}},
	{"bind web sctp any 80", 1, {"\"sctp\" is not a protocol", "tcp,udp"}},
	{"pass udp,tcp any 80", 1, {"\"udp,tcp\" is not a protocol"}},
	{"pass tcp", 1, {"prefix is missing after \"tcp\""}},
	{"pass tcp 10.0.0.0/33 80", 1, {"\"10.0.0.0/33\"", "0 to 32"}},
	{"pass tcp ::/129 80", 1, {"\"::/129\"", "0 to 128"}},
	{"pass tcp 10.0.0.010 80", 1, {"\"10.0.0.010\" is not an address"}},
	{"pass tcp ::ffff:10.0.0.1 80", 1, {"\"::ffff:10.0.0.1\" is IPv4-mapped"}},
	{"pass tcp any", 1, {"a port list is missing after \"any\""}},
	{"pass tcp any http", 1, {"\"http\" is not a port or range"}},
	{"pass tcp any 80,,81", 1, {"\"\" in \"80,,81\" is not a port"}},
	{"pass tcp any 80,", 1, {"in \"80,\" is not a port"}},
	{"pass tcp any 80-", 1, {"\"80-\" is not a port"}},
	{"pass tcp any 80, 81", 1, {"in \"80,\" is not a port"}},
	{"pass tcp any 90-80", 1, {"\"90-80\" runs backwards"}},
	{"pass tcp any 65536", 1, {"\"65536\" is beyond the last port, 65535"}},
	{"pass tcp any any except", 1, {"missing after \"except\""}},
	{"pass tcp any 80 except 0", 1, {"\"80 except 0\" leaves no port"}},
	{"pass tcp any 80 expect 81", 1, {"\"expect\"", "did you mean \"except\""}},
	{"pass tcp any 80 from", 1, {"prefix is missing after \"from\""}},
	{"pass tcp any 80 from 10.0.0.0/8 from 10.0.0.0/8", 1, {"\"from\" is given twice"}},
	{"pass tcp any 80 from lo", 1, {"\"lo\" is not an address"}},
	{"pass tcp any 80 from ::ffff:0:0/96", 1, {"IPv4-mapped"}},
	{"pass tcp 10.0.0.0/8 80 from ::1", 1, {"source \"::1\" is IPv6", "is IPv4"}},
	{"pass tcp ::/0 80 from 0.0.0.0/0", 1, {"is IPv4", "\"::/0\" is IPv6"}},
	{"pass tcp any 80 dev", 1, {"interface name is missing"}},
	{"pass tcp any 80 dev a/b", 1, {"\"a/b\" cannot be the name of an interface"}},
	{"pass tcp any 80 dev sixteen-bytes-xx", 1, {"cannot be the name"}},
	{"pass tcp any 80 dev lo dev lo", 1, {"\"dev\" is given twice"}},
	{"pass tcp any 80 81", 1, {"\"81\" is not expected here"}},
	{"pass web tcp any 80", 1, {"\"web\" is not a protocol"}},
	{"service", 1, {"service name is missing"}},
	{"service a b", 1, {"\"b\" is not expected"}},
	{"service a missing", 1, {"drop or pass is missing after \"missing\""}},
	{"service a missing reject", 1, {"missing cannot be \"reject\"", "drop and pass"}},
	{"service a missing drop x", 1, {"\"x\" is not expected"}},
	{"service a missing drop missing drop", 1, {"\"missing\" is given twice"}},
	{"service a fallback", 1, {"service name is missing after \"fallback\""}},
	{"service a fallback w$b", 1, {"\"w$b\" is not a service name"}},
	{"service a fallback b fallback c", 1, {"\"fallback\" is given twice"}},
	{"service a falback b", 1, {"did you mean \"fallback\"?"}},
	{"service a fallback a", 1, {"\"a\" cannot be its own fallback"}},
	{"bind \xff tcp any 80", 1, {"\"\\xff\" is not UTF-8"}},
	{"bind\va tcp any 80", 1, {"unknown statement \"bind\\x0ba\""}},
	{"pass tcp any 80\rx", 1, {"\"80\\x0dx\" is not a port"}},
	{"pass tcp any 80\r", 1, {"\"80\\x0d\" is not a port"}},
	{"service a\nservice b missing pass\nservice a missing pass",
	 3,
	 {"\"service a missing pass\" conflicts with line 1", "missing drop"}},
	{"service a fallback b\nservice a",
	 2,
	 {"\"service a missing drop\" conflicts with line 1: \"missing drop fallback b\""}},
	{"service a fallback b\nservice a fallback c",
	 2,
	 {"\"service a missing drop fallback c\" conflicts with line 1: \"missing drop "
	  "fallback b\""}},
	/* said at the line that completes it, from the first by name on, once */
	{"service b fallback c\nservice x fallback a\nservice a fallback b\nservice c fallback a",
	 4,
	 {"in a circle: \"a\" (line 3), \"b\" (line 1), \"c\" (line 4), \"a\" (line 3)"}},
	{"bind a tcp any 80\npass tcp 0.0.0.0/0 80",
	 2,
	 {"\"pass tcp 0.0.0.0/0 80\" conflicts with line 1: \"bind a tcp 0.0.0.0/0 80\""}},
	{"bind a tcp ::1 80\n\nbind b tcp,udp ::1 80 # x\n",
	 3,
	 {"\"bind b tcp ::1 80\" conflicts with line 1: \"bind a tcp ::1 80\""}},
	{"bind a tcp ::1 80-89\nbind a tcp ::1 85-94\n",
	 2,
	 {"\"bind a tcp ::1 85-94\" conflicts with line 1", "partly overlaps"}},
	{"drop tcp ::1 85-94 dev x\nbind a tcp ::1 80-89 dev x",
	 2,
	 {"80-89 dev x\" conflicts with line 1", "partly overlaps"}},
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++)
		assert_refused(mistakes[i].text, strlen(mistakes[i].text), -EINVAL,
			       mistakes[i].line, mistakes[i].words);
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

/* "service sN fallback sN+1" for @n of them, sizes that text takes. */
static char *chain(unsigned int n)
{
	char *text = malloc(n * 64u + 1), *end = text;

	assert_non_null(text);
	*end = '\0';
	for (unsigned int i = 0; i < n; i++)
		end += sprintf(end, "service s%u fallback s%u\n", i, i + 1);
	return text;
}

static void test_long_chains(void **state)
{
	_cleanup_free_ char *longest = chain(FALLBACKS_MAX), *more = chain(FALLBACKS_MAX + 1);
	_cleanup_free_ char *much = chain(ANYBIND_SERVICES_MAX - 1), *circle = NULL;
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs = NULL;

	(void)state;
	anybind_ruleset_free(parse(longest));
	assert_refused(more, strlen(more), -EINVAL, FALLBACKS_MAX + 1,
		       WORDS("more than 16 fallbacks: \"s0\" (line 1), \"s1\"", "\"s17\""));
	/* One message for a chain, one for a circle, however long. */
	assert_int_equal(anybind_ruleset_parse(&rs, much, strlen(much), NULL, report), -EINVAL);
	assert_int_equal(anybind_report_count(report), 1);
	anybind_report_free(report);
	report = anybind_report_new();
	assert_true(asprintf(&circle, "%sservice s4095 fallback s0\n", much) > 0);
	assert_int_equal(anybind_ruleset_parse(&rs, circle, strlen(circle), NULL, report), -EINVAL);
	assert_int_equal(anybind_report_count(report), 1);
	assert_message(report, -EINVAL, 4096,
		       WORDS("in a circle", "\"s16\" (line 17)", "and so on"));
	anybind_report_free(report);
	assert_null(rs);
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

static void test_words(void **state)
{
	static char *const separate[] = {"bind", "web", "tcp", "any", "80", "dev", "lo"};
	static char *const joined[] = {"bind web tcp", "any 80", "dev lo"};
	static char *const wrong[] = {"bind", "web", "tcp\n", "any"};
	static char *const none[] = {"", " # x"};
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
		cmocka_unit_test(test_words),	     cmocka_unit_test(test_large),
		cmocka_unit_test(test_long_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
