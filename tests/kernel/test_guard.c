/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "guarded.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the ssh session ---- */

struct session {
	int server, client, accepted;
};

static struct session log_in(const char *listen_on, const char *connect_to, const char *host)
{
	struct session s = {.server = world_socket(IPPROTO_TCP, listen_on, 0)};
	char value[128];

	s.client = world_connect(IPPROTO_TCP, connect_to);
	s.accepted = accept(s.server, NULL, NULL);
	assert_true(s.accepted >= 0);
	snprintf(value, sizeof(value), "%s %u %s 22", host, world_port(s.client), host);
	setenv("SSH_CONNECTION", value, 1);
	/* The listener is warned of elsewhere. */
	close(s.server);
	return s;
}

static void log_out(struct session *s)
{
	unsetenv("SSH_CONNECTION");
	close(s->client);
	close(s->accepted);
}

static void expect_ssh_refusal(const char *before, const char *after, const char *rule,
			       const char *hint)
{
	struct anybind_report *report = guarded_commit(&own, before, after, false, -EPERM);

	assert_int_equal(anybind_report_count(report), 1);
	assert_int_equal(anybind_report_get(report, 0)->severity, ANYBIND_ERROR);
	assert_int_equal(anybind_report_get(report, 0)->code, -EPERM);
	world_assert_message(report, 0, rule, "would take tcp 127.0.0.1 port 22",
			     "ssh session from 127.0.0.1", NULL);
	world_assert_hint(report, 0, hint, "--force", NULL);
	anybind_report_free(report);
	anybind_report_free(guarded_commit(&own, before, after, true, 0));
}

static void test_ssh(void **state)
{
	struct session s = log_in("127.0.0.1:22", "127.0.0.1:22", "127.0.0.1");
	const char *pass = "pass tcp 127.0.0.1 22";

	(void)state;
	expect_ssh_refusal(NULL, "bind web tcp any any", "'bind web tcp 0.0.0.0/0 any'", pass);
	expect_ssh_refusal("", "drop tcp 127.0.0.0/8 22", "'drop tcp 127.0.0.0/8 22'", pass);
	expect_ssh_refusal("", "drop tcp 127.0.0.1 20-30", "20-30", pass);
	expect_ssh_refusal("", "drop tcp 127.0.0.1 22", "22",
			   "pass tcp 127.0.0.1 22 from 127.0.0.1");
	expect_ssh_refusal("", "drop tcp 127.0.0.1 22 from 127.0.0.1", "from", "If that is meant");
	/* It may come in by that device. */
	expect_ssh_refusal("", "drop tcp any 22 dev lo", "dev lo", pass);
	/* What let it through goes. */
	expect_ssh_refusal("drop tcp any any\npass tcp any 22", "drop tcp any any", "drop", pass);
	expect_ssh_refusal("drop tcp any 22 dev lo", "drop tcp any 22", "drop tcp", pass);

	expect_quiet(&own, "", "pass tcp any any");
	expect_quiet(&own, "", "drop tcp any any except 22");
	expect_quiet(&own, "", "drop tcp any any\npass tcp 127.0.0.1 22");
	expect_quiet(&own, "", "drop tcp any 22 dev lo\npass tcp 127.0.0.1 22");
	expect_quiet(&own, "", "drop tcp any any from 10.0.0.0/8");
	expect_quiet(&own, "", "drop tcp 127.0.0.2 any");
	expect_quiet(&own, "", "drop tcp ::/0 any");
	/* Taken already: no news. */
	expect_quiet(&own, "drop tcp any 22", "drop tcp any 22\ndrop tcp any 23");
	expect_quiet(&own, "drop tcp any 22 dev lo", "drop tcp 127.0.0.1 22 dev lo");
	/* The session is not there. */
	expect_quiet(&blue, "", "drop tcp any 22");
	log_out(&s);
	setenv("SSH_CONNECTION", "127.0.0.1 1 127.0.0.1 22", 1);
	expect_quiet(&own, "", "drop tcp any 22");
	unsetenv("SSH_CONNECTION");
}

