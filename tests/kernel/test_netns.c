/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "netns.h"

#define SO_NETNS_COOKIE_TEST 71

static ino_t inode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static uint64_t netns_cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE_TEST, &cookie, &len), 0);
	return cookie;
}

static void test_own(void **state)
{
	struct netns ns;
	int fd, saved;

	(void)state;
	assert_int_equal(netns_open(&ns, NULL, NULL), 0);
	assert_true(ns.own);
	assert_int_equal(ns.inode, inode_of("/proc/self/ns/net"));
	assert_string_equal(ns.name, "");
	fd = netns_socket(&ns, AF_INET, SOCK_DGRAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(netns_cookie_of(fd), ns.cookie);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(fd);
	assert_int_equal(netns_enter(&ns, &saved), 0);
	netns_leave(saved);
	assert_int_equal(ns.inode, inode_of("/proc/self/ns/net"));
	netns_close(&ns);
	assert_int_equal(ns.fd, -1);
	netns_close(&ns);
	netns_close(NULL);
}

static void test_named(void **state)
{
	const ino_t own = inode_of("/proc/self/ns/net");
	struct netns ns, other;
	int fd, saved;

	(void)state;
	assert_int_equal(netns_open(&ns, "blue", NULL), 0);
	assert_false(ns.own);
	assert_string_equal(ns.name, "blue");
	assert_int_equal(ns.inode, inode_of("/run/netns/blue"));
	fd = netns_socket(&ns, AF_INET, SOCK_DGRAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(netns_cookie_of(fd), ns.cookie);
	close(fd);
	assert_int_equal(inode_of("/proc/thread-self/ns/net"), own);
	assert_int_equal(netns_enter(&ns, &saved), 0);
	assert_int_equal(inode_of("/proc/thread-self/ns/net"), ns.inode);
	netns_leave(saved);
	assert_int_equal(inode_of("/proc/thread-self/ns/net"), own);

	/* By path it is the same one, and its name is found. */
	assert_int_equal(netns_open(&other, "/run/netns/blue", NULL), 0);
	assert_int_equal(other.cookie, ns.cookie);
	assert_string_equal(other.name, "blue");
	netns_close(&other);
	netns_close(&ns);
}

static void enter_blue(void *data)
{
	struct netns ns;
	int saved;

	(void)data;
	if (netns_open(&ns, "blue", NULL) < 0 || netns_enter(&ns, &saved) < 0)
		_exit(1);
}

static void test_pid(void **state)
{
	const pid_t pid = world_child(enter_blue, NULL);
	struct netns ns, blue;
	char spec[32];

	(void)state;
	snprintf(spec, sizeof(spec), "pid:%d", pid);
	assert_int_equal(netns_open(&ns, spec, NULL), 0);
	assert_int_equal(netns_open(&blue, "blue", NULL), 0);
	assert_int_equal(ns.cookie, blue.cookie);
	assert_string_equal(ns.name, spec);
	netns_close(&ns);
	netns_close(&blue);
	snprintf(spec, sizeof(spec), "pid:%d", getpid());
	assert_int_equal(netns_open(&ns, spec, NULL), 0);
	assert_true(ns.own);
	netns_close(&ns);
	world_end_child(pid);
	snprintf(spec, sizeof(spec), "pid:%d", pid);
	assert_int_equal(netns_open(&ns, spec, NULL), -ENOENT);
}

static void expect_refusal(const char *spec, int code, const char *text, const char *hint)
{
	struct netns ns = {.fd = 4711};
	struct anybind_report *report = anybind_report_new();

	assert_int_equal(netns_open(&ns, spec, report), code);
	assert_int_equal(ns.fd, 4711);
	assert_int_equal(anybind_report_count(report), 1);
	assert_int_equal(anybind_report_get(report, 0)->code, code);
	world_assert_message(report, 0, text, NULL);
	if (hint)
		world_assert_hint(report, 0, hint, NULL);
	anybind_report_free(report);
}

static void test_refused(void **state)
{
	(void)state;
	expect_refusal("nosuch", -ENOENT, "no network namespace 'nosuch' in /run/netns", "blue");
	expect_refusal("/run/nosuch", -ENOENT, "'/run/nosuch'", NULL);
	expect_refusal("", -EINVAL, "''", "pid:N");
	expect_refusal(".", -EINVAL, "'.'", NULL);
	expect_refusal("..", -EINVAL, "'..'", NULL);
	expect_refusal("a\nb", -ENOENT, "'a\\x0ab'", NULL);
	expect_refusal("pid:", -EINVAL, "'pid:'", "pid:812");
	expect_refusal("pid:0", -EINVAL, "'pid:0'", NULL);
	expect_refusal("pid:-1", -EINVAL, "'pid:-1'", NULL);
	expect_refusal("pid:1x", -EINVAL, "'pid:1x'", NULL);
	expect_refusal("pid:+1", -EINVAL, "'pid:+1'", NULL);
	expect_refusal("pid:4294967297", -EINVAL, "'pid:4294967297'", NULL);
	expect_refusal("pid:2147483647", -ENOENT, "no process 2147483647", NULL);
	expect_refusal("/proc/self/ns/mnt", -EINVAL, "is not a network namespace", NULL);
	expect_refusal("/etc/passwd", -EINVAL, "is not a network namespace", NULL);
	expect_refusal("/dev/zero", -EINVAL, "is not a network namespace", NULL);
	expect_refusal("/run/netns", -EINVAL, "is not a network namespace", NULL);
}

/* What `ip netns del` leaves when it fails halfway, and a FIFO that nobody feeds. */
static void test_not_nsfs(void **state)
{
	(void)state;
	world_run("touch /run/netns/stale");
	expect_refusal("stale", -EINVAL, "is not a network namespace", "ip netns del");
	world_run("rm /run/netns/stale && mkfifo /run/netns/fifo");
	expect_refusal("fifo", -EINVAL, "is not a network namespace", NULL);
	world_run("rm /run/netns/fifo");
}

static void test_long_name(void **state)
{
	char spec[5000];

	(void)state;
	memset(spec, 'a', sizeof(spec) - 1);
	spec[sizeof(spec) - 1] = '\0';
	expect_refusal(spec, -ENAMETOOLONG, "aaa…' is too long", NULL);
}

/* cmocka cannot follow into a child, so the child's exit code tells. */
static void test_unprivileged(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct anybind_report *report = anybind_report_new();
		const struct anybind_message *m;
		struct netns ns;
		int r;

		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(2);
		r = netns_open(&ns, "blue", report);
		m = anybind_report_get(report, 0);
		if (r != -EPERM || !m || !strstr(m->text, "CAP_SYS_ADMIN"))
			_exit(3);
		r = netns_open(&ns, "pid:1", report);
		m = anybind_report_get(report, 1);
		if (r != -EPERM || !m || !strstr(m->hint, "CAP_SYS_PTRACE"))
			_exit(4);
		/* The own one needs nothing. */
		_exit(netns_open(&ns, NULL, report) == 0 ? 0 : 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_name_of(void **state)
{
	_cleanup_free_ char *name = netns_name_of((uint32_t)inode_of("/run/netns/blue"));
	struct stat st;

	(void)state;
	assert_non_null(name);
	assert_string_equal(name, "blue");
	assert_null(netns_name_of((uint32_t)inode_of("/proc/self/ns/net")));
	/* A plain file's inode number is no namespace's. */
	world_run("touch /run/netns/plain");
	assert_int_equal(stat("/run/netns/plain", &st), 0);
	assert_null(netns_name_of((uint32_t)st.st_ino));
	world_run("rm /run/netns/plain");
}

static void test_no_leaks(void **state)
{
	const size_t before = world_count_fds();

	test_own(state);
	test_named(state);
	test_refused(state);
	test_not_nsfs(state);
	assert_int_equal(world_count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),	     cmocka_unit_test(test_named),
		cmocka_unit_test(test_pid),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_not_nsfs),     cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_unprivileged), cmocka_unit_test(test_name_of),
		cmocka_unit_test(test_no_leaks),
	};

	if (!world_enter())
		return 0;
	world_add_netns("blue");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
