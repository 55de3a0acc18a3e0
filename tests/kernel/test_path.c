// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The data path as clients and servers see it. */
#include "api.h"

#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "traffic.h"

/* Local by AnyIP: 192.0.2.0/24, 198.51.100.0/24, 2001:db8:1::/64. */
#define V4 "192.0.2.77"
#define V6 "[2001:db8:1::77]"

static void expect_counters(const char *service, struct anybind_counters want)
{
	api_expect_counters(a, service, &want);
}
#define COUNTERS(...) ((struct anybind_counters){ __VA_ARGS__ })

/* ---- where packets go ---- */

static void test_directions(void **state)
{
	static const struct {
		int protocol;
		const char *server;
		unsigned int flags;
		const char *dialled[4];
	} cases[] = {
		/* Address, port, both; IPv4, IPv6, dual stack. */
		{ IPPROTO_TCP, "127.0.0.1:80", 0, { V4 ":80", "192.0.2.0:80", "127.0.0.1:81",
						    V4 ":1000" } },
		{ IPPROTO_UDP, "127.0.0.1:80", 0, { V4 ":80", "192.0.2.255:80", "127.0.0.1:81",
						    V4 ":1009" } },
		{ IPPROTO_TCP, "[::1]:80", 0, { V6 ":80", "[2001:db8:1::]:80", "[::1]:81",
						V6 ":1000" } },
		{ IPPROTO_UDP, "[::1]:80", WORLD_V6ONLY, { V6 ":80", V6 ":81", "[::1]:81",
							   V6 ":1009" } },
		{ IPPROTO_TCP, "[::]:80", 0, { V6 ":1005", V4 ":80", "127.0.0.1:81", V4 ":1005" } },
		{ IPPROTO_UDP, "[::]:80", 0, { V6 ":1005", V4 ":80", "127.0.0.1:81", V4 ":1005" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_close_ int server =
			world_socket(cases[i].protocol, cases[i].server, cases[i].flags);

		api_apply(a, "bind web tcp,udp 192.0.2.0/24 80,81,1000-1009\n"
			     "bind web tcp,udp 2001:db8:1::/64 80,81,1000-1009\n"
			     "bind web tcp,udp 127.0.0.1 81\n"
			     "bind web tcp,udp ::1 81\n");
		api_register(a, "web", server);
		for (size_t k = 0; k < ARRAY_SIZE(cases[i].dialled); k++)
			traffic_expect_arrival(cases[i].protocol, cases[i].dialled[k], server);
		traffic_expect_refusal(cases[i].protocol, V4 ":1010");
		traffic_expect_refusal(cases[i].protocol, V6 ":1010");
		expect_counters("web", COUNTERS(.steered = 4));
		assert_int_equal(anybind_unload(a, NULL), 0);
	}
}

/* With a socket of IPv4 and a dual-stack one, each gets its own. */
static void test_both_families(void **state)
{
	_cleanup_close_ int v4 = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	_cleanup_close_ int dual = world_socket(IPPROTO_TCP, "[::]:81", 0);

	(void)state;
	api_apply(a, "bind web tcp any 1000\n");
	api_register(a, "web", dual);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", dual);
	api_register(a, "web", v4);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", v4);
	traffic_expect_arrival(IPPROTO_TCP, V6 ":1000", dual);
	assert_int_equal(anybind_unregister(a, "web", IPPROTO_TCP, AF_INET, 0, NULL), 1);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", dual);
}

static void test_verdicts(void **state)
{
	_cleanup_close_ int fallback_tcp = world_socket(IPPROTO_TCP, "[::]:1000", 0);
	_cleanup_close_ int fallback_udp = world_socket(IPPROTO_UDP, "[::]:1000", 0);

	(void)state;
	api_apply(a, "service open missing pass\n"
		     "bind shut tcp,udp 192.0.2.0/25 1000\n"
		     "bind open tcp,udp 192.0.2.128/25 1000\n"
		     "drop tcp,udp 192.0.2.1 1000\n"
		     "pass tcp,udp 192.0.2.2 1000\n"
		     "drop tcp,udp 2001:db8:1::/64 1000\n"
		     "pass tcp,udp 2001:db8:1::2 1000\n");
	for (unsigned int i = 0; i < 2; i++) {
		int protocol = i ? IPPROTO_UDP : IPPROTO_TCP;
		int fallback = i ? fallback_udp : fallback_tcp;

		traffic_expect_refusal(protocol, "192.0.2.1:1000");
		traffic_expect_arrival(protocol, "192.0.2.2:1000", fallback);
		traffic_expect_refusal(protocol, "192.0.2.3:1000");
		traffic_expect_arrival(protocol, "192.0.2.200:1000", fallback);
		traffic_expect_arrival(protocol, "198.51.100.1:1000", fallback);
		traffic_expect_refusal(protocol, "[2001:db8:1::1]:1000");
		traffic_expect_arrival(protocol, "[2001:db8:1::2]:1000", fallback);
	}
	expect_counters("shut", COUNTERS(.missing = 2));
	expect_counters("open", COUNTERS(.missing = 2));
}

/* ---- sockets that do not fit ---- */

/* Past what registration checks: sets the slot in the map itself. */
static void force_slot(unsigned int slot, int fd)
{
	struct current current = CURRENT_NONE;

	assert_int_equal(dispatcher_read(a, &current, NULL), 0);
	assert_int_equal(kernel_slot_set(current.maps.fd[MAP_SOCKETS], slot, fd), 0);
	current_close(&current);
}

static void test_errors_by_name(void **state)
{
	_cleanup_close_ int v6only = world_socket(IPPROTO_TCP, "[::]:80", WORLD_V6ONLY);
	_cleanup_close_ int v4 = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);
	_cleanup_close_ int udp = world_socket(IPPROTO_UDP, "127.0.0.1:82", 0);

	(void)state;
	api_apply(a, "bind web tcp any 1000\n"); /* the first service has id 0 */
	api_register(a, "web", v6only);
	traffic_expect_refusal(IPPROTO_TCP, V4 ":1000");
	expect_counters("web", COUNTERS(.eafnosupport = 1));
	force_slot(SLOT(0, 0, 1), v4);
	traffic_expect_refusal(IPPROTO_TCP, V6 ":1000");
	expect_counters("web", COUNTERS(.eafnosupport = 2));
	force_slot(SLOT(0, 0, 0), udp);
	traffic_expect_refusal(IPPROTO_TCP, V4 ":1000");
	expect_counters("web", COUNTERS(.eafnosupport = 2, .eprototype = 1));
}

/* What has become useless after it was registered. `missing pass` holds for these, too. */
static void test_useless_later(void **state)
{
	_cleanup_close_ int tcp = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	_cleanup_close_ int udp = world_socket(IPPROTO_UDP, "127.0.0.1:80", 0);
	_cleanup_close_ int fallback = world_socket(IPPROTO_TCP, "0.0.0.0:1000", 0);
	const struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(9),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)state;
	api_apply(a, "service web missing pass\nbind web tcp,udp 192.0.2.0/24 1000\n");
	api_register(a, "web", tcp);
	api_register(a, "web", udp);
	assert_int_equal(shutdown(tcp, SHUT_RD), 0);
	assert_int_equal(connect(udp, (const struct sockaddr *)&peer, sizeof(peer)), 0);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", fallback);
	traffic_expect_refusal(IPPROTO_UDP, V4 ":1000");
	expect_counters("web", COUNTERS(.esocktnosupport = 2));
	assert_int_equal(listen(tcp, 16), 0);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", tcp);
	expect_counters("web", COUNTERS(.steered = 1, .esocktnosupport = 2));
}

