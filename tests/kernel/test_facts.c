/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "facts.h"
#include "text.h"

static struct netns own, blue;

static const struct listener *find_listener(const struct listener *listeners, size_t n, int fd)
{
	const uint64_t cookie = world_cookie(fd);

	for (size_t i = 0; i < n; i++)
		if (listeners[i].cookie == cookie)
			return &listeners[i];
	return NULL;
}

struct expected {
	int protocol;
	const char *endpoint;
	unsigned int flags;
	int family;
	const char *addr;
};

static void assert_listener(const struct listener *l, const struct expected *e, int fd)
{
	uint8_t addr[16] = {0};
	struct stat st;

	assert_non_null(l);
	assert_int_equal(inet_pton(e->family, e->addr, addr), 1);
	assert_int_equal(l->family, e->family);
	assert_int_equal(l->protocol, e->protocol);
	assert_memory_equal(l->addr, addr, 16);
	assert_int_equal(l->port, world_port(fd));
	assert_int_equal(l->v6only, !!(e->flags & WORLD_V6ONLY));
	assert_int_equal(l->ifindex, 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(l->inode, st.st_ino);
	assert_int_equal(l->uid, 0);
}

static void test_listeners(void **state)
{
	static const struct expected expected[] = {
		{IPPROTO_TCP, "0.0.0.0:80", 0, AF_INET, "0.0.0.0"},
		{IPPROTO_TCP, "127.0.0.1:81", 0, AF_INET, "127.0.0.1"},
		{IPPROTO_TCP, "[::]:82", 0, AF_INET6, "::"},
		{IPPROTO_TCP, "[::1]:83", WORLD_V6ONLY, AF_INET6, "::1"},
		{IPPROTO_UDP, "0.0.0.0:53", 0, AF_INET, "0.0.0.0"},
		{IPPROTO_UDP, "[::]:54", WORLD_V6ONLY, AF_INET6, "::"},
	};
	_cleanup_free_ struct listener *listeners = NULL;
	int fds[ARRAY_SIZE(expected)], tcp_client, udp_client, bound_only;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		fds[i] =
			world_socket(expected[i].protocol, expected[i].endpoint, expected[i].flags);
	tcp_client = world_connect(IPPROTO_TCP, "127.0.0.1:80");
	udp_client = world_connect(IPPROTO_UDP, "127.0.0.1:53");
	bound_only = world_socket(IPPROTO_TCP, "127.0.0.1:90", WORLD_NO_LISTEN);
	assert_int_equal(facts_listeners(&own, &listeners, &n), 0);
	assert_int_equal(n, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_listener(find_listener(listeners, n, fds[i]), &expected[i], fds[i]);
		close(fds[i]);
	}
	close(tcp_client);
	close(udp_client);
	close(bound_only);
}

static void test_listeners_of_other(void **state)
{
	_cleanup_free_ struct listener *listeners = NULL;
	int saved, fd, mine = world_socket(IPPROTO_TCP, "0.0.0.0:80", 0);
	size_t n;

	(void)state;
	assert_int_equal(netns_enter(&blue, &saved), 0);
	fd = world_socket(IPPROTO_TCP, "127.0.0.1:8080", 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	netns_leave(saved);
	assert_int_equal(facts_listeners(&blue, &listeners, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(listeners[0].cookie, world_cookie(fd));
	assert_int_equal(listeners[0].ifindex, 1);
	close(fd);
	close(mine);
}

/* More than one netlink buffer holds. */
static void test_many_listeners(void **state)
{
	_cleanup_free_ struct listener *listeners = NULL;
	int fds[900];
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = world_socket(IPPROTO_UDP, "127.0.0.1:0", 0);
	assert_int_equal(facts_listeners(&own, &listeners, &n), 0);
	assert_int_equal(n, ARRAY_SIZE(fds));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_non_null(find_listener(listeners, n, fds[i]));
		close(fds[i]);
	}
}

static int connected(const struct netns *ns, const char *local, const char *remote)
{
	struct sockaddr_storage a, b;

	assert_int_equal(text_endpoint(local, &a), 0);
	assert_int_equal(text_endpoint(remote, &b), 0);
	return facts_tcp_connected(ns, (struct sockaddr *)&a, (struct sockaddr *)&b);
}

static void expect_connection(const char *bind_to, const char *connect_to, const char *host)
{
	int server = world_socket(IPPROTO_TCP, bind_to, 0);
	int client = world_connect(IPPROTO_TCP, connect_to);
	int accepted = accept(server, NULL, NULL);
	char local[64], remote[64];

	assert_true(accepted >= 0);
	snprintf(local, sizeof(local), "%s:%u", host, world_port(server));
	snprintf(remote, sizeof(remote), "%s:%u", host, world_port(client));
	close(client); /* leaves the server's end in CLOSE_WAIT */
	assert_int_equal(connected(&own, local, remote), 1);
	assert_int_equal(connected(&blue, local, remote), 0);
	snprintf(remote, sizeof(remote), "%s:9", host);
	assert_int_equal(connected(&own, local, remote), 0);
	close(accepted);
	close(server);
}

static void test_connected(void **state)
{
	(void)state;
	expect_connection("127.0.0.1:22", "127.0.0.1:22", "127.0.0.1");
	expect_connection("[::1]:22", "[::1]:22", "[::1]");
	/* An IPv4 connection of a dual-stack server. */
	expect_connection("[::]:22", "127.0.0.1:22", "127.0.0.1");
	assert_int_equal(facts_tcp_connected(&own, &(struct sockaddr){.sa_family = AF_UNIX},
					     &(struct sockaddr){.sa_family = AF_UNIX}),
			 -EAFNOSUPPORT);
}

static size_t count_prefix(const struct prefix *prefixes, size_t n, const char *text)
{
	uint8_t addr[16], len, family;
	size_t hits = 0;

	assert_int_equal(text_prefix(text, strlen(text), addr, &len, &family), 0);
	for (size_t i = 0; i < n; i++)
		hits += prefixes[i].family == family && prefixes[i].len == len &&
			!memcmp(prefixes[i].addr, addr, 16);
	return hits;
}

static void test_local_prefixes(void **state)
{
	_cleanup_free_ struct prefix *prefixes = NULL;
	size_t n;

	(void)state;
	world_run("ip -n blue link add d0 type veth peer d1 && ip -n blue link set d0 up");
	world_run("ip -n blue addr add 192.0.2.1/24 dev d0");
	world_run("ip -n blue addr add 2001:db8::1/64 dev d0 nodad");
	world_run("ip -n blue route add local 198.51.100.0/24 dev lo");
	world_run("ip -n blue route add local 198.51.100.0/24 dev lo table 7");
	world_run("ip -n blue route add local default dev lo table 8");
	world_run("ip -n blue route add local 2001:db8:1::/48 dev lo");
	world_run("ip -n blue route add 203.0.113.0/24 dev d0");
	assert_int_equal(facts_local_prefixes(&blue, &prefixes, &n), 0);
	assert_int_equal(count_prefix(prefixes, n, "127.0.0.0/8"), 1);
	assert_int_equal(count_prefix(prefixes, n, "192.0.2.1"), 1);
	assert_int_equal(count_prefix(prefixes, n, "198.51.100.0/24"), 1);
	assert_int_equal(count_prefix(prefixes, n, "0.0.0.0/0"), 1);
	assert_int_equal(count_prefix(prefixes, n, "::1"), 1);
	assert_int_equal(count_prefix(prefixes, n, "2001:db8::1"), 1);
	assert_int_equal(count_prefix(prefixes, n, "2001:db8:1::/48"), 1);
	/* On the link, but not ours. */
	assert_int_equal(count_prefix(prefixes, n, "192.0.2.0/24"), 0);
	assert_int_equal(count_prefix(prefixes, n, "203.0.113.0/24"), 0);
	for (size_t i = 1; i < n; i++) {
		const struct prefix *a = &prefixes[i - 1], *b = &prefixes[i];
		const int diff = a->family - b->family;

		assert_true(diff < 0 ||
			    (!diff && (memcmp(a->addr, b->addr, 16) < 0 ||
				       (!memcmp(a->addr, b->addr, 16) && a->len < b->len))));
	}
}

static void test_addresses(void **state)
{
	_cleanup_free_ struct address *addresses = NULL;
	const int d0 = facts_ifindex(&blue, "d0");
	bool lo4 = false, lo6 = false, dev4 = false, dev6 = false;
	size_t n;

	(void)state;
	assert_true(d0 > 1);
	assert_int_equal(facts_addresses(&blue, &addresses, &n), 0);
	for (size_t i = 0; i < n; i++) {
		char text[PREFIX_TEXT_MAX];

		text_of_prefix(addresses[i].family, addresses[i].addr,
			       addresses[i].family == 4 ? 32 : 128, text);
		lo4 |= !strcmp(text, "127.0.0.1") && addresses[i].ifindex == 1;
		lo6 |= !strcmp(text, "::1") && addresses[i].ifindex == 1;
		dev4 |= !strcmp(text, "192.0.2.1") && addresses[i].ifindex == (uint32_t)d0;
		dev6 |= !strcmp(text, "2001:db8::1") && addresses[i].ifindex == (uint32_t)d0;
	}
	assert_true(lo4 && lo6 && dev4 && dev6);
}

static void test_point_to_point(void **state)
{
	_cleanup_free_ struct address *addresses = NULL;
	const uint8_t local[16] = {10, 9, 0, 1};
	bool found = false;
	size_t n;

	(void)state;
	/* IFA_ADDRESS is the peer's here. */
	world_run("ip -n blue addr add 10.9.0.1 peer 10.9.0.2 dev d0");
	assert_int_equal(facts_addresses(&blue, &addresses, &n), 0);
	for (size_t i = 0; i < n; i++)
		found |= addresses[i].family == 4 && !memcmp(addresses[i].addr, local, 16);
	assert_true(found);
}

/* Adds and deletes one address for ever, while others look. */
static void flap(void *data)
{
	int saved;

	(void)data;
	if (netns_enter(&blue, &saved) < 0)
		_exit(1);
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl("/bin/sh", "sh", "-c",
	      "while ip addr add 10.8.0.1/32 dev d0 && ip addr del 10.8.0.1/32 dev d0; do :; done",
	      NULL);
	_exit(1);
}

static void assert_all_once(const struct address *addresses, size_t n)
{
	unsigned int seen[2048] = {0};

	for (size_t i = 0; i < n; i++) {
		const uint8_t *a = addresses[i].addr;

		if (addresses[i].family == 4 && a[0] == 10 && a[1] == 7)
			seen[a[2] * 256 + a[3]]++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		assert_int_equal(seen[i], 1);
}

/*
 * A dump of many messages that a change interrupts shows some addresses twice
 * or not at all; what comes out here is whole or -EBUSY.
 */
static void test_interrupted(void **state)
{
	size_t whole = 0;
	pid_t pid;

	(void)state;
	world_run("for i in $(seq 0 7); do for j in $(seq 0 255); do "
		  "echo addr add 10.7.$i.$j/32 dev d0; done; done | ip -n blue -batch -");
	pid = world_child(flap, NULL);
	for (int i = 0; i < 200; i++) {
		_cleanup_free_ struct address *addresses = NULL;
		size_t n;
		const int r = facts_addresses(&blue, &addresses, &n);

		assert_true(r == 0 || r == -EBUSY);
		if (r < 0)
			continue;
		assert_all_once(addresses, n);
		whole++;
	}
	assert_true(whole > 0);
	world_end_child(pid);
	world_run("ip -n blue link del d0");
}

static void test_ifindex(void **state)
{
	(void)state;
	assert_int_equal(facts_ifindex(&own, "lo"), 1);
	assert_int_equal(facts_ifindex(&own, "d0"), 0);
	assert_true(facts_ifindex(&blue, "d0") > 1);
	assert_int_equal(facts_ifindex(&blue, "d0:1"), 0);
	assert_int_equal(facts_ifindex(&blue, ""), 0);
	assert_int_equal(facts_ifindex(&blue, "a-name-longer-than-fifteen"), 0);
}

static void test_port_range(void **state)
{
	uint16_t lo, hi;

	(void)state;
	/* This namespace's, which nobody else has. */
	world_run("ip netns exec blue sh -c "
		  "'echo 40000 50000 >/proc/sys/net/ipv4/ip_local_port_range'");
	assert_int_equal(facts_port_range(&blue, &lo, &hi), 0);
	assert_int_equal(lo, 40000);
	assert_int_equal(hi, 50000);
	assert_int_equal(facts_port_range(&own, &lo, &hi), 0);
	assert_int_equal(lo, 32768);
	assert_int_equal(hi, 60999);
}

static void test_no_leaks(void **state)
{
	const size_t before = world_count_fds();

	test_listeners(state);
	test_connected(state);
	test_ifindex(state);
	test_port_range(state);
	test_addresses(state);
	assert_int_equal(world_count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listeners),      cmocka_unit_test(test_listeners_of_other),
		cmocka_unit_test(test_many_listeners), cmocka_unit_test(test_connected),
		cmocka_unit_test(test_local_prefixes), cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_point_to_point), cmocka_unit_test(test_ifindex),
		cmocka_unit_test(test_port_range),     cmocka_unit_test(test_no_leaks),
		cmocka_unit_test(test_interrupted),
	};

	if (!world_enter())
		return 0;
	world_add_netns("blue");
	if (netns_open(&own, NULL, NULL) < 0 || netns_open(&blue, "blue", NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
