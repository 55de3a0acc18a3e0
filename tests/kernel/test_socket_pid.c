/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "world.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "socket.h"
#include "text.h"

static struct netns own, blue;

static int ask(pid_t pid, int protocol, const char *address, struct anybind_sockets **ret,
	       struct anybind_report *report)
{
	struct sockaddr_storage sa;

	if (address)
		assert_int_equal(text_endpoint(address, &sa), 0);
	return socket_of_pid(&own, ret, pid, protocol, address ? (struct sockaddr *)&sa : NULL,
			     report);
}

/* The only socket in the answer is bound to @expected. */
static void expect_socket(pid_t pid, int protocol, const char *address, const char *expected,
			  unsigned int members)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets = NULL;
	const struct anybind_socket_info *info;

	if (ask(pid, protocol, address, &sockets, report) < 0) {
		world_print_report(report);
		fail_msg("no answer");
	}
	assert_int_equal(anybind_sockets_count(sockets), 1);
	info = anybind_sockets_get(sockets, 0);
	assert_string_equal(info->address, expected);
	assert_int_equal(info->members, members);
	assert_int_equal(info->pid, pid);
	assert_string_equal(info->program, "server");
	assert_int_equal(world_cookie(sockets->socks[0].fd), info->cookie);
	anybind_sockets_free(sockets);
	anybind_report_free(report);
}

/* A web server with workers' sockets, admin port, connections and odds and ends. */
static void serve(void *data)
{
	(void)data;
	prctl(PR_SET_NAME, "server");
	dup(world_socket(IPPROTO_TCP, "0.0.0.0:443", WORLD_REUSEPORT));
	for (int i = 0; i < 3; i++)
		world_socket(IPPROTO_TCP, "0.0.0.0:443", WORLD_REUSEPORT);
	world_socket(IPPROTO_TCP, "127.0.0.1:8443", 0);
	world_socket(IPPROTO_TCP, "127.0.0.1:81", WORLD_NO_LISTEN);
	world_socket(IPPROTO_UDP, "0.0.0.0:443", 0);
	world_socket(IPPROTO_TCP, "[::ffff:127.0.0.1]:8444", 0);
	world_connect(IPPROTO_TCP, "127.0.0.1:8443");
	world_connect(IPPROTO_UDP, "127.0.0.1:53");
	if (socket(AF_UNIX, SOCK_STREAM, 0) < 0)
		_exit(1);
}

static void test_pid(void **state)
{
	const pid_t pid = world_child(serve, NULL);
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets = NULL;
	char line[80];

	(void)state;
	expect_socket(pid, IPPROTO_TCP, "0.0.0.0:443", "0.0.0.0:443", 4);
	expect_socket(pid, 0, "127.0.0.1:8443", "127.0.0.1:8443", 1);
	expect_socket(pid, IPPROTO_UDP, NULL, "0.0.0.0:443", 1);
	/* Bound as IPv4-mapped: what people call an IPv4 address. */
	expect_socket(pid, 0, "127.0.0.1:8444", "[::ffff:127.0.0.1]:8444", 1);
	/* TCP and UDP of that address. */
	assert_int_equal(ask(pid, 0, "0.0.0.0:443", &sockets, report), 0);
	assert_int_equal(anybind_sockets_count(sockets), 2);
	anybind_sockets_free(sockets);

	sockets = NULL;
	assert_int_equal(ask(pid, 0, NULL, &sockets, report), -ENOTUNIQ);
	assert_null(sockets);
	snprintf(line, sizeof(line), "pid %d (server) holds 2 tcp sockets of IPv4", pid);
	world_assert_message(report, 0, line, NULL);
	snprintf(line, sizeof(line), "\nanybind register NAME --pid %d tcp 0.0.0.0:443", pid);
	world_assert_hint(report, 0, line, NULL);
	snprintf(line, sizeof(line), "\nanybind register NAME --pid %d tcp 127.0.0.1:8443", pid);
	world_assert_hint(report, 0, line, NULL);
	assert_null(strstr(anybind_report_get(report, 0)->hint, " udp "));

	assert_int_equal(ask(pid, 0, "127.0.0.1:81", &sockets, report), -ENOENT);
	world_assert_message(report, 1, "socket bound to 127.0.0.1:81", "(server)", NULL);
	world_assert_hint(report, 1, ": tcp 127.0.0.1:81 does not listen",
			  "udp 0.0.0.0:443 is not bound to 127.0.0.1:81", NULL);
	assert_null(strstr(anybind_report_get(report, 1)->hint, "unix"));
	assert_int_equal(ask(pid, IPPROTO_UDP, "127.0.0.1:8443", &sockets, report), -ENOENT);
	world_assert_hint(report, 2, "tcp 127.0.0.1:8443 is not udp", NULL);
	/* Any-address and port 0 are no wildcards. */
	assert_int_equal(ask(pid, 0, "0.0.0.0:8443", &sockets, report), -ENOENT);
	assert_int_equal(ask(pid, 0, "127.0.0.1:0", &sockets, report), -ENOENT);
	assert_int_equal(ask(pid, 0, "[::]:443", &sockets, report), -ENOENT);
	anybind_report_free(report);
	world_end_child(pid);
}