/* ---- changes while traffic flows ---- */

static void test_connections_stay(void **state)
{
	_cleanup_close_ int tcp = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	_cleanup_close_ int udp = world_socket(IPPROTO_UDP, V4 ":1000", 0);
	_cleanup_close_ int tcp_client = -1, accepted = -1, udp_client = -1;
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);

	(void)state;
	api_apply(a, "bind web tcp 192.0.2.0/24 1000\n");
	api_register(a, "web", tcp);
	tcp_client = traffic_dial(IPPROTO_TCP, V4 ":1000");
	accepted = traffic_accept(tcp, V4 ":1000");
	udp_client = traffic_dial(IPPROTO_UDP, V4 ":1000");
	traffic_receive(udp);
	assert_int_equal(getsockname(udp_client, (struct sockaddr *)&peer, &len), 0);
	assert_int_equal(connect(udp, (struct sockaddr *)&peer, len), 0);

	api_apply(a, "drop tcp,udp any any\n");
	traffic_expect_refusal(IPPROTO_TCP, V4 ":1000");
	traffic_expect_refusal(IPPROTO_UDP, V4 ":1000");
	traffic_talk(tcp_client, accepted);
	traffic_talk(accepted, tcp_client);
	traffic_talk(udp_client, udp);
	traffic_talk(udp, udp_client);
	assert_int_equal(anybind_unload(a, NULL), 0);
	traffic_talk(tcp_client, accepted);
	traffic_talk(udp_client, udp);
}

