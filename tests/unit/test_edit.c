/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Adding to, removing from and comparing rulesets. */
#include "unit.h"

#include <errno.h>

#include "cleanup.h"

enum edit { ADD, REPLACE, REMOVE };

/* What the edit with @delta returns, and that @rs is then @text; on failure also the message. */
static void assert_edit(enum edit edit, const char *before, const char *change, int code,
			const char *after, const char *const words[])
{
	struct anybind_ruleset *rs = parse(before), *delta = parse(change);
	struct anybind_report *report = anybind_report_new();
	char *text;
	int r;

	r = edit == REMOVE ? anybind_ruleset_remove(rs, delta, report)
			   : anybind_ruleset_add(rs, delta, edit == REPLACE, report);
	if (r != code)
		fail_msg("\"%s\" gave %d", change, r);
	assert_int_equal(ruleset_validate(rs), 0);
	text = to_text(rs);
	assert_string_equal(text, after ? after : before);
	if (code < 0)
		assert_message(report, code, 1, words);
	else
		assert_int_equal(anybind_report_count(report), 0);
	free(text);
	anybind_report_free(report);
	anybind_ruleset_free(rs);
	anybind_ruleset_free(delta);
}

#define BASE                                                                                       \
	"service a\nservice m missing pass\n"                                                      \
	"bind a tcp 10.0.0.0/8 80 dev eth1\n"                                                      \
	"bind m tcp 10.0.0.0/8 90-99\n"                                                            \
	"drop udp 2001:db8::/32 any\n"

static void test_add(void **state)
{
	(void)state;
	assert_edit(ADD, BASE, "", 0, NULL, NULL);
	assert_edit(ADD, BASE, BASE, 0, NULL, NULL);
	assert_edit(ADD, "", BASE, 1, BASE, NULL);
	assert_edit(ADD, BASE, "bind m tcp 10.0.0.0/8 90-99", 0, NULL, NULL);
	assert_edit(ADD, BASE, "service b missing pass", 1,
		    "service a\nservice b missing pass\nservice m missing pass\n"
		    "bind a tcp 10.0.0.0/8 80 dev eth1\n"
		    "bind m tcp 10.0.0.0/8 90-99\n"
		    "drop udp 2001:db8::/32 any\n",
		    NULL);
	/* services and devices get other numbers, rules keep theirs */
	assert_edit(ADD, BASE, "bind b tcp 10.0.0.0/8 80,443 dev eth0\npass tcp ::/0 1 dev z", 1,
		    "service a\nservice b\nservice m missing pass\n"
		    "bind b tcp 10.0.0.0/8 80,443 dev eth0\n"
		    "bind a tcp 10.0.0.0/8 80 dev eth1\n"
		    "bind m tcp 10.0.0.0/8 90-99\n"
		    "pass tcp ::/0 1 dev z\n"
		    "drop udp 2001:db8::/32 any\n",
		    NULL);
}

static void test_add_refused(void **state)
{
	(void)state;
	assert_edit(ADD, BASE, "pass tcp 10.0.0.0/8 90-99", -EEXIST, NULL,
		    WORDS("\"pass tcp 10.0.0.0/8 90-99\" has the same match",
			  "\"bind m tcp 10.0.0.0/8 90-99\""));
	assert_edit(ADD, BASE, "bind new tcp 10.0.0.0/8 80,90-99", -EEXIST, NULL,
		    WORDS("\"bind new tcp 10.0.0.0/8 90-99\""));
	assert_edit(ADD, BASE, "service m", -EEXIST, NULL,
		    WORDS("service \"m\" is there with \"missing pass\""));
	assert_edit(ADD, BASE, "service a missing pass", -EEXIST, NULL, WORDS("\"missing drop\""));
	for (enum edit edit = ADD; edit <= REPLACE; edit++) {
		assert_edit(edit, BASE, "bind m tcp 10.0.0.0/8 95-104", -EINVAL, NULL,
			    WORDS("\"bind m tcp 10.0.0.0/8 95-104\" conflicts with \"bind m tcp "
				  "10.0.0.0/8 90-99\"",
				  "partly overlaps"));
		assert_edit(edit, BASE, "pass tcp 10.0.0.0/8 85-94", -EINVAL, NULL,
			    WORDS("\"pass tcp 10.0.0.0/8 85-94\" conflicts with \"bind m"));
	}
	assert_edit(ADD, BASE, "bind m tcp 10.0.0.0/8 95-104 dev eth0", 1,
		    "service a\nservice m missing pass\n"
		    "bind a tcp 10.0.0.0/8 80 dev eth1\n"
		    "bind m tcp 10.0.0.0/8 90-99\n"
		    "bind m tcp 10.0.0.0/8 95-104 dev eth0\n"
		    "drop udp 2001:db8::/32 any\n",
		    NULL);
}

