/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "guard.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "facts.h"
#include "ruleset.h"
#include "world.h"

/* Has 192.0.2.1/24 on v0 and local 198.51.100.0/24, 2001:db8:1::/48. */
static struct netns own, blue;

static struct anybind_ruleset *rules(const struct netns *ns, const char *text)
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

/* @before NULL: no dispatcher. The report is the caller's. */
static struct anybind_report *commit(const struct netns *ns, const char *before, const char *after,
				     bool force, int code)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *old = before ? rules(ns, before) : NULL, *new = rules(ns, after);

	if (guard_commit(ns, old, new, NULL, 0, force, report) != code) {
		world_print_report(report);
		fail_msg("unexpected code for: %s", after);
	}
	anybind_ruleset_free(old);
	anybind_ruleset_free(new);
	return report;
}

static void expect_quiet(const struct netns *ns, const char *before, const char *after)
{
	struct anybind_report *report = commit(ns, before, after, false, 0);

	if (anybind_report_count(report)) {
		world_print_report(report);
		fail_msg("not quiet: %s", after);
	}
	anybind_report_free(report);
}

/* Exactly one message, with these parts. */
static void expect_warning(const struct netns *ns, const char *before, const char *after,
			   const char *text, const char *hint)
{
	struct anybind_report *report = commit(ns, before, after, false, 0);

	if (anybind_report_count(report) != 1)
		world_print_report(report);
	assert_int_equal(anybind_report_count(report), 1);
	assert_int_equal(anybind_report_get(report, 0)->severity, ANYBIND_WARNING);
	world_assert_message(report, 0, text, NULL);
	if (hint)
		world_assert_hint(report, 0, hint, NULL);
	anybind_report_free(report);
}

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
	struct anybind_report *report = commit(&own, before, after, false, -EPERM);

	assert_int_equal(anybind_report_count(report), 1);
	assert_int_equal(anybind_report_get(report, 0)->severity, ANYBIND_ERROR);
	assert_int_equal(anybind_report_get(report, 0)->code, -EPERM);
	world_assert_message(report, 0, rule, "would take tcp 127.0.0.1 port 22",
			     "ssh session from 127.0.0.1", NULL);
	world_assert_hint(report, 0, hint, "--force", NULL);
	anybind_report_free(report);
	anybind_report_free(commit(&own, before, after, true, 0));
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
	struct anybind_report *report = commit(&own, NULL, "drop tcp ::/0 22", false, -EPERM);

	(void)state;
	world_assert_message(report, 0, "tcp ::1 port 22", NULL);
	anybind_report_free(report);
	expect_quiet(&own, "", "drop tcp 0.0.0.0/0 22");
	log_out(&s);
	/* An IPv4 session of a dual-stack sshd. */
	s = log_in("[::]:22", "127.0.0.1:22", "127.0.0.1");
	anybind_report_free(commit(&own, NULL, "drop tcp 0.0.0.0/0 22", false, -EPERM));
	log_out(&s);
}

/* ---- listeners ---- */

static void test_listener(void **state)
{
	int fd = world_socket(IPPROTO_TCP, "0.0.0.0:80", 0);
	char who[64];

	(void)state;
	prctl(PR_SET_NAME, "nginx");
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
	struct anybind_ruleset *rs = rules(&own, "bind web tcp 127.0.0.0/24 80");
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
	report = commit(&own, NULL, "drop tcp any 1000-1018", false, 0);
	assert_int_equal(anybind_report_count(report), 8);
	world_assert_message(report, 0, "listens on 0.0.0.0:1000", NULL);
	world_assert_message(report, 6, "listens on 0.0.0.0:1006", NULL);
	world_assert_message(report, 7, "and 12 more listeners", NULL);
	anybind_report_free(report);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
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
	report = commit(&blue, NULL, text, false, 0);
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
	report = commit(&blue, NULL, text, false, 0);
	assert_int_equal(anybind_report_count(report), 6);
	world_assert_message(report, 5, "and 4 more rules", NULL);
	anybind_report_free(report);
}

/* ---- all of it ---- */

/* In one report, in this order: what is lost first. */
static void test_together(void **state)
{
	int fd = world_socket(IPPROTO_UDP, "0.0.0.0:53", 0);
	struct anybind_report *report = commit(&own, "", "bind dns udp 127.0.0.0/7 any", false, 0);

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
	struct anybind_ruleset *rs = rules(&own, "bind web udp 203.0.113.0/24 any");

	(void)state;
	assert_int_equal(guard_commit(&gone, NULL, rs, NULL, 0, false, report), 0);
	assert_int_equal(anybind_report_count(report), 3);
	world_assert_message(report, 0, "could not check which programs lose traffic", NULL);
	world_assert_message(report, 1, "could not check whether the prefixes are local", NULL);
	world_assert_message(report, 2, "could not check whether the host's own UDP", NULL);
	anybind_ruleset_free(rs);
	anybind_report_free(report);
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
	struct anybind_ruleset *rs = rules(&own, text);
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

	test_ssh(state);
	test_listener(state);
	test_local(state);
	test_clients(state);
	test_not_possible(state);
	assert_int_equal(world_count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ssh),	     cmocka_unit_test(test_ssh_v6),
		cmocka_unit_test(test_listener),     cmocka_unit_test(test_listener_on_address),
		cmocka_unit_test(test_dual_stack),   cmocka_unit_test(test_listener_with_device),
		cmocka_unit_test(test_registered),   cmocka_unit_test(test_many_listeners),
		cmocka_unit_test(test_local),	     cmocka_unit_test(test_many_not_local),
		cmocka_unit_test(test_ip_command),   cmocka_unit_test(test_clients),
		cmocka_unit_test(test_many_clients), cmocka_unit_test(test_together),
		cmocka_unit_test(test_not_possible), cmocka_unit_test(test_large),
		cmocka_unit_test(test_no_leaks),
	};

	if (!world_enter())
		return 0;
	world_add_netns("blue");
	world_run("ip -n blue link add v0 type veth peer v1 && ip -n blue link set v0 up");
	world_run("ip -n blue addr add 192.0.2.1/24 dev v0");
	world_run("ip -n blue addr add 192.0.2.99/32 dev lo");
	world_run("ip -n blue route add local 198.51.100.0/24 dev lo");
	world_run("ip -n blue -6 route add local 2001:db8:1::/48 dev lo");
	world_run("ip link add v0 type veth peer v1");
	if (netns_open(&own, NULL, NULL) < 0 || netns_open(&blue, "blue", NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
