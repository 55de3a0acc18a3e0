/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Policies: what is allowed, and what is no policy. */
#include "unit.h"

#include <errno.h>

/* Users are odd, groups even; one of them cannot be looked up now. */
static int id_of(bool is_group, const char *name, uint32_t *ret_id, void *data)
{
	static const char *const names[] = {"root", "dns", "www-data", "staff"};

	(void)data;
	if (!strcmp(name, "broken"))
		return -EIO;
	for (uint32_t i = 0; i < 4; i++)
		if (!strcmp(name, names[i])) {
			*ret_id = 100 + 2 * i + !is_group;
			return 0;
		}
	return -ENOENT;
}

enum { ROOT = 101, DNS = 103, WWW = 105, DNS_GROUP = 102, STAFF_GROUP = 106 };

static struct anybind_policy *policy_of(const char *text)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_policy *policy = NULL;
	int r = anybind_policy_parse(&policy, text, strlen(text), "policy", id_of, NULL, report);

	for (size_t i = 0; i < anybind_report_count(report); i++)
		print_error("line %u: %s\n", anybind_report_get(report, i)->line,
			    anybind_report_get(report, i)->text);
	assert_int_equal(r, 0);
	anybind_report_free(report);
	return policy;
}

/* Is @service allowed by @text to @uid, whose groups are @groups? */
static bool allows(const char *text, uid_t uid, const gid_t groups[], size_t n, const char *service)
{
	struct anybind_policy *policy = policy_of(text);
	bool allowed = anybind_policy_allows(policy, uid, groups, n, service);

	anybind_policy_free(policy);
	return allowed;
}

static void test_users_and_groups(void **state)
{
	const char *text = "# who may what\n"
			   "allow user www-data service web,web-*   # the servers\r\n"
			   "\n"
			   "\tallow  group dns service dns\n"
			   "allow uid 0 service *\n"
			   "allow gid 4294967294 service last";
	const gid_t groups[] = {7, DNS_GROUP}, last[] = {4294967294u};

	(void)state;
	assert_true(allows(text, WWW, NULL, 0, "web"));
	assert_true(allows(text, WWW, NULL, 0, "web-1"));
	assert_true(allows(text, WWW, NULL, 0, "web-"));
	assert_false(allows(text, WWW, NULL, 0, "web1"));
	assert_false(allows(text, WWW, NULL, 0, "we"));
	assert_false(allows(text, WWW, NULL, 0, "Web"));
	assert_false(allows(text, WWW, NULL, 0, "dns"));
	assert_false(allows(text, DNS, NULL, 0, "dns"));
	assert_true(allows(text, DNS, groups, 2, "dns"));
	assert_false(allows(text, DNS, groups, 1, "dns"));
	assert_false(allows(text, DNS_GROUP, NULL, 0, "dns")); /* a user of the group's number */
	assert_true(allows(text, 0, NULL, 0, "anything@all"));
	assert_false(allows(text, 4294967294u, NULL, 0, "last"));
	assert_true(allows(text, 5, last, 1, "last"));
}

