/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "guarded.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

static void test_listener(void **state)
{
	int fd = world_socket(IPPROTO_TCP, "0.0.0.0:80", 0);
	char who[64];

	(void)state;
	snprintf(who, sizeof(who), "nginx (pid %d), which listens on 0.0.0.0:80", getpid());
	expect_warning(&own, NULL, "drop tcp 127.0.0.0/24 80",
		       "'drop tcp 127.0.0.0/24 80' takes tcp 127.0.0.0/24 port 80 from ", NULL);
	expect_warning(&own, "", "drop tcp 127.0.0.0/24 70-90", who, NULL);
	expect_warning(&own, "", "drop tcp any any", who, NULL);
	expect_warning(&own, "", "drop tcp 127.0.0.0/24 80\ndrop tcp 127.0.1.0/24 80",
		       "; so does 1 more rule", NULL);
	/* Verdicts change, and others are new: only what was not taken before counts. */
	expect_quiet(&own, "bind a tcp 127.0.0.0/24 80", "bind b tcp 127.0.0.0/24 80");
	expect_quiet(&own, "drop tcp any 80", "drop tcp any 80\ndrop tcp 127.0.0.0/24 80");
	expect_quiet(&own, "", "pass tcp any any");
	expect_quiet(&own, "", "drop tcp any any except 80");
	expect_quiet(&own, "", "drop udp 127.0.0.0/8 80");
	expect_quiet(&own, "", "drop tcp ::/0 80");
	expect_quiet(&own, "", "drop tcp 127.0.0.0/24 70-90\npass tcp 127.0.0.0/24 80");
	/* Not this namespace's. */
	expect_quiet(&blue, "", "drop tcp any 80");
	close(fd);
}

static void test_listener_on_address(void **state)
{
	int tcp = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	int udp = world_socket(IPPROTO_UDP, "[::1]:53", 0);

	(void)state;
	expect_warning(&own, "", "drop tcp 127.0.0.0/24 any",
		       "takes tcp 127.0.0.1 port 80 from nginx", NULL);
	expect_warning(&own, "", "drop udp ::/0 53", "takes udp ::1 port 53 from nginx", NULL);
	expect_warning(&own, "", "drop udp ::/0 53", "which is bound to [::1]:53", NULL);
	expect_warning(&own, "", "drop tcp any any\ndrop tcp 127.0.0.1 80",
		       "'drop tcp 127.0.0.1 80' takes", NULL);
	expect_quiet(&own, "", "drop tcp 127.0.0.2 any");
	expect_quiet(&own, "", "drop tcp any any\npass tcp 127.0.0.1 any");
	close(tcp);
	close(udp);
}

static void test_dual_stack(void **state)
{
	int both = world_socket(IPPROTO_TCP, "[::]:80", 0);
	int only = world_socket(IPPROTO_TCP, "[::]:81", WORLD_V6ONLY);
	int mapped = world_socket(IPPROTO_TCP, "[::ffff:127.0.0.1]:82", 0);

	(void)state;
	expect_warning(&own, "", "drop tcp 0.0.0.0/0 80", "listens on [::]:80", NULL);
	expect_warning(&own, "", "drop tcp ::/0 80", "listens on [::]:80", NULL);
	expect_warning(&own, "", "drop tcp any 80", "so does 1 more rule", NULL);
	expect_quiet(&own, "", "drop tcp 0.0.0.0/0 81");
	expect_warning(&own, "", "drop tcp ::/0 81", "[::]:81", NULL);
	expect_warning(&own, "", "drop tcp 0.0.0.0/0 82", "takes tcp 127.0.0.1 port 82", NULL);
	expect_quiet(&own, "", "drop tcp ::/0 82");
	close(both);
	close(only);
	close(mapped);
}

static void test_listener_with_device(void **state)
{
	int fd = world_socket(IPPROTO_TCP, "0.0.0.0:80", WORLD_NO_LISTEN);

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	assert_int_equal(listen(fd, 1), 0);
	expect_warning(&own, "", "drop tcp any 80 dev lo", "dev lo' takes", NULL);
	expect_warning(&own, "", "drop tcp any 80", "'drop tcp 0.0.0.0/0 80' takes", NULL);
	/* Nothing comes to it by that one. */
	expect_quiet(&own, "", "drop tcp any 80 dev v0");
	expect_quiet(&own, "", "drop tcp any 80\npass tcp any 80 dev lo");
	close(fd);
}

