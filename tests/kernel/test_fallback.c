// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Fallbacks as clients and servers see them, and what is said of them. */
#include "api.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "text.h"
#include "traffic.h"

/* Local by AnyIP: 192.0.2.0/24, 2001:db8:1::/64. */
#define V4 "192.0.2.77:1000"
#define V6 "[2001:db8:1::77]:1000"

#define COUNTERS(...) (&(const struct anybind_counters){ __VA_ARGS__ })

static void unregister(const char *service)
{
	assert_true(anybind_unregister(a, service, 0, 0, 0, NULL) > 0);
}

/*
 * What explain says of a packet to @endpoint: the services tried, "web" or
 * "web > sorry", and the one behind them if none had a socket: "web > sorry !".
 * Its check against the kernel must have agreed.
 */
static void expect_explained(int protocol, const char *endpoint, const char *want)
{
	struct anybind_flow flow = { .protocol = protocol };
	struct anybind_explanation *e = NULL;
	char got[512];
	size_t n;

	assert_int_equal(text_endpoint(endpoint, &flow.destination), 0);
	assert_int_equal(text_endpoint(*endpoint == '[' ? "[2001:db8:1::1]:9" : "192.0.2.1:9",
				       &flow.source), 0);
	assert_int_equal(anybind_explain(a, &flow, &e, NULL), 0);
	assert_int_equal(e->check, ANYBIND_CHECK_AGREES);
	n = snprintf(got, sizeof(got), "%s", e->service);
	for (size_t i = 0; i < e->n_fallbacks; i++)
		n += snprintf(got + n, sizeof(got) - n, " > %s", e->fallbacks[i]);
	snprintf(got + n, sizeof(got) - n, "%s", e->missing ? " !" : "");
	assert_string_equal(got, want);
	assert_true(e->missing || e->socket);
	anybind_explanation_free(e);
}

/* ---- who gets the packet ---- */

static void test_takes_over_and_gives_back(void **state)
{
	static const struct {
		int protocol;
		const char *server, *other, *dialled;
	} cases[] = {
		{ IPPROTO_TCP, "127.0.0.1:80", "127.0.0.1:81", V4 },
		{ IPPROTO_UDP, "127.0.0.1:80", "127.0.0.1:81", V4 },
		{ IPPROTO_TCP, "[::1]:80", "[::1]:81", V6 },
		{ IPPROTO_UDP, "[::1]:80", "[::1]:81", V6 },
		{ IPPROTO_TCP, "[::]:80", "127.0.0.1:81", V4 }, /* dual stack, either way */
		{ IPPROTO_UDP, "127.0.0.1:80", "[::]:81", V4 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_close_ int other = world_socket(cases[i].protocol, cases[i].other, 0);
		_cleanup_close_ int again = -1;
		int server = world_socket(cases[i].protocol, cases[i].server, 0);

		api_apply(a, "service web fallback sorry\nbind web tcp,udp any 1000\n");
		traffic_expect_refusal(cases[i].protocol, cases[i].dialled);
		expect_explained(cases[i].protocol, cases[i].dialled, "web > sorry !");
		api_register(a, "sorry", other);
		traffic_expect_arrival(cases[i].protocol, cases[i].dialled, other);
		api_register(a, "web", server);
		traffic_expect_arrival(cases[i].protocol, cases[i].dialled, server);
		expect_explained(cases[i].protocol, cases[i].dialled, "web");
		close(server);
		expect_explained(cases[i].protocol, cases[i].dialled, "web > sorry");
		traffic_expect_arrival(cases[i].protocol, cases[i].dialled, other);
		again = world_socket(cases[i].protocol, cases[i].server, 0);
		api_register(a, "web", again);
		traffic_expect_arrival(cases[i].protocol, cases[i].dialled, again);
		assert_int_equal(anybind_unload(a, NULL), 0);
	}
}

static void hold(void *data)
{
	const int *fd = data;

	(void)fd; /* inherited, and open until the process is killed */
}

/* The last descriptor goes with the process that is killed; explain's run counts. */
static void test_killed(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		int protocol = i ? IPPROTO_UDP : IPPROTO_TCP;
		_cleanup_close_ int other = world_socket(protocol, "127.0.0.1:81", 0);
		int server = world_socket(protocol, "127.0.0.1:80", 0);
		pid_t pid = world_child(hold, &server);

		api_apply(a, "service web fallback sorry\nbind web tcp,udp any 1000\n");
		api_register(a, "web", server);
		api_register(a, "sorry", other);
		close(server);
		expect_explained(protocol, V4, "web");
		world_end_child(pid);
		traffic_expect_arrival(protocol, V4, other);
		api_expect_counters(a, "web", COUNTERS(.steered = 1, .missing = 1));
		api_expect_counters(a, "sorry", COUNTERS(.steered = 1));
		assert_int_equal(anybind_unload(a, NULL), 0);
	}
}

