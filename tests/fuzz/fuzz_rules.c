/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Any bytes as a rule file: what is read must be sealed; its canonical text
 * must read as the same and print as the same; taking all of it out and
 * putting it back must lead there again.
 */
#include "fuzz.h"

/* Taken out and put back, @rs is the same. */
static void check_edits(const struct anybind_ruleset *rs)
{
	struct anybind_ruleset *copy = NULL;

	must(ruleset_copy(&copy, rs) == 0);
	must_equal(rs, copy);
	must(anybind_ruleset_add(copy, rs, false, NULL) == 0);
	must_equal(rs, copy);
	if (rs->n_rules > 0) {
		must(anybind_ruleset_remove(copy, rs, NULL) == 0);
		must(copy->n_rules == 0 && copy->n_devices == 0);
		must(copy->n_services == rs->n_services);
		must(ruleset_validate(copy) == 0);
		must(anybind_ruleset_add(copy, rs, false, NULL) == 1);
		must_equal(rs, copy);
	}
	anybind_ruleset_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs = NULL;
	int r;

	must(report);
	r = anybind_ruleset_parse(&rs, (const char *)data, size, "input", report);
	must((r == 0) == (anybind_report_count(report) == 0));
	if (r == 0) {
		must(ruleset_validate(rs) == 0);
		must_read_back(rs);
		check_edits(rs);
	}
	anybind_ruleset_free(rs);
	anybind_report_free(report);
	return 0;
}
