// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Services over changes of the rules: ids, sockets and counters. */
#include "api.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "registry.h"
#include "traffic.h"

#define V4 "192.0.2.77"
#define COUNTERS(...) (&(struct anybind_counters){ __VA_ARGS__ })

static int id_of(const char *service)
{
	struct current current = CURRENT_NONE;
	struct registry registry;
	int id;

	assert_int_equal(dispatcher_read(a, &current, NULL), 0);
	assert_int_equal(registry_open(&registry, &current.maps, false), 0);
	id = registry_find(&registry, service);
	registry_close(&registry);
	current_close(&current);
	return id;
}

static void test_ids_are_stable(void **state)
{
	int b, c;

	(void)state;
	api_apply(a, "service a\nservice b\nservice c\n");
	b = id_of("b");
	c = id_of("c");
	assert_true(b >= 0 && c >= 0 && b != c);
	/* Names that sort before and between them come; one goes. */
	api_apply(a, "service 0\nservice b\nservice bb\nservice c\n");
	assert_int_equal(id_of("b"), b);
	assert_int_equal(id_of("c"), c);
	assert_int_equal(id_of("a"), -ENOENT);
	for (unsigned int i = 0; i < 20; i++)
		api_apply(a, i % 2 ? "drop tcp any 1\nservice b\nservice c\n"
				   : "service c\nservice b\nservice d\n");
	assert_int_equal(id_of("b"), b);
	assert_int_equal(id_of("c"), c);
}

static void test_counters_survive(void **state)
{
	_cleanup_close_ int server = world_socket(IPPROTO_UDP, "127.0.0.1:80", 0);

	(void)state;
	api_apply(a, "bind web udp 192.0.2.0/24 1000\nbind other udp 192.0.2.0/24 1001\n");
	api_register(a, "web", server);
	for (unsigned int i = 1; i <= 5; i++) {
		traffic_expect_arrival(IPPROTO_UDP, V4 ":1000", server);
		traffic_expect_refusal(IPPROTO_UDP, V4 ":1001");
		api_apply(a, i % 2 ? "bind web udp 192.0.2.64/26 1000\n"
				     "bind other udp 192.0.2.0/24 1001\n"
				   : "bind web udp any 1000\nbind other udp any 1001\n");
		api_expect_counters(a, "web", COUNTERS(.steered = i));
		api_expect_counters(a, "other", COUNTERS(.missing = i));
	}
	/* Not beyond unload. */
	assert_int_equal(anybind_unload(a, NULL), 0);
	api_apply(a, "bind web udp any 1000\n");
	api_expect_counters(a, "web", COUNTERS(0));
}

/* Rules may go and come; the service's registration is another matter. */
static void test_registration_outlives_rules(void **state)
{
	_cleanup_close_ int server = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	_cleanup_close_ int newcomer = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);
	int id;

	(void)state;
	api_apply(a, "bind web tcp 192.0.2.0/24 1000\n");
	api_register(a, "web", server);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", server);
	id = id_of("web");
	api_apply(a, "bind other tcp 192.0.2.0/24 1000\n");
	assert_int_equal(id_of("web"), id);
	assert_int_not_equal(id_of("other"), id);
	traffic_expect_refusal(IPPROTO_TCP, V4 ":1000");
	api_register(a, "other", newcomer);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", newcomer);
	api_expect_counters(a, "web", COUNTERS(.steered = 1));
	api_apply(a, "bind web tcp 192.0.2.0/24 1000\n");
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", server);
	api_expect_counters(a, "web", COUNTERS(.steered = 2));
}

static void test_ids_are_reused_clean(void **state)
{
	int server = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0), id;

	(void)state;
	api_apply(a, "bind old tcp 192.0.2.0/24 1000\n");
	api_register(a, "old", server);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", server);
	id = id_of("old");
	/* Without rules but with a socket the id stays taken… */
	api_apply(a, "bind new tcp 192.0.2.0/24 1000\n");
	assert_int_not_equal(id_of("new"), id);
	/* …and is free once the socket is closed and rules are written. */
	close(server);
	api_apply(a, "drop tcp 192.0.2.0/24 1000\n");
	assert_int_equal(id_of("old"), -ENOENT);
	assert_false(api_counters(a, "old", NULL));
	api_apply(a, "bind heir tcp 192.0.2.0/24 1000\n");
	assert_int_equal(id_of("heir"), id);
	api_expect_counters(a, "heir", COUNTERS(0));
	traffic_expect_refusal(IPPROTO_TCP, V4 ":1000");
	api_expect_counters(a, "heir", COUNTERS(.missing = 1));
}

/* @n services NAME0, NAME1, … each with a rule; to be freed. */
static char *many_services(const char *name, unsigned int n)
{
	char *text = malloc(n * 64 + 1), *end = text;

	assert_non_null(text);
	*end = '\0';
	for (unsigned int i = 0; i < n; i++)
		end += sprintf(end, "bind %s%u tcp 192.0.%u.%u 1000\n", name, i, 2 + i / 256, i % 256);
	return text;
}