static void test_chain(void **state)
{
	_cleanup_close_ int first = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	_cleanup_close_ int second = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);
	_cleanup_close_ int third = world_socket(IPPROTO_TCP, "127.0.0.1:82", 0);

	(void)state;
	api_apply(a, "service a fallback b\nservice b fallback c\nbind a tcp any 1000\n"
		     "bind b tcp any 1001\n");
	api_register(a, "a", first);
	api_register(a, "b", second);
	api_register(a, "c", third);
	traffic_expect_arrival(IPPROTO_TCP, V4, first);
	unregister("a");
	traffic_expect_arrival(IPPROTO_TCP, V4, second);
	expect_explained(IPPROTO_TCP, V4, "a > b");
	unregister("b");
	traffic_expect_arrival(IPPROTO_TCP, V4, third);
	traffic_expect_arrival(IPPROTO_TCP, "192.0.2.77:1001", third);
	unregister("c");
	traffic_expect_refusal(IPPROTO_TCP, V4);
	/* With the test run of explain. */
	api_expect_counters(a, "a", COUNTERS(.steered = 1, .missing = 4));
	api_expect_counters(a, "b", COUNTERS(.steered = 2, .missing = 3));
	api_expect_counters(a, "c", COUNTERS(.steered = 2, .missing = 1));
}

/* The rule's service says what happens in the end, whatever its fallbacks would do. */
static void test_first_policy_holds(void **state)
{
	_cleanup_close_ int elsewhere = world_socket(IPPROTO_TCP, "0.0.0.0:1000", 0);
	_cleanup_close_ int other = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);

	(void)state;
	api_apply(a, "service open missing pass fallback shut\n"
		     "service strict fallback open\n"
		     "bind open tcp 192.0.2.0/25 1000\nbind strict tcp 192.0.2.128/25 1000\n");
	traffic_expect_arrival(IPPROTO_TCP, "192.0.2.1:1000", elsewhere);
	traffic_expect_refusal(IPPROTO_TCP, "192.0.2.200:1000");
	expect_explained(IPPROTO_TCP, "192.0.2.1:1000", "open > shut !");
	expect_explained(IPPROTO_TCP, "192.0.2.200:1000", "strict > open > shut !");
	api_register(a, "shut", other);
	traffic_expect_arrival(IPPROTO_TCP, "192.0.2.1:1000", other);
	traffic_expect_arrival(IPPROTO_TCP, "192.0.2.200:1000", other);
}

/* A chain as long as can be: each is tried, the last one answers. */
static void test_longest(void **state)
{
	_cleanup_close_ int last = world_socket(IPPROTO_UDP, "127.0.0.1:80", 0);
	char text[4096], want[256];
	size_t n = 0, w = 0;

	(void)state;
	for (unsigned int i = 0; i < FALLBACKS_MAX; i++) {
		n += sprintf(text + n, "service s%02u fallback s%02u\n", i, i + 1);
		w += sprintf(want + w, "s%02u > ", i);
	}
	sprintf(text + n, "bind s00 udp any 1000\n");
	sprintf(want + w, "s%02u", FALLBACKS_MAX);
	api_apply(a, text);
	api_register(a, "s16", last);
	traffic_expect_arrival(IPPROTO_UDP, V4, last);
	expect_explained(IPPROTO_UDP, V4, want);
}

/* ---- sockets that are there and not usable ---- */

static void test_refused_by_the_kernel(void **state)
{
	_cleanup_close_ int v6only = world_socket(IPPROTO_TCP, "[::]:80", WORLD_V6ONLY);
	_cleanup_close_ int udp = world_socket(IPPROTO_UDP, "127.0.0.1:80", 0);
	_cleanup_close_ int tcp_other = world_socket(IPPROTO_TCP, "[::]:81", 0);
	_cleanup_close_ int udp_other = world_socket(IPPROTO_UDP, "[::]:81", 0);
	const struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(9),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)state;
	api_apply(a, "service web fallback sorry\nbind web tcp,udp any 1000\n");
	api_register(a, "web", v6only);
	api_register(a, "web", udp);
	api_register(a, "sorry", tcp_other);
	api_register(a, "sorry", udp_other);
	traffic_expect_arrival(IPPROTO_TCP, V4, tcp_other);
	expect_explained(IPPROTO_TCP, V4, "web > sorry");
	traffic_expect_arrival(IPPROTO_TCP, V6, v6only);
	assert_int_equal(connect(udp, (const struct sockaddr *)&peer, sizeof(peer)), 0);
	traffic_expect_arrival(IPPROTO_UDP, V4, udp_other);
	expect_explained(IPPROTO_UDP, V4, "web > sorry");
	/* With the test runs of explain. */
	api_expect_counters(a, "web", COUNTERS(.steered = 1, .eafnosupport = 2,
					       .esocktnosupport = 2));
	api_expect_counters(a, "sorry", COUNTERS(.steered = 4));
}