static void test_ssh_v6(void **state)
{
	struct session s = log_in("[::1]:22", "[::1]:22", "::1");
	struct anybind_report *report =
		guarded_commit(&own, NULL, "drop tcp ::/0 22", false, -EPERM);

	(void)state;
	world_assert_message(report, 0, "tcp ::1 port 22", NULL);
	anybind_report_free(report);
	expect_quiet(&own, "", "drop tcp 0.0.0.0/0 22");
	log_out(&s);
	/* An IPv4 session of a dual-stack sshd. */
	s = log_in("[::]:22", "127.0.0.1:22", "127.0.0.1");
	anybind_report_free(guarded_commit(&own, NULL, "drop tcp 0.0.0.0/0 22", false, -EPERM));
	log_out(&s);
}

/* ---- prefixes that are not local ---- */

static void test_local(void **state)
{
	(void)state;
	expect_quiet(&blue, NULL, "bind web tcp 198.51.100.0/24 80");
	expect_quiet(&blue, "", "bind web tcp 198.51.100.128/25 80");
	expect_quiet(&blue, "", "bind web tcp 192.0.2.1 80");
	expect_quiet(&blue, "", "bind web tcp 2001:db8:1:2::/64 80");
	expect_quiet(&blue, "", "bind web tcp 127.1.2.3 80");
	expect_quiet(&blue, "", "bind web tcp any 80");
	expect_quiet(&blue, "", "drop tcp 203.0.113.0/24 80");
	expect_quiet(&blue, "bind web tcp 203.0.113.0/24 80", "bind web tcp 203.0.113.0/24 80");
	expect_warning(&blue, "", "bind web tcp 203.0.113.0/24 80", "203.0.113.0/24 is not local",
		       "ip -n blue route add local 203.0.113.0/24 dev lo");
	expect_warning(&blue, "", "bind web tcp 2001:db8:2::/48 80", "2001:db8:2::/48 is not local",
		       "ip -n blue -6 route add local 2001:db8:2::/48 dev lo");
	expect_warning(&own, "", "bind web tcp 203.0.113.7 80", "203.0.113.7 is not local",
		       "ip route add local 203.0.113.7 dev lo");
	/* Larger than what is local, which begins there or lies inside. */
	expect_warning(&blue, "", "bind web tcp 198.51.100.0/23 80",
		       "198.51.100.0/23 is only partly local", "If all of it");
	expect_warning(&blue, "", "bind web tcp 198.51.0.0/16 80",
		       "198.51.0.0/16 is only partly local", NULL);
	expect_warning(&blue, "", "bind web tcp 192.0.2.0/24 80",
		       "192.0.2.0/24 is only partly local", NULL);
	/* One for each prefix. */
	expect_warning(&blue, "", "bind a tcp 203.0.113.0/24 80\nbind b udp 203.0.113.0/24 81-82",
		       "203.0.113.0/24 is not local", NULL);
}

static void test_many_not_local(void **state)
{
	struct anybind_report *report;
	char text[1024] = "";

	(void)state;
	for (int i = 0; i < 9; i++)
		sprintf(text + strlen(text), "bind web tcp 203.0.113.%d 80\n", i);
	report = guarded_commit(&blue, NULL, text, false, 0);
	assert_int_equal(anybind_report_count(report), 6);
	world_assert_message(report, 4, "203.0.113.4 is not local", NULL);
	world_assert_message(report, 5, "and 4 more prefixes", NULL);
	anybind_report_free(report);
}

static void test_ip_command(void **state)
{
	struct netns ns = blue;

	(void)state;
	snprintf(ns.name, sizeof(ns.name), "pid:812");
	expect_warning(&ns, "", "bind web tcp 203.0.113.7 80", "not local",
		       "nsenter -t 812 -n ip route add local 203.0.113.7 dev lo");
	snprintf(ns.name, sizeof(ns.name), "/proc/812/ns/net");
	expect_warning(&ns, "", "bind web tcp 203.0.113.7 80", "not local",
		       "nsenter --net=/proc/812/ns/net ip route add local 203.0.113.7 dev lo");
}

/* ---- UDP clients of the host ---- */

