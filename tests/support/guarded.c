/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "guarded.h"

#include <stdio.h>
#include <string.h>

#include "facts.h"

struct netns own, blue;

struct anybind_ruleset *guarded_rules(const struct netns *ns, const char *text)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs = NULL;

	if (anybind_ruleset_parse(&rs, text, strlen(text), "test", report) < 0) {
		world_print_report(report);
		fail_msg("bad rules");
	}
	for (size_t i = 0; i < rs->n_devices; i++)
		rs->devices[i].ifindex = (uint32_t)facts_ifindex(ns, rs->devices[i].name);
	anybind_report_free(report);
	return rs;
}

struct anybind_report *guarded_commit(const struct netns *ns, const char *before, const char *after,
				      bool force, int code)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *old = before ? guarded_rules(ns, before) : NULL,
			       *new = guarded_rules(ns, after);

	if (guard_commit(ns, old, new, NULL, 0, force, report) != code) {
		world_print_report(report);
		fail_msg("unexpected code for: %s", after);
	}
	anybind_ruleset_free(old);
	anybind_ruleset_free(new);
	return report;
}

void expect_quiet(const struct netns *ns, const char *before, const char *after)
{
	struct anybind_report *report = guarded_commit(ns, before, after, false, 0);

	if (anybind_report_count(report)) {
		world_print_report(report);
		fail_msg("not quiet: %s", after);
	}
	anybind_report_free(report);
}

void expect_warning(const struct netns *ns, const char *before, const char *after, const char *text,
		    const char *hint)
{
	struct anybind_report *report = guarded_commit(ns, before, after, false, 0);

	if (anybind_report_count(report) != 1)
		world_print_report(report);
	assert_int_equal(anybind_report_count(report), 1);
	assert_int_equal(anybind_report_get(report, 0)->severity, ANYBIND_WARNING);
	world_assert_message(report, 0, text, NULL);
	if (hint)
		world_assert_hint(report, 0, hint, NULL);
	anybind_report_free(report);
}

void guarded_setup(void)
{
	world_add_netns("blue");
	world_run("ip -n blue link add v0 type veth peer v1 && ip -n blue link set v0 up");
	world_run("ip -n blue addr add 192.0.2.1/24 dev v0");
	world_run("ip -n blue addr add 192.0.2.99/32 dev lo");
	world_run("ip -n blue route add local 198.51.100.0/24 dev lo");
	world_run("ip -n blue -6 route add local 2001:db8:1::/48 dev lo");
	world_run("ip link add v0 type veth peer v1");
	assert_int_equal(netns_open(&own, NULL, NULL), 0);
	assert_int_equal(netns_open(&blue, "blue", NULL), 0);
}
