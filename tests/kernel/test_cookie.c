// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sockets that are registered by cookie or address, without their process. */
#include "api.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cleanup.h"
#include "system.h"
#include "text.h"
#include "traffic.h"

/* ---- asking ---- */

typedef int (*find_fn)(struct anybind_sockets **ret, const void *what,
		       struct anybind_report *report);

static int by_cookie(struct anybind_sockets **ret, const void *what, struct anybind_report *report)
{
	return anybind_sockets_of_cookie(a, ret, *(const uint64_t *)what, report);
}

/* "tcp 127.0.0.1:80" */
static int by_address(struct anybind_sockets **ret, const void *what, struct anybind_report *report)
{
	const char *text = what;
	struct sockaddr_storage address;

	assert_int_equal(text_endpoint(text + 4, &address), 0);
	return anybind_sockets_listening(a, ret, *text == 't' ? IPPROTO_TCP : IPPROTO_UDP,
					 (struct sockaddr *)&address, report);
}

static void must(int r, const struct anybind_report *report)
{
	world_print_report(report);
	assert_int_equal(r, 0);
	assert_int_equal(anybind_report_count(report), 0);
}

static struct anybind_sockets *find(find_fn fn, const void *what)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets = NULL;

	must(fn(&sockets, what, report), report);
	assert_int_equal(anybind_sockets_count(sockets), 1);
	anybind_report_free(report);
	return sockets;
}

static struct anybind_sockets *find_fd(int fd)
{
	const uint64_t cookie = world_cookie(fd);

	return find(by_cookie, &cookie);
}

static void put(struct anybind_sockets *sockets, const char *service)
{
	struct anybind_report *report = anybind_report_new();

	must(anybind_register(a, service, sockets, NULL, report), report);
	anybind_sockets_free(sockets);
	anybind_report_free(report);
}

/* Refused with @code, @text and @hint (or NULL), and no descriptor is left. */
static void expect_refusal(find_fn fn, const void *what, int code, const char *text,
			   const char *hint)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets = NULL;
	const size_t before = world_count_fds();
	int r = fn(&sockets, what, report);

	world_assert_message(report, 0, text, NULL);
	if (hint)
		world_assert_hint(report, 0, hint, NULL);
	assert_int_equal(r, code);
	assert_int_equal(anybind_report_count(report), 1);
	assert_null(sockets);
	assert_int_equal(world_count_fds(), before);
	anybind_report_free(report);
}

static void expect_cookie_refusal(int fd, int code, const char *text, const char *hint)
{
	const uint64_t cookie = world_cookie(fd);

	expect_refusal(by_cookie, &cookie, code, text, hint);
}

/* ---- taken ---- */

