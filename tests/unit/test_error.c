/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "unit.h"

#include <errno.h>

#include "error.h"

static void test_null_report(void **state)
{
	(void)state;
	assert_int_equal(report_error(NULL, -ENOENT, "hint", "%d", 1), -ENOENT);
	assert_int_equal(report_error_at(NULL, "f", 1, -EINVAL, NULL, "x"), -EINVAL);
	assert_int_equal(report_oom(NULL), -ENOMEM);
	report_warning(NULL, NULL, "x");
	report_detail(NULL, "x");
	assert_int_equal(anybind_report_count(NULL), 0);
	assert_null(anybind_report_get(NULL, 0));
	assert_int_equal(anybind_report_dropped(NULL, ANYBIND_ERROR), 0);
	anybind_report_free(NULL);
}

static void test_members(void **state)
{
	struct anybind_report *report = anybind_report_new();
	char source[] = "file", hint[] = "do this";
	const struct anybind_message *m;

	(void)state;
	assert_int_equal(report_error_at(report, source, 7, -EINVAL, hint, "%s %d", "a", 5),
			 -EINVAL);
	report_detail(report, "long");
	report_warning(report, NULL, "careful");
	source[0] = hint[0] = 'X'; /* they were copied */
	assert_int_equal(report_oom(report), -ENOMEM);

	assert_int_equal(anybind_report_count(report), 3);
	m = anybind_report_get(report, 0);
	assert_int_equal(m->severity, ANYBIND_ERROR);
	assert_int_equal(m->code, -EINVAL);
	assert_string_equal(m->source, "file");
	assert_int_equal(m->line, 7);
	assert_string_equal(m->text, "a 5");
	assert_string_equal(m->hint, "do this");
	assert_string_equal(m->detail, "long");
	m = anybind_report_get(report, 1);
	assert_int_equal(m->severity, ANYBIND_WARNING);
	assert_int_equal(m->code, 0);
	assert_null(m->source);
	assert_null(m->hint);
	assert_null(m->detail);
	m = anybind_report_get(report, 2);
	assert_int_equal(m->code, -ENOMEM);
	assert_string_equal(m->text, "out of memory");
	assert_null(anybind_report_get(report, 3));
	anybind_report_free(report);
}

static void test_limits(void **state)
{
	struct anybind_report *report = anybind_report_new();

	(void)state;
	for (int i = 0; i < 25; i++)
		report_error(report, -EINVAL, NULL, "error %d", i);
	report_detail(report, "of a message that was dropped");
	for (int i = 0; i < 22; i++)
		report_warning(report, NULL, "warning %d", i);
	assert_int_equal(anybind_report_count(report), 40);
	assert_int_equal(anybind_report_dropped(report, ANYBIND_ERROR), 5);
	assert_int_equal(anybind_report_dropped(report, ANYBIND_WARNING), 2);
	assert_string_equal(anybind_report_get(report, 19)->text, "error 19");
	assert_null(anybind_report_get(report, 19)->detail);
	assert_string_equal(anybind_report_get(report, 20)->text, "warning 0");
	anybind_report_free(report);
}

static void test_names_of_errors(void **state)
{
	(void)state;
	assert_string_equal(report_errno(-ENOENT), "No such file or directory");
	assert_non_null(strstr(report_errno(-524), "not supported")); /* the kernel's ENOTSUPP */
	assert_non_null(report_errno(-4000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_null_report),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_names_of_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