static void test_as_many_as_can_be(void **state)
{
	_cleanup_free_ char *most = many_services("s", ANYBIND_SERVICES_MAX);
	_cleanup_free_ char *half = many_services("s", 2500);
	_cleanup_free_ char *others = many_services("t", 2500);
	_cleanup_free_ char *before = NULL, *after = NULL;
	_cleanup_close_ int server = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	struct anybind_services *services;

	(void)state;
	api_apply(a, most);
	assert_int_equal(anybind_services(a, &services, NULL), 0);
	assert_int_equal(anybind_services_count(services), ANYBIND_SERVICES_MAX);
	anybind_services_free(services);
	api_register(a, "s4095", server);
	traffic_expect_arrival(IPPROTO_TCP, "192.0.17.255:1000", server);
	traffic_expect_refusal(IPPROTO_TCP, "192.0.17.254:1000");
	before = api_rules(a);
	api_expect_apply(a, others, -ENOSPC);
	after = api_rules(a);
	assert_string_equal(before, after);
	traffic_expect_arrival(IPPROTO_TCP, "192.0.17.255:1000", server);

	/* Both in force and to come need ids; a refusal must not use any up. */
	api_apply(a, half);
	api_expect_apply(a, others, -ENOSPC);
	api_apply(a, "bind s0 tcp 192.0.2.0 1000\nbind fresh tcp 192.0.2.1 1000\n");
	assert_true(id_of("fresh") >= 0);
	assert_int_equal(id_of("t0"), -ENOENT);
	api_apply(a, others);
}

/*
 * A writer that is killed may leave a socket in a slot that nothing names. An
 * id that is given to a new service must not bring it along.
 */
static void test_left_socket_is_no_heirloom(void **state)
{
	_cleanup_close_ int stranger = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	struct current current = CURRENT_NONE;
	uint64_t cookie;
	int sockets;

	(void)state;
	api_apply(a, "drop tcp 192.0.2.0/24 1\n");
	assert_int_equal(dispatcher_read(a, &current, NULL), 0);
	sockets = current.maps.fd[MAP_SOCKETS];
	for (uint32_t id = 0; id < 4; id++)
		assert_int_equal(kernel_slot_set(sockets, SLOT(id, 0, 0), stranger), 0);
	api_apply(a, "bind heir tcp 192.0.2.0/24 1000\n");
	assert_in_range(id_of("heir"), 0, 3);
	assert_int_equal(kernel_slot_cookie(sockets, SLOT(id_of("heir"), 0, 0), &cookie), -ENOENT);
	traffic_expect_refusal(IPPROTO_TCP, V4 ":1000");
	current_close(&current);
}

/* Nor must it come to light when the group that took its place is unregistered. */
static void test_left_socket_behind_a_group(void **state)
{
	const struct anybind_register_options weighted = { .size = sizeof(weighted), .weight = 7 };
	_cleanup_close_ int stranger = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	_cleanup_close_ int server = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);
	struct current current = CURRENT_NONE;
	struct anybind_sockets *sockets;

	(void)state;
	api_apply(a, "bind web tcp 192.0.2.0/24 1000\n");
	assert_int_equal(anybind_sockets_of_fds(a, &sockets, &server, 1, NULL), 0);
	assert_int_equal(anybind_register(a, "web", sockets, &weighted, NULL), 0);
	anybind_sockets_free(sockets);
	assert_int_equal(dispatcher_read(a, &current, NULL), 0);
	assert_int_equal(kernel_slot_set(current.maps.fd[MAP_SOCKETS], SLOT(id_of("web"), 0, 0),
					 stranger), 0);
	current_close(&current);
	traffic_expect_arrival(IPPROTO_TCP, V4 ":1000", server);
	assert_int_equal(anybind_unregister(a, "web", 0, 0, 0, NULL), 1);
	traffic_expect_refusal(IPPROTO_TCP, V4 ":1000");
}

/* What cannot be read may be open: then the service keeps its id. */
static void test_unreadable_keeps_its_id(void **state)
{
	const struct anybind_register_options weighted = { .size = sizeof(weighted), .weight = 7 };
	_cleanup_close_ int server = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);
	struct anybind_sockets *sockets;
	int id;

	(void)state;
	api_apply(a, "bind web tcp 192.0.2.0/24 1000\n");
	assert_int_equal(anybind_sockets_of_fds(a, &sockets, &server, 1, NULL), 0);
	assert_int_equal(anybind_register(a, "web", sockets, &weighted, NULL), 0);
	anybind_sockets_free(sockets);
	id = id_of("web");
	world_run("rm %s/s*-*", a->state.path);
	api_apply(a, "bind other tcp 192.0.2.0/24 1000\n");
	assert_int_equal(id_of("web"), id);
	assert_int_not_equal(id_of("other"), id);
	traffic_expect_refusal(IPPROTO_TCP, V4 ":1000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(test_ids_are_stable),
		API_TEST(test_counters_survive),
		API_TEST(test_registration_outlives_rules),
		API_TEST(test_ids_are_reused_clean),
		API_TEST(test_as_many_as_can_be),
		API_TEST(test_left_socket_is_no_heirloom),
		API_TEST(test_left_socket_behind_a_group),
		API_TEST(test_unreadable_keeps_its_id),
	};

	if (!world_enter())
		return 0;
	api_mount();
	world_run("sysctl -qw net.ipv4.icmp_ratemask=0 && "
		  "ip route add local 192.0.0.0/16 dev lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
