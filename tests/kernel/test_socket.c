/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <pthread.h>
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

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static struct netns own, blue;

/* ---- one descriptor ---- */

static void expect_refused(int fd, int code, const char *text, const char *hint)
{
	struct anybind_report *report = anybind_report_new();
	struct sock sock = {.fd = 4711};

	assert_int_equal(socket_check(&own, fd, "fd X", &sock, report), code);
	assert_int_equal(sock.fd, 4711);
	assert_int_equal(anybind_report_count(report), 1);
	assert_int_equal(anybind_report_get(report, 0)->code, code);
	world_assert_message(report, 0, "fd X: ", text, NULL);
	world_assert_hint(report, 0, hint, NULL);
	anybind_report_free(report);
	if (fd >= 0)
		close(fd);
}

static void test_refused_kinds(void **state)
{
	static const struct {
		int domain, type, protocol;
		const char *text, *hint;
	} kinds[] = {
		{AF_UNIX, SOCK_STREAM, 0, "unix", "TCP listeners"},
		{AF_UNIX, SOCK_DGRAM, 0, "unix", "TCP listeners"},
		{AF_PACKET, SOCK_RAW, 0, "packet", "TCP listeners"},
		{AF_NETLINK, SOCK_RAW, 0, "netlink", "TCP listeners"},
		{AF_INET, SOCK_RAW, IPPROTO_TCP, "raw socket of protocol 6", "TCP listeners"},
		{AF_INET6, SOCK_RAW, IPPROTO_UDP, "raw socket of protocol 17", "TCP listeners"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int fd = socket(kinds[i].domain, kinds[i].type, kinds[i].protocol);

		assert_true(fd >= 0);
		expect_refused(fd, -EPROTONOSUPPORT, kinds[i].text, kinds[i].hint);
	}
	expect_refused(world_socket_of_type(SOCK_STREAM, IPPROTO_MPTCP, "127.0.0.1:80", 0),
		       -EPROTONOSUPPORT, "MPTCP", "GODEBUG=multipathtcp=0");
	expect_refused(world_socket_of_type(SOCK_DGRAM, IPPROTO_UDPLITE, "127.0.0.1:80", 0),
		       -EPROTONOSUPPORT, "UDP-Lite", "plain UDP");
}

static void test_refused_states(void **state)
{
	int listener = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0), fd;

	(void)state;
	expect_refused(world_socket(IPPROTO_TCP, "127.0.0.1:81", WORLD_NO_LISTEN), -EINVAL,
		       "tcp 127.0.0.1:81 does not listen", "listen()");
	expect_refused(world_connect(IPPROTO_TCP, "127.0.0.1:80"), -EISCONN,
		       "is a connection to 127.0.0.1:80", "listening socket");
	expect_refused(world_connect(IPPROTO_UDP, "127.0.0.1:53"), -EISCONN,
		       "is connected to 127.0.0.1:53", "connect()");
	expect_refused(socket(AF_INET6, SOCK_DGRAM, 0), -EINVAL, "udp [::]:0 is not bound",
		       "bound");
	/* Nor is the other end, whose peer is gone, ready to be registered. */
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	expect_refused(fd, -EISCONN, "is a connection to 127.0.0.1:", "listening socket");
	shutdown(listener, SHUT_RD);
	expect_refused(listener, -EINVAL, "does not listen", "listen()");
}

static void test_refused_files(void **state)
{
	int ends[2];

	(void)state;
	expect_refused(open("/dev/null", O_RDONLY), -ENOTSOCK, "not a socket but '/dev/null'",
		       "TCP");
	expect_refused(-1, -EBADF, "is not open", "TCP");
	expect_refused(1000, -EBADF, "is not open", "TCP");
	assert_int_equal(pipe(ends), 0);
	expect_refused(ends[0], -ENOTSOCK, "not a socket but 'pipe:[", "TCP");
	close(ends[1]);
}

static void test_other_netns(void **state)
{
	_cleanup_close_ int fd = -1;
	int saved;

	(void)state;
	assert_int_equal(netns_enter(&blue, &saved), 0);
	fd = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	netns_leave(saved);
	expect_refused(dup(fd), -EXDEV, "tcp 127.0.0.1:80 is in network namespace 'blue', not in",
		       "anybind -n");
}