/* A group whose members are all gone, and a fallback that is a group. */
static void test_groups(void **state)
{
	const struct anybind_register_options add = { .size = sizeof(add), .add = true };
	int fds[4];

	(void)state;
	api_apply(a, "service web fallback sorry\nbind web tcp any 1000\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(fds); i++) {
		struct anybind_sockets *sockets;
		char endpoint[32];

		snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%u", 80 + i);
		fds[i] = world_socket(IPPROTO_TCP, endpoint, 0);
		assert_int_equal(anybind_sockets_of_fds(a, &sockets, &fds[i], 1, NULL), 0);
		assert_int_equal(anybind_register(a, i < 2 ? "web" : "sorry", sockets, &add, NULL),
				 0);
		anybind_sockets_free(sockets);
	}
	expect_explained(IPPROTO_TCP, V4, "web");
	close(fds[0]);
	expect_explained(IPPROTO_TCP, V4, "web");
	close(fds[1]);
	expect_explained(IPPROTO_TCP, V4, "web > sorry");
	close(fds[2]);
	traffic_expect_arrival(IPPROTO_TCP, V4, fds[3]);
	close(fds[3]);
	traffic_expect_refusal(IPPROTO_TCP, V4);
}

/* ---- changes ---- */

static void test_rules_change(void **state)
{
	_cleanup_close_ int other = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);
	_cleanup_free_ char *text = NULL;

	(void)state;
	api_apply(a, "service sorry\nbind web tcp any 1000\n");
	api_register(a, "sorry", other);
	traffic_expect_refusal(IPPROTO_TCP, V4);
	api_apply(a, "service web fallback sorry\nbind web tcp any 1000\n");
	traffic_expect_arrival(IPPROTO_TCP, V4, other);
	/* Ids that others got before stay; a name before all others moves every index. */
	api_apply(a, "service aaa fallback web\nservice web fallback sorry\n"
		     "bind web tcp any 1000\nbind aaa tcp any 1001\n");
	traffic_expect_arrival(IPPROTO_TCP, V4, other);
	traffic_expect_arrival(IPPROTO_TCP, "192.0.2.1:1001", other);
	text = api_rules(a);
	assert_string_equal(text, "service aaa fallback web\nservice sorry\n"
				  "service web fallback sorry\n"
				  "bind web tcp any 1000\nbind aaa tcp any 1001\n");
	api_apply(a, "bind web tcp any 1000\n");
	traffic_expect_refusal(IPPROTO_TCP, V4);
}

static const char *fallback_of(const struct anybind_services *services, const char *name)
{
	for (size_t i = 0; i < anybind_services_count(services); i++)
		if (!strcmp(anybind_services_get(services, i)->name, name))
			return anybind_services_get(services, i)->fallback;
	fail_msg("no service %s", name);
	return NULL;
}

static void test_services(void **state)
{
	struct anybind_services *services;

	(void)state;
	api_apply(a, "service web fallback sorry\n");
	assert_int_equal(anybind_services(a, &services, NULL), 0);
	assert_int_equal(anybind_services_count(services), 2);
	assert_string_equal(fallback_of(services, "web"), "sorry");
	assert_null(fallback_of(services, "sorry"));
	anybind_services_free(services);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(test_takes_over_and_gives_back),
		API_TEST(test_killed),
		API_TEST(test_chain),
		API_TEST(test_first_policy_holds),
		API_TEST(test_longest),
		API_TEST(test_refused_by_the_kernel),
		API_TEST(test_groups),
		API_TEST(test_rules_change),
		API_TEST(test_services),
	};

	if (!world_enter())
		return 0;
	api_mount();
	world_run("sysctl -qw net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratelimit=0 "
		  "net.ipv6.icmp.ratemask=");
	world_run("ip route add local 192.0.2.0/24 dev lo && "
		  "ip -6 route add local 2001:db8:1::/64 dev lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
