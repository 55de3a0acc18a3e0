/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "socket.h"

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
	assert_int_equal(world_count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_kinds), cmocka_unit_test(test_refused_states),
		cmocka_unit_test(test_refused_files), cmocka_unit_test(test_other_netns),
		cmocka_unit_test(test_good),	      cmocka_unit_test(test_fds),
		cmocka_unit_test(test_fds_refused),   cmocka_unit_test(test_no_leaks),
	};

	if (!world_enter())
		return 0;
	world_add_netns("blue");
	if (netns_open(&own, NULL, NULL) < 0 || netns_open(&blue, "blue", NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