static void serve_same(void *data)
{
	(void)data;
	world_socket(IPPROTO_UDP, "0.0.0.0:53", WORLD_REUSEADDR);
	world_socket(IPPROTO_UDP, "0.0.0.0:53", WORLD_REUSEADDR);
}

/* The same address twice makes no group without SO_REUSEPORT. */
static void test_no_group(void **state)
{
	const pid_t pid = world_child(serve_same, NULL);
	struct anybind_sockets *sockets = NULL;

	(void)state;
	assert_int_equal(ask(pid, 0, NULL, &sockets, NULL), -ENOTUNIQ);
	world_end_child(pid);
}

static void serve_many(void *data)
{
	(void)data;
	for (int i = 0; i < 50; i++)
		world_socket(IPPROTO_TCP, "127.0.0.1:0", 0);
}

static void test_many(void **state)
{
	const pid_t pid = world_child(serve_many, NULL);
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets = NULL;
	char line[80];

	(void)state;
	assert_int_equal(ask(pid, 0, NULL, &sockets, report), -ENOTUNIQ);
	world_assert_message(report, 0, "50 tcp sockets", NULL);
	world_assert_hint(report, 0, "\nand 40 more", NULL);
	assert_int_equal(ask(pid, IPPROTO_UDP, NULL, &sockets, report), -ENOENT);
	snprintf(line, sizeof(line), "none of the 50 sockets of pid %d", pid);
	world_assert_message(report, 1, line, "udp socket", NULL);
	world_assert_hint(report, 1, "\nand 40 more", NULL);
	anybind_report_free(report);
	world_end_child(pid);
}

static void serve_in_blue(void *data)
{
	int saved;

	(void)data;
	if (netns_enter(&blue, &saved) < 0)
		_exit(1);
	world_socket(IPPROTO_TCP, "0.0.0.0:80", 0);
}

static void test_pid_of_other_netns(void **state)
{
	const pid_t pid = world_child(serve_in_blue, NULL);
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets = NULL;

	(void)state;
	assert_int_equal(ask(pid, 0, NULL, &sockets, report), -EXDEV);
	world_assert_hint(report, 0, "tcp 0.0.0.0:80 is in network namespace 'blue', not in net:[",
			  "anybind -n", NULL);
	/* It would not fit anyway. */
	assert_int_equal(ask(pid, IPPROTO_UDP, NULL, &sockets, report), -ENOENT);
	assert_int_equal(socket_of_pid(&blue, &sockets, pid, 0, NULL, report), 0);
	assert_int_equal(anybind_sockets_count(sockets), 1);
	anybind_sockets_free(sockets);
	anybind_report_free(report);
	world_end_child(pid);
}