/* Whatever a policy says, it is about names of services. */
static void test_bad_names_are_never_allowed(void **state)
{
	char longest[ANYBIND_NAME_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[ANYBIND_NAME_MAX + 1] = '\0';
	assert_false(allows("allow uid 1 service *", 1, NULL, 0, longest));
	longest[ANYBIND_NAME_MAX] = '\0';
	assert_true(allows("allow uid 1 service *", 1, NULL, 0, longest));
	assert_false(allows("allow uid 1 service *", 1, NULL, 0, ""));
	assert_false(allows("allow uid 1 service *", 1, NULL, 0, "*"));
	assert_false(allows("allow uid 1 service *", 1, NULL, 0, "a b"));
	assert_false(allows("allow uid 1 service *", 1, NULL, 0, "a\n"));
}

static void test_empty(void **state)
{
	static const char *const texts[] = {"", "\n", "# allow uid 0 service *", " \t\r\n#\n"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct anybind_policy *policy = policy_of(texts[i]);

		assert_int_equal(anybind_policy_count(policy), 0);
		assert_false(anybind_policy_allows(policy, 0, NULL, 0, "web"));
		anybind_policy_free(policy);
	}
	anybind_policy_free(NULL);
}

static const struct {
	const char *text;
	int code;
	unsigned int line;
	const char *words[4];
} mistakes[] = {
	{"alow uid 0 service *", -EINVAL, 1, {"\"alow\"", "did you mean \"allow\""}},
	{"\n\ndeny uid 0 service *", -EINVAL, 3, {"\"deny\" stands where \"allow\" belongs"}},
	{"allow", -EINVAL, 1, {"user, group, uid or gid is missing after \"allow\""}},
	{"allow usr root service *", -EINVAL, 1, {"\"usr\"", "did you mean \"user\""}},
	{"allow root", -EINVAL, 1, {"\"root\" stands where user, group, uid or gid belongs"}},
	{"allow user", -EINVAL, 1, {"a name is missing after \"user\""}},
	{"allow user # nobody", -EINVAL, 1, {"a name is missing after \"user\""}},
	{"allow user nobody service a", -ENOENT, 1, {"there is no user \"nobody\""}},
	{"allow group broken service a", -EIO, 1, {"cannot look up group \"broken\"", "Input"}},
	{"allow uid", -EINVAL, 1, {"a number is missing after \"uid\""}},
	{"allow uid root service a", -EINVAL, 1, {"\"root\" is no uid"}},
	{"allow uid -1 service a", -EINVAL, 1, {"\"-1\" is no uid"}},
	{"allow gid 4294967295 service a", -EINVAL, 1, {"\"4294967295\" is no gid", "4294967294"}},
	{"allow uid 00 service a", -EINVAL, 1, {"\"00\" is no uid"}},
	{"allow user root", -EINVAL, 1, {"\"service\" is missing after \"root\""}},
	{"allow user root services a", -EINVAL, 1, {"\"services\"", "did you mean \"service\""}},
	{"allow user root service", -EINVAL, 1, {"name or pattern is missing after \"service\""}},
	{"allow user root service a,", -EINVAL, 1, {"\"\" is no service's name"}},
	{"allow user root service ,a", -EINVAL, 1, {"\"\" is no service's name"}},
	{"allow user root service a,,b", -EINVAL, 1, {"\"\" is no service's name"}},
	{"allow user root service a*b", -EINVAL, 1, {"\"a*b\" is no service's name"}},
	{"allow user root service **", -EINVAL, 1, {"\"**\" is no service's name"}},
	{"allow user root service a/b", -EINVAL, 1, {"\"a/b\" is no service's name"}},
	{"allow user root service a, b", -EINVAL, 1, {"\"\" is no service's name"}},
	{"allow user root service a b", -EINVAL, 1, {"\"b\" is not expected here"}},
	{"allow user root service a\rb", -EINVAL, 1, {"\"a\\x0db\" is no service's name"}},
	{"allow user \xff\x1b service a", -ENOENT, 1, {"no user \"\\xff\\x1b\""}},
};

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct anybind_report *report = anybind_report_new();
		struct anybind_policy *policy = NULL;
		const char *text = mistakes[i].text;

		assert_int_equal(anybind_policy_parse(&policy, text, strlen(text), "policy", id_of,
						      NULL, report),
				 -EINVAL);
		assert_null(policy);
		assert_int_equal(anybind_report_count(report), 1);
		assert_message(report, mistakes[i].code, mistakes[i].line, mistakes[i].words);
		assert_string_equal(anybind_report_get(report, 0)->source, "policy");
		anybind_report_free(report);
	}
}

static void test_all_mistakes_are_reported(void **state)
{
	static const char text[] = "allow uid x service a\n"
				   "allow uid 1 service a\n"
				   "allow uid 1 service a\0b\n"
				   "allow user nobody service b";
	struct anybind_report *report = anybind_report_new();
	struct anybind_policy *policy = NULL;

	(void)state;
	assert_int_equal(anybind_policy_parse(&policy, text, sizeof(text) - 1, "policy", id_of,
					      NULL, report),
			 -EINVAL);
	assert_int_equal(anybind_report_count(report), 3);
	assert_int_equal(anybind_report_get(report, 0)->line, 1);
	assert_int_equal(anybind_report_get(report, 1)->line, 3);
	assert_int_equal(anybind_report_get(report, 2)->line, 4);
	anybind_report_free(report);
}

/* @head, then @n bytes 'a', then @tail. */
static int parse_long(const char *head, size_t n, const char *tail)
{
	size_t size = strlen(head) + n + strlen(tail);
	struct anybind_policy *policy = NULL;
	char *text = malloc(size + 1);
	int r;

	assert_non_null(text);
	strcpy(text, head);
	memset(text + strlen(head), 'a', n);
	strcpy(text + strlen(head) + n, tail);
	r = anybind_policy_parse(&policy, text, size, NULL, id_of, NULL, NULL);
	anybind_policy_free(policy);
	free(text);
	return r;
}

static void test_lengths(void **state)
{
	const char *head = "allow uid 1 service ";

	(void)state;
	assert_int_equal(parse_long(head, ANYBIND_NAME_MAX, ""), 0);
	assert_int_equal(parse_long(head, ANYBIND_NAME_MAX, "*"), 0);
	assert_int_equal(parse_long(head, ANYBIND_NAME_MAX + 1, ""), -EINVAL);
	assert_int_equal(parse_long("allow user ", 1000, " service a"), -EINVAL);
	assert_int_equal(parse_long("#", 4095, ""), 0);
	assert_int_equal(parse_long("#", 4096, ""), -EINVAL);
}

static void test_too_many_patterns(void **state)
{
	static const char line[] = "allow uid 1 service a,b\n";
	const size_t n = 32768, len = sizeof(line) - 1;
	char *text = malloc((n + 1) * len);
	struct anybind_policy *policy = NULL;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i <= n; i++)
		memcpy(text + i * len, line, len);
	assert_int_equal(anybind_policy_parse(&policy, text, n * len, NULL, id_of, NULL, NULL), 0);
	assert_int_equal(anybind_policy_count(policy), 65536);
	anybind_policy_free(policy);
	policy = NULL;
	assert_int_equal(anybind_policy_parse(&policy, text, (n + 1) * len, NULL, id_of, NULL,
					      NULL),
			 -E2BIG);
	assert_null(policy);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users_and_groups),
		cmocka_unit_test(test_bad_names_are_never_allowed),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_all_mistakes_are_reported),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_too_many_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