static void test_registered(void **state)
{
	int fds[] = {
		world_socket(IPPROTO_TCP, "0.0.0.0:80", WORLD_REUSEPORT),
		world_socket(IPPROTO_TCP, "0.0.0.0:80", WORLD_REUSEPORT),
	};
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs = guarded_rules(&own, "bind web tcp 127.0.0.0/24 80");
	/* One stands for its group. */
	const uint64_t cookies[] = {UINT64_MAX, world_cookie(fds[1]), 1};

	(void)state;
	assert_int_equal(guard_commit(&own, NULL, rs, cookies, 3, false, report), 0);
	assert_int_equal(anybind_report_count(report), 0);
	/* A group is one listener. */
	assert_int_equal(guard_commit(&own, NULL, rs, cookies, 1, false, report), 0);
	assert_int_equal(anybind_report_count(report), 1);
	anybind_ruleset_free(rs);
	anybind_report_free(report);
	close(fds[0]);
	close(fds[1]);
}

static void test_many_listeners(void **state)
{
	struct anybind_report *report;
	char endpoint[32];
	int fds[20];

	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(endpoint, sizeof(endpoint), "0.0.0.0:%d", 1000 + i);
		fds[i] = world_socket(IPPROTO_TCP, endpoint, 0);
	}
	report = guarded_commit(&own, NULL, "drop tcp any 1000-1018", false, 0);
	assert_int_equal(anybind_report_count(report), 8);
	world_assert_message(report, 0, "listens on 0.0.0.0:1000", NULL);
	world_assert_message(report, 6, "listens on 0.0.0.0:1006", NULL);
	world_assert_message(report, 7, "and 12 more listeners", NULL);
	anybind_report_free(report);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
}

static char *many_rules(size_t n)
{
	char *text = malloc(n * 64);
	size_t used = 0;

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		used += (size_t)sprintf(text + used, "bind s%zu tcp 127.%zu.%zu.%zu any\n", i % 7,
					i >> 16, i >> 8 & 255, i & 255);
	return text;
}

/* Not a benchmark: a product of rules and listeners would be 20,000,000,000 steps. */
static void test_large(void **state)
{
	_cleanup_free_ char *text = many_rules(100000);
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs = guarded_rules(&own, text);
	int fds[400];

	(void)state;
	for (int i = 0; i < 400; i++) {
		char endpoint[32];

		snprintf(endpoint, sizeof(endpoint), i % 2 ? "0.0.0.0:%d" : "127.0.0.1:%d",
			 1000 + i);
		fds[i] = world_socket(IPPROTO_TCP, endpoint, 0);
	}
	assert_int_equal(guard_commit(&own, NULL, rs, NULL, 0, false, report), 0);
	assert_int_equal(anybind_report_count(report), 8);
	world_assert_message(report, 0, "takes tcp 127.0.0.1 port 1000 from", NULL);
	world_assert_message(report, 1, "takes tcp 127.0.0.0 port 1001 from",
			     "so do up to 99999 more rules", NULL);
	world_assert_message(report, 7, "and 393 more listeners", NULL);
	for (int i = 0; i < 400; i++)
		close(fds[i]);
	anybind_ruleset_free(rs);
	anybind_report_free(report);
}

static void test_no_leaks(void **state)
{
	const size_t before = world_count_fds();

	test_listener(state);
	test_listener_with_device(state);
	assert_int_equal(world_count_fds(), before);
}

static int setup(void **state)
{
	(void)state;
	guarded_setup();
	prctl(PR_SET_NAME, "nginx");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listener),   cmocka_unit_test(test_listener_on_address),
		cmocka_unit_test(test_dual_stack), cmocka_unit_test(test_listener_with_device),
		cmocka_unit_test(test_registered), cmocka_unit_test(test_many_listeners),
		cmocka_unit_test(test_large),	   cmocka_unit_test(test_no_leaks),
	};

	if (!world_enter())
		return 0;
	return cmocka_run_group_tests(tests, setup, NULL);
}