static void test_replace(void **state)
{
	(void)state;
	assert_edit(REPLACE, BASE, BASE, 0, NULL, NULL);
	assert_edit(REPLACE, BASE, "pass tcp 10.0.0.0/8 90-99\nservice m", 1,
		    "service a\nservice m\n"
		    "bind a tcp 10.0.0.0/8 80 dev eth1\n"
		    "pass tcp 10.0.0.0/8 90-99\n"
		    "drop udp 2001:db8::/32 any\n",
		    NULL);
	assert_edit(REPLACE, BASE, "bind a tcp 10.0.0.0/8 90-99", 1,
		    "service a\nservice m missing pass\n"
		    "bind a tcp 10.0.0.0/8 80 dev eth1\n"
		    "bind a tcp 10.0.0.0/8 90-99\n"
		    "drop udp 2001:db8::/32 any\n",
		    NULL);
	/* a service that is only named keeps its `missing` */
	assert_edit(REPLACE, BASE, "bind m tcp 10.0.0.0/8 90-99", 0, NULL, NULL);
}

static void test_remove(void **state)
{
	(void)state;
	assert_edit(REMOVE, BASE, "bind a tcp 10.0.0.0/8 80 dev eth1", 0,
		    "service a\nservice m missing pass\n"
		    "bind m tcp 10.0.0.0/8 90-99\n"
		    "drop udp 2001:db8::/32 any\n",
		    NULL);
	assert_edit(REMOVE, BASE, BASE, 0, "service a\nservice m missing pass\n", NULL);
	assert_edit(REMOVE, "pass tcp ::1 1 dev a\npass tcp ::1 1 dev b\npass tcp ::1 1 dev c\n",
		    "pass tcp ::1 1 dev b", 0, "pass tcp ::1 1 dev a\npass tcp ::1 1 dev c\n",
		    NULL);
	assert_edit(REMOVE, "service a\nservice b\nservice c\nbind c tcp ::1 1\n",
		    "service a\nservice b missing pass", 0, "service c\nbind c tcp ::1 1\n", NULL);
	/* one rule of a statement */
	assert_edit(REMOVE, "pass tcp,udp any 53\n", "pass udp ::/0 53", 0,
		    "pass tcp,udp 0.0.0.0/0 53\npass tcp ::/0 53\n", NULL);
}

static void test_remove_refused(void **state)
{
	(void)state;
	assert_edit(REMOVE, BASE, "bind m tcp 10.0.0.0/8 90", -ENOENT, NULL,
		    WORDS("there is no rule \"bind m tcp 10.0.0.0/8 90\"",
			  "there is: \"bind m tcp 10.0.0.0/8 90-99\""));
	assert_edit(REMOVE, BASE, "pass tcp 10.0.0.0/8 90-99", -ENOENT, NULL,
		    WORDS("there is: \"bind m tcp 10.0.0.0/8 90-99\", \"bind a"));
	assert_edit(REMOVE, BASE, "bind a tcp 10.0.0.0/8 80", -ENOENT, NULL,
		    WORDS("there is: \"bind a tcp 10.0.0.0/8 80 dev eth1\""));
	assert_edit(REMOVE, BASE, "bind a tcp 10.0.0.0/8 80 dev eth2", -ENOENT, NULL,
		    WORDS("eth1"));
	assert_edit(REMOVE, BASE, "bind x udp 10.0.0.0/8 80", -ENOENT, NULL,
		    WORDS("none for that prefix and protocol"));
	/* all or nothing */
	assert_edit(REMOVE, BASE, "bind m tcp 10.0.0.0/8 90-99,443", -ENOENT, NULL,
		    WORDS("\"bind m tcp 10.0.0.0/8 443\""));
	assert_edit(REMOVE, BASE, "service m missing pass", -EBUSY, NULL,
		    WORDS("service \"m\" still has 1 rule: \"bind m tcp 10.0.0.0/8 90-99\""));
	assert_edit(REMOVE, BASE, "service x", -ENOENT, NULL, WORDS("no service \"x\""));
}

static int write_removed(const struct anybind_statement *statement, void *data)
{
	return fprintf(data, "-%s\n", statement->text) < 0;
}

static int write_added(const struct anybind_statement *statement, void *data)
{
	return fprintf(data, "+%s\n", statement->text) < 0;
}

