// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Several sockets are registered all together or not at all. */
#include "api.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "traffic.h"

/* Local by AnyIP. */
#define V4 "192.0.2.77:1000"

/* Both, as descriptors are registered; the report's message has @text. */
static void register_two(int tcp, int udp, const struct anybind_register_options *options, int code,
			 const char *text)
{
	const int fds[] = { tcp, udp };
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets;

	assert_int_equal(anybind_sockets_of_fds(a, &sockets, fds, ARRAY_SIZE(fds), report), 0);
	assert_int_equal(anybind_register(a, "web", sockets, options, report), code);
	if (code < 0)
		world_assert_message(report, 0, text, NULL);
	assert_int_equal(anybind_report_count(report), code < 0);
	anybind_sockets_free(sockets);
	anybind_report_free(report);
}

/* The kernel refuses the second one: a map of another kind has it. */
static void test_second_is_refused(void **state)
{
	const struct anybind_register_options add = { .size = sizeof(add), .add = true };
	const struct anybind_register_options weighted = { .size = sizeof(weighted), .weight = 3 };
	const struct anybind_register_options *const ways[] = { NULL, &add, &weighted };
	_cleanup_close_ int old_tcp = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	_cleanup_close_ int old_udp = world_socket(IPPROTO_UDP, "127.0.0.1:80", 0);
	_cleanup_close_ int tcp = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);
	_cleanup_close_ int udp = world_socket(IPPROTO_UDP, "127.0.0.1:81", WORLD_REUSEPORT);
	_cleanup_close_ int map = world_sockarray(udp);

	(void)state;
	assert_true(map >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		/* Of a service that is there: what it had, it has. */
		api_apply(a, "bind web tcp,udp 192.0.2.0/24 1000\n");
		register_two(tcp, udp, ways[i], -EBUSY, "REUSEPORT_SOCKARRAY");
		traffic_expect_refusal(IPPROTO_TCP, V4);
		for (size_t first = 0; first < ARRAY_SIZE(ways); first++) {
			register_two(old_tcp, old_udp, ways[first], 0, NULL);
			register_two(tcp, udp, ways[i], -EBUSY, "REUSEPORT_SOCKARRAY");
			traffic_expect_arrival(IPPROTO_TCP, V4, old_tcp);
			traffic_expect_arrival(IPPROTO_UDP, V4, old_udp);
		}
		assert_int_equal(anybind_unload(a, NULL), 0);
	}
}

/* A new service is not even declared, nor a dispatcher loaded. */
static void test_nothing_is_left(void **state)
{
	_cleanup_close_ int tcp = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);
	_cleanup_close_ int udp = world_socket(IPPROTO_UDP, "127.0.0.1:81", WORLD_REUSEPORT);
	_cleanup_close_ int map = world_sockarray(udp);
	struct anybind_ruleset *rs;
	size_t fds = world_count_fds();

	(void)state;
	assert_true(map >= 0);
	register_two(tcp, udp, NULL, -EBUSY, "REUSEPORT_SOCKARRAY");
	assert_int_equal(anybind_rules(a, &rs, NULL), -ENOENT);
	assert_int_equal(world_count_fds(), fds);
}

/* Replaced and replaced again, both kinds, in every way; each time just those get traffic. */
static void test_both_are_replaced(void **state)
{
	const struct anybind_register_options weighted = { .size = sizeof(weighted), .weight = 3 };
	int tcp[2], udp[2];

	(void)state;
	tcp[0] = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	tcp[1] = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);
	udp[0] = world_socket(IPPROTO_UDP, "127.0.0.1:80", 0);
	udp[1] = world_socket(IPPROTO_UDP, "127.0.0.1:81", 0);
	api_apply(a, "bind web tcp,udp 192.0.2.0/24 1000\n");
	for (unsigned int i = 0; i < 8; i++) {
		/* The same again, the others; alone, and from a group to a group. */
		unsigned int which = i / 2 % 2;

		register_two(tcp[which], udp[which], i < 4 ? NULL : &weighted, 0, NULL);
		traffic_expect_arrival(IPPROTO_TCP, V4, tcp[which]);
		traffic_expect_arrival(IPPROTO_UDP, V4, udp[which]);
	}
	assert_int_equal(anybind_unregister(a, "web", 0, 0, 0, NULL), 2);
	traffic_expect_refusal(IPPROTO_TCP, V4);
	traffic_expect_refusal(IPPROTO_UDP, V4);
	for (unsigned int i = 0; i < 2; i++) {
		close(tcp[i]);
		close(udp[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(test_second_is_refused),
		API_TEST(test_nothing_is_left),
		API_TEST(test_both_are_replaced),
	};

	if (!world_enter())
		return 0;
	api_mount();
	world_run("sysctl -qw net.ipv4.icmp_ratemask=0");
	world_run("ip route add local 192.0.2.0/24 dev lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