static void test_no_sockets(void **state)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets = NULL;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		closefrom(3);
		for (;;)
			pause();
	}
	/* Ready or not: what it may still hold is nothing to register. */
	assert_int_equal(ask(pid, 0, NULL, &sockets, report), -ENOENT);
	assert_int_equal(kill(pid, SIGKILL), 0);
	/* A zombie, until it is waited for. */
	assert_int_equal(waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOWAIT), 0);
	assert_int_equal(ask(pid, 0, NULL, &sockets, report), -ESRCH);
	world_assert_message(report, 1, "ended while", NULL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(ask(pid, 0, NULL, &sockets, report), -ESRCH);
	world_assert_message(report, 2, "there is no process with pid", NULL);
	assert_int_equal(ask(0, 0, NULL, &sockets, report), -ESRCH);
	assert_int_equal(ask(-1, 0, NULL, &sockets, report), -ESRCH);
	anybind_report_free(report);
}

static void *wait_for_end(void *data)
{
	int *ends = data;
	char byte;

	ends[2] = (int)syscall(SYS_gettid);
	if (write(ends[1], "", 1) != 1)
		return NULL;
	while (read(ends[3], &byte, 1) < 0)
		continue;
	return NULL;
}

static void test_thread(void **state)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets = NULL;
	int started[2], ended[2], shared[4];
	pthread_t thread;
	char byte;

	(void)state;
	assert_int_equal(pipe(started), 0);
	assert_int_equal(pipe(ended), 0);
	shared[1] = started[1];
	shared[3] = ended[0];
	assert_int_equal(pthread_create(&thread, NULL, wait_for_end, shared), 0);
	assert_int_equal(read(started[0], &byte, 1), 1);
	assert_int_equal(ask(shared[2], 0, NULL, &sockets, report), -ESRCH);
	world_assert_message(report, 0, "is a thread", NULL);
	close(ended[1]);
	pthread_join(thread, NULL);
	close(ended[0]);
	close(started[0]);
	close(started[1]);
	anybind_report_free(report);
}

/* Die while they are asked: any answer is right but a wrong one, and nothing leaks. */
static void test_dying(void **state)
{
	const size_t before = world_count_fds();

	(void)state;
	for (int i = 0; i < 40; i++) {
		const pid_t pid = world_child(serve_many, NULL);
		struct anybind_report *report = anybind_report_new();
		struct anybind_sockets *sockets = NULL;
		int r;

		if (i % 2)
			assert_int_equal(kill(pid, SIGKILL), 0);
		r = ask(pid, 0, NULL, &sockets, report);
		assert_true(r == -ENOTUNIQ || r == -ESRCH);
		if (!(i % 2))
			assert_int_equal(r, -ENOTUNIQ);
		assert_null(sockets);
		assert_int_equal(anybind_report_count(report), 1);
		anybind_report_free(report);
		if (!(i % 2))
			assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	assert_int_equal(world_count_fds(), before);
}

static void test_unprivileged(void **state)
{
	const pid_t server = world_child(serve, NULL);
	pid_t pid;
	int status;

	(void)state;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct anybind_report *report = anybind_report_new();
		const struct anybind_message *m;
		struct anybind_sockets *sockets;
		int r;

		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(2);
		r = socket_of_pid(&own, &sockets, server, 0, NULL, report);
		m = anybind_report_get(report, 0);
		_exit(r == -EPERM && m && strstr(m->hint, "CAP_SYS_PTRACE") ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	world_end_child(server);
}

static void test_no_leaks(void **state)
{
	const size_t before = world_count_fds();

	test_pid(state);
	test_many(state);
	test_pid_of_other_netns(state);
	assert_int_equal(world_count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pid),	   cmocka_unit_test(test_no_group),
		cmocka_unit_test(test_many),	   cmocka_unit_test(test_pid_of_other_netns),
		cmocka_unit_test(test_no_sockets), cmocka_unit_test(test_thread),
		cmocka_unit_test(test_dying),	   cmocka_unit_test(test_unprivileged),
		cmocka_unit_test(test_no_leaks),
	};

	if (!world_enter())
		return 0;
	world_add_netns("blue");
	if (netns_open(&own, NULL, NULL) < 0 || netns_open(&blue, "blue", NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