/* Every kind of socket: by cookie and by address, v4 and v6, wildcard and specific. */
static void test_kinds(void **state)
{
	static const struct {
		const char *endpoint;
		const char *client;
		unsigned int flags;
	} kinds[] = {
		{"127.0.0.1:7001", "192.0.2.77:1000", 0},
		{"0.0.0.0:7002", "192.0.2.77:1000", 0},
		{"[::1]:7003", "[2001:db8::77]:1000", 0},
		{"[::]:7004", "[2001:db8::77]:1000", 0},
		{"[::]:7004", "192.0.2.77:1000", 0}, /* dual-stack */
		{"[::]:7005", "[2001:db8::77]:1000", WORLD_V6ONLY},
		{"[::ffff:127.0.0.1]:7006", "192.0.2.77:1000", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (unsigned int k = 0; k < 4; k++) {
			const int protocol = k & 1 ? IPPROTO_UDP : IPPROTO_TCP;
			_cleanup_close_ int fd =
				world_socket(protocol, kinds[i].endpoint, kinds[i].flags);
			const struct anybind_socket_info *info;
			struct anybind_sockets *sockets;
			char words[80];

			snprintf(words, sizeof(words), "%s %s", k & 1 ? "udp" : "tcp",
				 kinds[i].endpoint);
			api_apply(a, "bind web tcp,udp any 1000\n");
			sockets = k & 2 ? find(by_address, words) : find_fd(fd);
			info = anybind_sockets_get(sockets, 0);
			assert_true(info->cookie == world_cookie(fd));
			assert_int_equal(info->protocol, protocol);
			assert_int_equal(info->members, 1);
			assert_int_equal(info->pid, getpid());
			assert_string_equal(info->program, "test_cookie");
			put(sockets, "web");
			traffic_expect_arrival(protocol, kinds[i].client, fd);
			anybind_unregister(a, "web", 0, 0, 0, NULL);
			traffic_expect_refusal(protocol, kinds[i].client);
		}
	}
}

/* What is on one port is told apart by address, family and device. */
static void test_neighbours(void **state)
{
	_cleanup_close_ int any4 = world_socket(IPPROTO_UDP, "0.0.0.0:53", WORLD_REUSEADDR);
	_cleanup_close_ int one4 = world_socket(IPPROTO_UDP, "127.0.0.1:53", WORLD_REUSEADDR);
	_cleanup_close_ int any6 = world_socket(IPPROTO_UDP, "[::]:53", WORLD_V6ONLY);
	_cleanup_close_ int tcp = world_socket(IPPROTO_TCP, "127.0.0.1:53", 0);
	const struct {
		const char *words;
		int fd;
	} kinds[] = {
		{"udp 0.0.0.0:53", any4},
		{"udp 127.0.0.1:53", one4},
		{"udp [::]:53", any6},
		{"tcp 127.0.0.1:53", tcp},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct anybind_sockets *sockets = find(by_address, kinds[i].words);

		assert_true(anybind_sockets_get(sockets, 0)->cookie == world_cookie(kinds[i].fd));
		anybind_sockets_free(sockets);
	}
	/* An IPv4 address names no dual-stack socket. */
	expect_refusal(by_address, "tcp 0.0.0.0:53", -ENOENT,
		       "no socket of this network namespace listens on tcp 0.0.0.0:53",
		       "On that port: tcp 127.0.0.1:53, udp 0.0.0.0:53, udp 127.0.0.1:53, "
		       "udp [::]:53");
}

static void test_reuseport_group(void **state)
{
	(void)state;
	for (unsigned int k = 0; k < 2; k++) {
		const int protocol = k ? IPPROTO_UDP : IPPROTO_TCP;
		const char *words = k ? "udp 127.0.0.1:7010" : "tcp 127.0.0.1:7010";
		const struct anybind_socket_info *info;
		struct anybind_sockets *sockets;
		int fds[3];

		for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
			fds[i] = world_socket(protocol, "127.0.0.1:7010", WORLD_REUSEPORT);
		api_apply(a, "bind web tcp,udp 192.0.2.0/24 1000\n");
		sockets = find(by_address, words);
		info = anybind_sockets_get(sockets, 0);
		assert_int_equal(info->members, 3);
		assert_true(info->reuseport);
		assert_true(info->cookie == world_cookie(fds[0]) ||
			    info->cookie == world_cookie(fds[1]) ||
			    info->cookie == world_cookie(fds[2]));
		put(sockets, "web");
		/* All stand by: the one that has the weight goes first. */
		for (size_t i = 0; i < ARRAY_SIZE(fds) - 1; i++)
			close(fds[i]);
		traffic_expect_arrival(protocol, "192.0.2.77:1000", fds[2]);
		fds[0] = world_socket(protocol, "127.0.0.1:7010", WORLD_REUSEPORT);
		sockets = find_fd(fds[0]);
		assert_int_equal(anybind_sockets_get(sockets, 0)->members, 2);
		put(sockets, "web");
		close(fds[0]);
		traffic_expect_arrival(protocol, "192.0.2.77:1000", fds[2]);
		close(fds[2]);
	}
}

/* UDP sockets that share a place by SO_REUSEADDR are no group: the last one gets all. */
static void test_shared_address_is_ambiguous(void **state)
{
	_cleanup_close_ int one = world_socket(IPPROTO_UDP, "0.0.0.0:5353", WORLD_REUSEADDR);
	_cleanup_close_ int two =
		world_socket(IPPROTO_UDP, "0.0.0.0:5353", WORLD_REUSEADDR | WORLD_REUSEPORT);
	char command[80];

	(void)state;
	snprintf(command, sizeof(command),
		 "anybind register NAME --cookie %lu  # uid 0, "
		 "test_cookie (pid %d)",
		 (unsigned long)world_cookie(one), getpid());
	expect_refusal(by_address, "udp 0.0.0.0:5353", -ENOTUNIQ,
		       "2 sockets are bound to udp 0.0.0.0:5353", command);
	api_apply(a, "bind mdns udp 192.0.2.0/24 1000\n");
	put(find_fd(one), "mdns");
	traffic_expect_arrival(IPPROTO_UDP, "192.0.2.77:1000", one);
	put(find_fd(two), "mdns");
	traffic_expect_arrival(IPPROTO_UDP, "192.0.2.77:1000", two);
}

static void test_devices_are_ambiguous(void **state)
{
	_cleanup_close_ int any = world_socket(IPPROTO_TCP, "0.0.0.0:7020", WORLD_REUSEPORT);
	_cleanup_close_ int lo = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7020)};
	const int on = 1;

	(void)state;
	assert_true(any >= 0);
	assert_int_equal(setsockopt(lo, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(lo, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	assert_int_equal(bind(lo, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(lo, 1), 0);
	expect_refusal(by_address, "tcp 0.0.0.0:7020", -ENOTUNIQ,
		       "2 sockets are bound to tcp 0.0.0.0:7020", "interface 1");
}

static void test_other_namespace_from_outside(void **state)
{
	struct anybind *blue = api_open("blue"), *own = a;
	_cleanup_close_ int fd = -1, here = world_socket(IPPROTO_TCP, "127.0.0.1:7030", 0);
	int saved = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int there = open("/run/netns/blue", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	fd = world_socket(IPPROTO_TCP, "127.0.0.1:7030", 0);
	assert_int_equal(setns(saved, CLONE_NEWNET), 0);
	/* The same place in both: each namespace has its own, and none of the other's. */
	expect_cookie_refusal(fd, -ENOENT, "no socket of this network namespace has cookie",
			      "anybind -n");
	a = blue;
	expect_cookie_refusal(here, -ENOENT, "no socket of this network namespace has cookie",
			      "anybind -n");
	api_apply(a, "bind web tcp 192.0.2.0/24 1000\n");
	put(find(by_address, "tcp 127.0.0.1:7030"), "web");
	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	traffic_expect_arrival(IPPROTO_TCP, "192.0.2.77:1000", fd);
	assert_int_equal(setns(saved, CLONE_NEWNET), 0);
	anybind_unload(blue, NULL);
	anybind_close(blue);
	a = own;
	close(saved);
	close(there);
}

/* ---- refused ---- */

static void test_unknown(void **state)
{
	(void)state;
	for (uint64_t cookie = UINT64_MAX; cookie + 1 < 3; cookie++)
		expect_refusal(by_cookie, &cookie, -ENOENT, "has cookie", "ss -tulne");
	expect_refusal(by_address, "tcp 127.0.0.1:7040", -ENOENT,
		       "no socket of this network namespace listens on tcp 127.0.0.1:7040",
		       "ss -tuln");
	expect_refusal(by_address, "udp [2001:db8::1]:0", -ENOENT, "udp [2001:db8::1]:0", NULL);
}

static void test_sockets_that_do_not_fit(void **state)
{
	_cleanup_close_ int listener = world_socket(IPPROTO_TCP, "127.0.0.1:7041", 0);
	_cleanup_close_ int udp = world_socket(IPPROTO_UDP, "127.0.0.1:7041", 0);
	_cleanup_close_ int tcp = world_connect(IPPROTO_TCP, "127.0.0.1:7041");
	_cleanup_close_ int connected = world_connect(IPPROTO_UDP, "127.0.0.1:7041");
	_cleanup_close_ int bound = world_socket(IPPROTO_TCP, "127.0.0.1:7042", WORLD_NO_LISTEN);
	_cleanup_close_ int unbound = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	_cleanup_close_ int local = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct utsname name;

	(void)state;
	assert_true(listener >= 0 && udp >= 0);
	expect_cookie_refusal(tcp, -EISCONN, "is a connection to 127.0.0.1:7041",
			      "Give the listening socket");
	expect_cookie_refusal(connected, -EISCONN, "is connected to 127.0.0.1:7041", "connect()");
	/* Before 6.8 the kernel does not list what only bind() has seen. */
	assert_int_equal(uname(&name), 0);
	if (system_release_reaches(name.release, 6, 8) > 0)
		expect_cookie_refusal(bound, -EINVAL, "tcp 127.0.0.1:7042 does not listen",
				      "listen()");
	else
		expect_cookie_refusal(bound, -ENOENT, "has cookie", NULL);
	expect_cookie_refusal(unbound, -ENOENT, "has cookie", NULL);
	expect_cookie_refusal(raw, -ENOENT, "has cookie", NULL);
	expect_cookie_refusal(local, -ENOENT, "has cookie", NULL);
}

static void test_protocols_that_do_not_fit(void **state)
{
	_cleanup_close_ int mptcp =
		world_socket_of_type(SOCK_STREAM, IPPROTO_MPTCP, "127.0.0.1:7043", 0);
	_cleanup_close_ int lite =
		world_socket_of_type(SOCK_DGRAM, IPPROTO_UDPLITE, "127.0.0.1:7044", 0);

	(void)state;
	expect_cookie_refusal(mptcp, -EPROTONOSUPPORT, "an MPTCP socket", "multipathtcp=0");
	/* The TCP socket beneath, which nobody holds, is what listens there. */
	expect_refusal(by_address, "tcp 127.0.0.1:7043", -EPROTONOSUPPORT,
		       "tcp 127.0.0.1:7043: an MPTCP socket", "multipathtcp=0");
	expect_cookie_refusal(lite, -EPROTONOSUPPORT, "a UDP-Lite socket", "plain UDP");
	expect_refusal(by_address, "udp 127.0.0.1:7044", -ENOENT, "udp 127.0.0.1:7044", NULL);
}

/* Sockets that the kernel made: their owner takes packets by a hook of its own. */
static void test_kernel_socket(void **state)
{
	(void)state;
	world_run("ip link add vx type vxlan id 7 dstport 4789 dev lo");
	world_run("ip link set vx up");
	expect_refusal(by_address, "udp 0.0.0.0:4789", -EPROTONOSUPPORT,
		       "udp 0.0.0.0:4789 is a socket that the kernel made for itself", NULL);
	world_run("ip link del vx");
}

static void test_socket_of_another_map(void **state)
{
	_cleanup_close_ int fd = world_socket(IPPROTO_TCP, "127.0.0.1:7045", WORLD_REUSEPORT);
	_cleanup_close_ int map = world_sockarray(fd);

	(void)state;
	assert_true(map >= 0);
	expect_cookie_refusal(fd, -EBUSY, "tcp 127.0.0.1:7045 is in a REUSEPORT_SOCKARRAY map",
			      "Take it out");
}

/* ---- changed in between ---- */

static void expect_late_refusal(struct anybind_sockets *sockets, int code, const char *text)
{
	struct anybind_report *report = anybind_report_new();
	int r = anybind_register(a, "web", sockets, NULL, report);

	world_assert_message(report, 0, text, NULL);
	assert_int_equal(r, code);
	anybind_sockets_free(sockets);
	anybind_report_free(report);
}

/* What was registered before stays. */
static void test_change_in_between(void **state)
{
	const struct sockaddr_in peer = {.sin_family = AF_INET,
					 .sin_port = htons(9),
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	(void)state;
	for (unsigned int k = 0; k < 2; k++) {
		const int protocol = k ? IPPROTO_UDP : IPPROTO_TCP;
		_cleanup_close_ int old = world_socket(protocol, "127.0.0.1:7050", 0);
		_cleanup_close_ int changed = world_socket(protocol, "127.0.0.1:7052", 0);
		int closed = world_socket(protocol, "127.0.0.1:7051", 0);
		struct anybind_sockets *sockets = find_fd(closed);

		api_apply(a, "bind web tcp,udp 192.0.2.0/24 1000\n");
		put(find_fd(old), "web");
		close(closed);
		expect_late_refusal(sockets, -ENOENT, "127.0.0.1:7051 was closed or shut down");
		sockets = find_fd(changed);
		assert_int_equal(k ? connect(changed, (const void *)&peer, sizeof(peer))
				   : shutdown(changed, SHUT_RD), 0);
		expect_late_refusal(sockets, k ? -EINVAL : -ENOENT,
				    k ? "was shut down or connected" : "closed or shut down");
		traffic_expect_arrival(protocol, "192.0.2.77:1000", old);
	}
}

static void test_no_descriptors_are_left(void **state)
{
	_cleanup_close_ int tcp = world_socket(IPPROTO_TCP, "127.0.0.1:7060", 0);
	_cleanup_close_ int udp = world_socket(IPPROTO_UDP, "[::1]:7060", 0);
	const size_t before = world_count_fds();

	(void)state;
	api_apply(a, "bind web tcp,udp any 1000\n");
	for (unsigned int i = 0; i < 5; i++) {
		put(find_fd(tcp), "web");
		put(find(by_address, "udp [::1]:7060"), "web");
	}
	traffic_expect_arrival(IPPROTO_UDP, "[2001:db8::77]:1000", udp);
	assert_int_equal(world_count_fds(), before);
}

/* It comes into being with the dispatcher, if need be; a refusal brings neither. */
static void test_new_service(void **state)
{
	_cleanup_close_ int fd = world_socket(IPPROTO_TCP, "127.0.0.1:7070", 0);
	struct anybind_status *status;

	(void)state;
	expect_refusal(by_address, "tcp 127.0.0.1:7071", -ENOENT, "7071", "ss -tuln");
	assert_int_equal(anybind_status(a, &status, NULL), 0);
	assert_false(status->loaded);
	anybind_status_free(status);
	put(find_fd(fd), "new");
	assert_true(api_counters(a, "new", NULL));
	api_apply(a, "bind new tcp 192.0.2.0/24 1000\n");
	traffic_expect_arrival(IPPROTO_TCP, "192.0.2.77:1000", fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(test_kinds),
		API_TEST(test_neighbours),
		API_TEST(test_reuseport_group),
		API_TEST(test_shared_address_is_ambiguous),
		API_TEST(test_devices_are_ambiguous),
		API_TEST(test_other_namespace_from_outside),
		API_TEST(test_unknown),
		API_TEST(test_sockets_that_do_not_fit),
		API_TEST(test_protocols_that_do_not_fit),
		API_TEST(test_kernel_socket),
		API_TEST(test_socket_of_another_map),
		API_TEST(test_change_in_between),
		API_TEST(test_no_descriptors_are_left),
		API_TEST(test_new_service),
	};

	if (!world_enter())
		return 0;
	api_mount();
	world_add_netns("blue");
	world_run("ip route add local 192.0.2.0/24 dev lo");
	world_run("ip route add local 2001:db8::/64 dev lo");
	world_run("ip -n blue route add local 192.0.2.0/24 dev lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
