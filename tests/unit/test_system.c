/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "unit.h"

#include <errno.h>

#include "cleanup.h"
#include "system.h"

static void test_release(void **state)
{
	static const struct {
		const char *release;
		unsigned int major, minor;
		int r;
	} vectors[] = {
		{"6.5.0", 6, 5, 1},
		{"6.5", 6, 5, 1},
		{"6.5-rc1", 6, 5, 1},
		{"6.18.44-fc-v657", 6, 5, 1},
		{"6.10.11+bpo-amd64", 6, 5, 1},
		{"7.0.0", 6, 5, 1},
		{"10.0", 6, 5, 1},
		{"6.4.16", 6, 5, 0},
		{"6.1.0-18-amd64", 6, 5, 0},
		{"5.15.0-1053-aws", 6, 5, 0},
		{"5.14.0-427.el9.x86_64", 6, 5, 0},
		{"4.19.5", 6, 5, 0},
		{"5.17.0", 5, 17, 1},
		{"5.16.20", 5, 17, 0},
		{"6.0.0", 5, 17, 1},
		{"", 6, 5, -EINVAL},
		{"6", 6, 5, -EINVAL},
		{"6.", 6, 5, -EINVAL},
		{".5", 6, 5, -EINVAL},
		{"6.x", 6, 5, -EINVAL},
		{"six.five", 6, 5, -EINVAL},
		{" 6.5", 6, 5, -EINVAL},
		{"6 .5", 6, 5, -EINVAL},
		{"-6.5", 6, 5, -EINVAL},
		{"6.-5", 6, 5, -EINVAL},
		{"06.5", 6, 5, -EINVAL},
		{"4294967296.5", 6, 5, -EINVAL},
		{"6.99999999999999999999", 6, 5, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		if (system_release_reaches(vectors[i].release, vectors[i].major,
					   vectors[i].minor) != vectors[i].r)
			fail_msg("\"%s\" against %u.%u", vectors[i].release, vectors[i].major,
				 vectors[i].minor);
}

static void test_tcp_iterator(void **state)
{
	static const char *const fit[] = {"6.5.0", "6.12.9-amd64", "7.1"};
	struct anybind_report *report = anybind_report_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fit); i++)
		assert_int_equal(system_check_tcp_iterator(fit[i], report), 0);
	assert_int_equal(anybind_report_count(report), 0);
	assert_int_equal(system_check_tcp_iterator("6.4.16", report), -ENOTSUP);
	assert_message(report, -ENOTSUP, 0, WORDS("deadlock", "Linux 6.4.16", "6.5"));
	assert_non_null(strstr(anybind_report_get(report, 0)->hint, "--pid"));
	anybind_report_free(report);

	report = anybind_report_new();
	assert_int_equal(system_check_tcp_iterator("next\n\x1b[2J", report), -ENOTSUP);
	assert_message(report, -ENOTSUP, 0, WORDS("cannot tell", "next\\x0a", "6.5"));
	anybind_report_free(report);
	assert_int_equal(system_check_tcp_iterator("5.15.0", NULL), -ENOTSUP);
}

static void test_explain(void **state)
{
	struct anybind_report *report = anybind_report_new();

	(void)state;
	assert_int_equal(system_explain_iterator(-ESRCH, false, report), -ENOTSUP);
	assert_message(report, -ENOTSUP, 0, WORDS("BTF", "/sys/kernel/btf/vmlinux"));
	assert_non_null(strstr(anybind_report_get(report, 0)->hint, "CONFIG_DEBUG_INFO_BTF"));
	anybind_report_free(report);

	report = anybind_report_new();
	assert_int_equal(system_explain_iterator(-EINVAL, true, report), -EINVAL);
	assert_message(report, -EINVAL, 0, WORDS("refused to look for the socket"));
	anybind_report_free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_tcp_iterator),
		cmocka_unit_test(test_explain),
	};

	return cmocka_run_group_tests_name("system", tests, NULL, NULL);
}