static void test_good(void **state)
{
	static const struct {
		int protocol, family;
		const char *endpoint;
		unsigned int flags;
	} good[] = {
		{IPPROTO_TCP, AF_INET, "0.0.0.0:80", 0},
		{IPPROTO_TCP, AF_INET6, "[::1]:80", WORLD_REUSEPORT},
		{IPPROTO_UDP, AF_INET, "127.0.0.1:53", WORLD_REUSEPORT},
		{IPPROTO_UDP, AF_INET6, "[::]:5353", WORLD_V6ONLY},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		int fd = world_socket(good[i].protocol, good[i].endpoint, good[i].flags);
		struct sock sock;

		assert_int_equal(socket_check(&own, fd, "fd X", &sock, NULL), 0);
		assert_true(sock.fd > 2 && sock.fd != fd);
		assert_int_equal(fcntl(sock.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		assert_int_equal(world_cookie(sock.fd), sock.info.cookie);
		assert_int_equal(sock.info.family, good[i].family);
		assert_int_equal(sock.info.protocol, good[i].protocol);
		assert_string_equal(sock.info.address, good[i].endpoint);
		assert_ptr_equal(sock.info.address, sock.address);
		assert_int_equal(sock.info.reuseport, !!(good[i].flags & WORLD_REUSEPORT));
		assert_int_equal(sock.info.members, 1);
		assert_int_equal(sock.info.pid, 0);
		assert_null(sock.info.program);
		close(sock.fd);
		close(fd);
	}
}

/* ---- descriptors of the caller ---- */

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static void test_fds(void **state)
{
	int fds[] = {
		world_socket(IPPROTO_UDP, "[::]:53", WORLD_V6ONLY),
		world_socket(IPPROTO_TCP, "0.0.0.0:80", WORLD_REUSEPORT),
		world_socket(IPPROTO_TCP, "0.0.0.0:80", WORLD_REUSEPORT),
		world_socket(IPPROTO_TCP, "0.0.0.0:80", WORLD_REUSEPORT),
		world_socket(IPPROTO_UDP, "0.0.0.0:53", 0),
		-1,
	};
	struct anybind_sockets *sockets;
	const struct anybind_socket_info *info;

	(void)state;
	fds[5] = dup(fds[1]);
	assert_int_equal(socket_of_fds(&own, &sockets, fds, ARRAY_SIZE(fds), NULL), 0);
	close_all(fds, ARRAY_SIZE(fds));
	assert_int_equal(anybind_sockets_count(sockets), 3);
	info = anybind_sockets_get(sockets, 0);
	assert_string_equal(info->address, "0.0.0.0:80");
	assert_int_equal(info->members, 3);
	assert_true(info->reuseport);
	/* The descriptor is the socket that is spoken of, and still open. */
	assert_int_equal(world_cookie(sockets->socks[0].fd), info->cookie);
	info = anybind_sockets_get(sockets, 1);
	assert_string_equal(info->address, "0.0.0.0:53");
	assert_int_equal(info->members, 1);
	info = anybind_sockets_get(sockets, 2);
	assert_int_equal(info->family, AF_INET6);
	assert_null(anybind_sockets_get(sockets, 3));
	anybind_sockets_free(sockets);
	anybind_sockets_free(NULL);
}

static void test_fds_refused(void **state)
{
	int fds[] = {
		world_socket(IPPROTO_TCP, "0.0.0.0:80", WORLD_REUSEPORT),
		world_socket(IPPROTO_TCP, "127.0.0.1:80", WORLD_REUSEPORT),
		world_socket(IPPROTO_TCP, "0.0.0.0:81", WORLD_NO_LISTEN),
		open("/dev/null", O_RDONLY | O_CLOEXEC),
	};
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets = NULL;
	char line[80];

	(void)state;
	/* All that are wrong are named, not only the first. */
	assert_int_equal(socket_of_fds(&own, &sockets, fds, 4, report), -EINVAL);
	assert_int_equal(anybind_report_count(report), 2);
	snprintf(line, sizeof(line), "fd %d: tcp 0.0.0.0:81 does not listen", fds[2]);
	world_assert_message(report, 0, line, NULL);
	world_assert_message(report, 1, "/dev/null", NULL);
	assert_int_equal(socket_of_fds(&own, &sockets, fds, 2, report), -ENOTUNIQ);
	world_assert_message(report, 2, "2 tcp sockets of IPv4", NULL);
	snprintf(line, sizeof(line), "fd %d: tcp 127.0.0.1:80", fds[1]);
	world_assert_hint(report, 2, line, "tcp 0.0.0.0:80", NULL);
	assert_int_equal(socket_of_fds(&own, &sockets, fds, 0, report), -EINVAL);
	assert_null(sockets);
	anybind_report_free(report);
	close_all(fds, 4);
}

/* ---- another process ---- */

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
	close_all(started, 2);
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

	test_refused_kinds(state);
	test_refused_states(state);
	test_refused_files(state);
	test_other_netns(state);
	test_good(state);
	test_fds(state);
	test_fds_refused(state);
	test_pid(state);
	test_pid_of_other_netns(state);
	assert_int_equal(world_count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_kinds),
		cmocka_unit_test(test_refused_states),
		cmocka_unit_test(test_refused_files),
		cmocka_unit_test(test_other_netns),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_fds),
		cmocka_unit_test(test_fds_refused),
		cmocka_unit_test(test_pid),
		cmocka_unit_test(test_no_group),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_pid_of_other_netns),
		cmocka_unit_test(test_no_sockets),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_dying),
		cmocka_unit_test(test_unprivileged),
		cmocka_unit_test(test_no_leaks),
	};

	if (!world_enter())
		return 0;
	world_add_netns("blue");
	if (netns_open(&own, NULL, NULL) < 0 || netns_open(&blue, "blue", NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