/* ---- sockets that go ---- */

struct server {
	int protocol;
	int hand_over; /* where the child sends its socket, for the test to register */
};

static void serve(void *data)
{
	const struct server *server = data;
	int fd = world_socket(server->protocol, "127.0.0.1:80", 0);
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { (char *)"", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	*cmsg = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	if (sendmsg(server->hand_over, &msg, 0) != 1)
		_exit(1);
}

static int take_over(int from)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd;

	assert_int_equal(recvmsg(from, &msg, MSG_CMSG_CLOEXEC), 1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void test_killed(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		int protocol = i ? IPPROTO_UDP : IPPROTO_TCP, ends[2], fd;
		struct server server = { .protocol = protocol };
		_cleanup_close_ int again = -1;
		pid_t pid;

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		server.hand_over = ends[1];
		api_apply(a, "bind web tcp,udp 192.0.2.0/24 1000\n");
		pid = world_child(serve, &server);
		fd = take_over(ends[0]);
		api_register(a, "web", fd);
		traffic_expect_arrival(protocol, V4 ":1000", fd);
		close(fd);
		world_end_child(pid);
		/* The slot is empty once the kernel has closed the process's last descriptor. */
		traffic_expect_refusal(protocol, V4 ":1000");
		again = world_socket(protocol, "127.0.0.1:80", 0);
		traffic_expect_refusal(protocol, V4 ":1000");
		api_register(a, "web", again);
		traffic_expect_arrival(protocol, V4 ":1000", again);
		close(ends[0]);
		close(ends[1]);
	}
	expect_counters("web", COUNTERS(.steered = 4, .missing = 4));
}

static void test_closed_and_replaced(void **state)
{
	_cleanup_close_ int second = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);
	int first = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);

	(void)state;
	api_apply(a, "bind web tcp 192.0.2.0/24 1000\n");
	api_register(a, "web", first);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", first);
	api_register(a, "web", second); /* replaces it */
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", second);
	api_register(a, "web", first);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", first);
	close(first);
	traffic_expect_refusal(IPPROTO_TCP, V4 ":1000");
	api_register(a, "web", second);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", second);
	assert_int_equal(anybind_unregister(a, "web", 0, 0, 0, NULL), 1);
	traffic_expect_refusal(IPPROTO_TCP, V4 ":1000");
	expect_counters("web", COUNTERS(.steered = 4, .missing = 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(test_directions),
		API_TEST(test_both_families),
		API_TEST(test_verdicts),
		API_TEST(test_errors_by_name),
		API_TEST(test_useless_later),
		API_TEST(test_connections_stay),
		API_TEST(test_killed),
		API_TEST(test_closed_and_replaced),
	};

	if (!world_enter())
		return 0;
	api_mount();
	world_run("sysctl -qw net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratelimit=0 "
		  "net.ipv6.icmp.ratemask=");
	world_run("ip route add local 192.0.2.0/24 dev lo && "
		  "ip route add local 198.51.100.0/24 dev lo && "
		  "ip -6 route add local 2001:db8:1::/64 dev lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