static void assert_diff(const char *before, const char *after, const char *expected)
{
	struct anybind_ruleset *a = parse(before), *b = parse(after);
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_int_equal(anybind_ruleset_diff(a, b, write_removed, write_added, stream), 0);
	fclose(stream);
	assert_string_equal(text, expected);
	free(text);
	anybind_ruleset_free(a);
	anybind_ruleset_free(b);
}

#define FALLBACKS "service a fallback b\nservice b\nservice c missing pass fallback b\n"

static void test_fallbacks(void **state)
{
	(void)state;
	assert_edit(ADD, FALLBACKS, "service a fallback b", 0, NULL, NULL);
	assert_edit(ADD, "bind b tcp ::1 1", "service a fallback b", 1,
		    "service a fallback b\nservice b\nbind b tcp ::1 1\n", NULL);
	/* other numbers */
	assert_edit(ADD, FALLBACKS, "service aa fallback bb", 1,
		    "service a fallback b\nservice aa fallback bb\nservice b\nservice bb\n"
		    "service c missing pass fallback b\n",
		    NULL);
	/* one that is only named keeps what it has; one that is declared does not */
	assert_edit(ADD, FALLBACKS, "service d fallback a\nbind c tcp ::1 1", 1,
		    FALLBACKS "service d fallback a\nbind c tcp ::1 1\n", NULL);
	assert_edit(ADD, FALLBACKS, "service a", -EEXIST, NULL,
		    WORDS("service \"a\" is there with \"missing drop fallback b\""));
	assert_edit(ADD, FALLBACKS, "service a fallback c", -EEXIST, NULL, WORDS("fallback b"));
	assert_edit(ADD, FALLBACKS, "service c fallback b", -EEXIST, NULL,
		    WORDS("missing pass fallback b"));
	assert_edit(REPLACE, FALLBACKS, "service a fallback none", 1,
		    "service a\nservice b\nservice c missing pass fallback b\n", NULL);
	assert_edit(REPLACE, FALLBACKS, "service a fallback c", 1,
		    "service a fallback c\nservice b\nservice c missing pass fallback b\n", NULL);
	assert_edit(REPLACE, FALLBACKS, "service a fallback c\nservice b fallback d", 1,
		    "service a fallback c\nservice b fallback d\n"
		    "service c missing pass fallback b\nservice d\n",
		    NULL);
	assert_edit(REPLACE, FALLBACKS, "service b fallback a", -EINVAL, NULL,
		    WORDS("in a circle: \"a\", \"b\" (line 1), \"a\""));
	assert_edit(REMOVE, FALLBACKS, "service b", -EBUSY, NULL,
		    WORDS("service \"b\" is the fallback of service \"a\""));
	assert_edit(REMOVE, FALLBACKS, "service a\nservice b\nservice c", 0, "", NULL);
	assert_edit(REMOVE, FALLBACKS, "service a fallback b", 0,
		    "service b\nservice c missing pass fallback b\n", NULL);
	assert_diff(FALLBACKS, FALLBACKS "bind b tcp ::1 1", "+bind b tcp ::1 1\n");
	assert_diff(FALLBACKS, "service a fallback c\nservice b\nservice c missing pass fallback b",
		    "-service a fallback b\n+service a fallback c\n");
	assert_diff("service z fallback b", "service a\nservice z fallback b", "+service a\n");
}

/* What is only named stays so when it is added, and then says nothing about its policy. */
static void test_named_only(void **state)
{
	struct anybind_ruleset *rs = parse("service m missing pass fallback f\n"), *sum;
	struct anybind_ruleset *delta = parse("bind m tcp ::1 1\n");
	char *text;

	(void)state;
	assert_int_equal(anybind_ruleset_new(&sum), 0);
	assert_int_equal(anybind_ruleset_add(sum, delta, false, NULL), 1);
	assert_int_equal(anybind_ruleset_add(rs, sum, true, NULL), 1);
	text = to_text(rs);
	assert_string_equal(text, "service f\nservice m missing pass fallback f\n"
				  "bind m tcp ::1 1\n");
	free(text);
	anybind_ruleset_free(rs);
	anybind_ruleset_free(sum);
	anybind_ruleset_free(delta);
}