static void test_clients(void **state)
{
	(void)state;
	expect_warning(&blue, NULL, "drop udp 192.0.2.0/24 any",
		       "'drop udp 192.0.2.0/24 any' also takes the replies", "any except");
	expect_warning(&blue, "", "drop udp 192.0.2.0/24 any", "(DNS, NTP) at 192.0.2.1",
		       "`pass udp 192.0.2.1 32768-60999`");
	expect_warning(&blue, "", "drop udp 192.0.2.1 1024-65535", "at 192.0.2.1", NULL);
	expect_warning(&blue, "", "drop udp 0.0.0.0/0 any", "at 192.0.2.1", NULL);
	expect_warning(&blue, "", "drop udp 127.0.0.0/8 any", "at 127.0.0.1", NULL);
	expect_warning(&blue, "", "drop udp ::1 any", "at ::1", NULL);
	expect_quiet(&blue, "", "drop udp 192.0.2.2 any");
	expect_quiet(&blue, "", "drop udp 192.0.2.1 1024-50000");
	expect_quiet(&blue, "", "drop udp 192.0.2.1 any except 32768-60999");
	expect_quiet(&blue, "", "drop udp 192.0.2.1 any\npass udp 192.0.2.1 32768-60999");
	expect_quiet(&blue, "", "drop tcp 192.0.2.1 any");
	expect_quiet(&blue, "", "pass udp 192.0.2.1 any");
	expect_quiet(&blue, "drop udp any any", "drop udp any any\ndrop udp 192.0.2.1 any");
	/* A service's own address is set on lo. */
	expect_quiet(&blue, "", "drop udp 192.0.2.99 any");
	/* Only loopback, and that is what `any` does not think of. */
	expect_quiet(&own, "", "drop udp any any");
}

static void test_many_clients(void **state)
{
	struct anybind_report *report;
	char text[1024] = "";

	(void)state;
	for (int i = 24; i <= 32; i++)
		sprintf(text + strlen(text), "drop udp 192.0.2.1/%d any from 10.0.0.%d\n", i, i);
	report = guarded_commit(&blue, NULL, text, false, 0);
	assert_int_equal(anybind_report_count(report), 6);
	world_assert_message(report, 5, "and 4 more rules", NULL);
	anybind_report_free(report);
}

/* ---- all of it ---- */

/* In one report, in this order: what is lost first. */
static void test_together(void **state)
{
	int fd = world_socket(IPPROTO_UDP, "0.0.0.0:53", 0);
	struct anybind_report *report =
		guarded_commit(&own, "", "bind dns udp 127.0.0.0/7 any", false, 0);

	(void)state;
	assert_int_equal(anybind_report_count(report), 3);
	world_assert_message(report, 0, "which is bound to 0.0.0.0:53", NULL);
	world_assert_message(report, 1, "126.0.0.0/7 is only partly local", NULL);
	world_assert_message(report, 2, "UDP clients", NULL);
	anybind_report_free(report);
	close(fd);
}

/* A namespace that cannot be entered: nothing fails, but it is said. */
static void test_not_possible(void **state)
{
	struct netns gone = {.fd = -1, .name = "gone"};
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs = guarded_rules(&own, "bind web udp 203.0.113.0/24 any");

	(void)state;
	assert_int_equal(guard_commit(&gone, NULL, rs, NULL, 0, false, report), 0);
	assert_int_equal(anybind_report_count(report), 3);
	world_assert_message(report, 0, "could not check which programs lose traffic", NULL);
	world_assert_message(report, 1, "could not check whether the prefixes are local", NULL);
	world_assert_message(report, 2, "could not check whether the host's own UDP", NULL);
	anybind_ruleset_free(rs);
	anybind_report_free(report);
}

static void test_no_leaks(void **state)
{
	const size_t before = world_count_fds();

	test_ssh(state);
	test_local(state);
	test_clients(state);
	test_not_possible(state);
	assert_int_equal(world_count_fds(), before);
}

static int setup(void **state)
{
	(void)state;
	guarded_setup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ssh),	     cmocka_unit_test(test_ssh_v6),
		cmocka_unit_test(test_local),	     cmocka_unit_test(test_many_not_local),
		cmocka_unit_test(test_ip_command),   cmocka_unit_test(test_clients),
		cmocka_unit_test(test_many_clients), cmocka_unit_test(test_together),
		cmocka_unit_test(test_not_possible), cmocka_unit_test(test_no_leaks),
	};

	if (!world_enter())
		return 0;
	return cmocka_run_group_tests(tests, setup, NULL);
}