static void test_diff(void **state)
{
	(void)state;
	assert_diff(BASE, BASE, "");
	assert_diff("", "", "");
	assert_diff("", "bind a tcp any 80", "+service a\n+bind a tcp any 80\n");
	assert_diff("bind a tcp any 80", "", "-service a\n-bind a tcp any 80\n");
	assert_diff("service a", "service a missing pass", "-service a\n+service a missing pass\n");
	/* the same rules in other lines */
	assert_diff("pass tcp,udp any 80,443",
		    "pass tcp any 80\npass tcp any 443\npass udp any 443,80", "");
	assert_diff("pass tcp any 80,443\nbind a tcp ::1 1 dev x",
		    "pass tcp any 443,8080\n"
		    "bind b tcp ::1 1 dev x",
		    "-service a\n-pass tcp any 80\n-bind a tcp ::1 1 dev x\n"
		    "+service b\n+pass tcp any 8080\n+bind b tcp ::1 1 dev x\n");
	/* other numbers of services and devices are no difference */
	assert_diff("bind m tcp ::1 1 dev m",
		    "bind m tcp ::1 1 dev m\nservice a\npass tcp ::1 1 dev a",
		    "+service a\n+pass tcp ::1 1 dev a\n");
}

static int stop(const struct anybind_statement *statement, void *data)
{
	assert_non_null(statement->text);
	return ++*(int *)data == 2 ? 17 : 0;
}

static int check_parts(const struct anybind_statement *st, void *data)
{
	if (st->action == ANYBIND_SERVICE) {
		assert_string_equal(st->service, "a");
		assert_null(st->proto);
		assert_true(st->missing_pass);
	} else {
		assert_int_equal(st->action, ANYBIND_BIND);
		assert_string_equal(st->service, "a");
		assert_string_equal(st->proto, "tcp,udp");
		assert_string_equal(st->prefix, "10.0.0.0/8");
		assert_string_equal(st->ports, "80,443");
		assert_string_equal(st->from, "192.0.2.1");
		assert_string_equal(st->dev, "lo");
		assert_false(st->missing_pass);
	}
	++*(int *)data;
	return 0;
}

static void test_each(void **state)
{
	struct anybind_ruleset *rs = parse(BASE);
	int n = 0;

	(void)state;
	assert_int_equal(anybind_ruleset_count(rs), 3);
	assert_int_equal(anybind_ruleset_services(rs), 2);
	assert_int_equal(ruleset_find_service(rs, "m"), 1);
	assert_int_equal(ruleset_find_service(rs, "x"), -1);
	assert_int_equal(ruleset_find_device(rs, "eth1"), 0);
	assert_int_equal(ruleset_find_device(rs, "eth"), -1);
	assert_int_equal(anybind_ruleset_each(rs, stop, &n), 17);
	assert_int_equal(n, 2);
	anybind_ruleset_free(rs);
	rs = parse("service a missing pass\n"
		   "bind a tcp,udp 10.0.0.0/8 80,443 from 192.0.2.1 dev lo\n");
	n = 0;
	assert_int_equal(anybind_ruleset_each(rs, check_parts, &n), 0);
	assert_int_equal(n, 2);
	anybind_ruleset_free(rs);
}

static void note_index(size_t index, void *data)
{
	size_t *indices = data;

	indices[++indices[0]] = index;
}

static void test_each_new(void **state)
{
	struct anybind_ruleset *a =
		parse("bind a tcp ::1 1-3 dev m\npass tcp ::1 5\nbind a tcp ::1 7");
	struct anybind_ruleset *b =
		parse("bind a tcp ::1 1-3 dev m\npass tcp ::1 5 dev b\nbind b tcp "
		      "::1 7\npass tcp ::1 5");
	size_t indices[8] = {0};

	(void)state;
	ruleset_each_new(a, b, note_index, indices);
	assert_int_equal(indices[0], 2);
	assert_int_equal(indices[1], 0); /* 5 dev b */
	assert_int_equal(indices[2], 2); /* another service */
	anybind_ruleset_free(a);
	anybind_ruleset_free(b);
}

/* New devices and services keep the ids that are given, and give none to new ones. */
static void test_ids(void **state)
{
	struct anybind_ruleset *rs = parse("bind m tcp ::1 1"), *delta = parse("bind a tcp ::1 2");

	(void)state;
	rs->services[0].id = 5;
	delta->services[0].id = 5;
	assert_int_equal(anybind_ruleset_add(rs, delta, false, NULL), 1);
	assert_string_equal(rs->services[0].name, "a");
	assert_true(rs->services[0].id == SERVICE_NO_ID);
	assert_int_equal(rs->services[1].id, 5);
	anybind_ruleset_free(rs);
	anybind_ruleset_free(delta);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),	cmocka_unit_test(test_add_refused),
		cmocka_unit_test(test_replace), cmocka_unit_test(test_remove),
		cmocka_unit_test(test_diff),	cmocka_unit_test(test_remove_refused),
		cmocka_unit_test(test_each),	cmocka_unit_test(test_each_new),
		cmocka_unit_test(test_ids),	cmocka_unit_test(test_fallbacks),
		cmocka_unit_test(test_named_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
