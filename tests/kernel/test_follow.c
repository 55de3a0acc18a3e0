// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Services that follow cgroups: who is registered, who gets the flows, what stays behind. */
#include "api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroups.h"
#include "cleanup.h"
#include "dispatcher.h"
#include "facts.h"
#include "follows.h"
#include "kernel_follow.h"
#include "members.h"
#include "sweep.h"
#include "text.h"
#include "traffic.h"

#define V4 "192.0.2.77:1000"
#define V6 "[2001:db8::77]:1000"
#define RULES "bind web tcp,udp 192.0.2.0/24 1000\nbind web tcp,udp 2001:db8::/64 1000\n"

/* ---- words of these tests ---- */

/* What anybind_follow() is asked for; "" for no address. */
static int follow(const char *cgroup, int protocol, const char *endpoint, unsigned int weight,
		  struct anybind_report *report)
{
	struct anybind_follow_options options = {
		.size = sizeof(options), .protocol = protocol, .weight = weight};
	struct sockaddr_storage address;

	if (*endpoint) {
		assert_int_equal(text_endpoint(endpoint, &address), 0);
		options.address = (struct sockaddr *)&address;
	}
	return anybind_follow(a, "web", cgroup, &options, report);
}

static void expect_follow(const char *cgroup, int protocol, const char *endpoint, int want)
{
	struct anybind_report *report = anybind_report_new();
	int r = follow(cgroup, protocol, endpoint, 0, report);

	if (r != want) {
		world_print_report(report);
		fail_msg("follow: %d instead of %d", r, want);
	}
	anybind_report_free(report);
}

static void expect_refusal(const char *cgroup, int protocol, const char *endpoint, int code,
			   const char *text, const char *hint)
{
	struct anybind_report *report = anybind_report_new();

	assert_int_equal(follow(cgroup, protocol, endpoint, 0, report), code);
	world_assert_message(report, 0, text, NULL);
	if (hint)
		world_assert_hint(report, 0, hint, NULL);
	anybind_report_free(report);
}

static char refusal[80]; /* of the follow that was asked for last */

/* The follow of cgroup @name; false: there is none. Texts are gone, but for the refusal. */
static bool info_of(const char *name, struct anybind_follow_info *ret)
{
	struct anybind_services *services;
	bool found = false;

	assert_int_equal(anybind_services(a, &services, NULL), 0);
	for (size_t i = 0; i < anybind_services_count(services); i++) {
		const struct anybind_service_info *info = anybind_services_get(services, i);

		for (size_t k = 0; k < info->n_follows; k++) {
			if (strcmp(info->follows[k].cgroup, cgroups_path(name)))
				continue;
			*ret = info->follows[k];
			snprintf(refusal, sizeof(refusal), "%s",
				 ret->refusal ? ret->refusal : "none");
			found = true;
		}
	}
	anybind_services_free(services);
	return found;
}

static unsigned int sockets_of(const char *name)
{
	struct anybind_follow_info info = {0};

	assert_true(info_of(name, &info));
	return info.sockets;
}

static struct follow read_one(void)
{
	_cleanup_free_ struct follow *follows = NULL;
	size_t n;

	assert_int_equal(follows_read(&a->state, &follows, &n), 0);
	assert_int_equal(n, 1);
	return follows[0];
}

static size_t count_follows(void)
{
	_cleanup_free_ struct follow *follows = NULL;
	size_t n = 0;

	assert_int_equal(follows_read(&a->state, &follows, &n), 0);
	return n;
}

/* Slots of all kinds with a socket in them. */
static unsigned int count_slots(void)
{
	struct current current = CURRENT_NONE;
	unsigned int n = 0;
	uint64_t cookie;

	assert_int_equal(dispatcher_read(a, &current, NULL), 0);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		n += !kernel_slot_cookie(current.maps.fd[MAP_SOCKETS], slot, &cookie);
	current_close(&current);
	return n;
}

/* ---- who is registered ---- */

static void test_at_listen(void **state)
{
	static const struct {
		const char *bound, *asked;
	} families[] = {{"127.0.0.1:80", V4}, {"[::1]:80", V6}};

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		_cleanup_close_ int server = -1;

		traffic_expect_refusal(IPPROTO_TCP, families[i].asked);
		server = cgroups_socket("a", IPPROTO_TCP, families[i].bound, 0);
		traffic_expect_arrival(IPPROTO_TCP, families[i].asked, server);
		assert_int_equal(sockets_of("a"), 1);
		close(take_fd(&server));
		traffic_expect_refusal(IPPROTO_TCP, families[i].asked);
		/* It starts again, and again. */
		for (unsigned int again = 0; again < 3 * WINDOW_SLOTS; again++)
			close(cgroups_socket("a", IPPROTO_TCP, families[i].bound, 0));
		server = cgroups_socket("a", IPPROTO_TCP, families[i].bound, 0);
		traffic_expect_arrival(IPPROTO_TCP, families[i].asked, server);
	}
}

static void test_only_of_the_cgroup(void **state)
{
	_cleanup_close_ int outside = -1, below = -1, foreign = -1, own = -1;

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	cgroups_make("b");
	cgroups_make("a/below");
	outside = cgroups_socket("b", IPPROTO_TCP, "127.0.0.1:80", 0);
	assert_int_equal(sockets_of("a"), 0);
	traffic_expect_refusal(IPPROTO_TCP, V4);

	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	world_run("ip netns add other && ip -n other link set lo up");
	cgroups_enter("a");
	{
		_cleanup_close_ int other = open("/run/netns/other", O_RDONLY | O_CLOEXEC);

		assert_int_equal(setns(other, 0), 0);
		foreign = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
		assert_int_equal(setns(own, 0), 0);
	}
	cgroups_enter(NULL);
	assert_int_equal(sockets_of("a"), 0);
	world_run("ip netns del other");

	below = cgroups_socket("a/below", IPPROTO_TCP, "127.0.0.1:81", 0);
	assert_int_equal(sockets_of("a"), 1);
	traffic_expect_arrival(IPPROTO_TCP, V4, below);
}

/* The cgroup that counts is the one in which the socket was made, and when it listens. */
static void test_made_here_and_listens_there(void **state)
{
	_cleanup_close_ int made = -1, other = -1;

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	made = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", WORLD_NO_LISTEN);
	other = world_socket(IPPROTO_TCP, "127.0.0.1:81", WORLD_NO_LISTEN);
	assert_int_equal(sockets_of("a"), 0);
	cgroups_enter("a");
	assert_int_equal(listen(other, 8), 0);
	cgroups_enter(NULL);
	assert_int_equal(sockets_of("a"), 0);
	assert_int_equal(listen(made, 8), 0);
	assert_int_equal(sockets_of("a"), 1);
	traffic_expect_arrival(IPPROTO_TCP, V4, made);
}

static void test_listens_again(void **state)
{
	_cleanup_close_ int server = -1;

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	server = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	assert_int_equal(listen(server, 100), 0);
	assert_int_equal(sockets_of("a"), 1);
	for (unsigned int i = 0; i < 3; i++) {
		traffic_expect_arrival(IPPROTO_TCP, V4, server);
		assert_int_equal(shutdown(server, SHUT_RDWR), 0);
		traffic_expect_refusal(IPPROTO_TCP, V4);
		traffic_expect_refusal(IPPROTO_TCP, V4);
		assert_int_equal(listen(server, 8), 0);
		assert_int_equal(sockets_of("a"), 1);
	}
	traffic_expect_arrival(IPPROTO_TCP, V4, server);
}

static void test_address(void **state)
{
	_cleanup_close_ int other_port = -1, other_address = -1, v6 = -1, meant = -1, mapped = -1;

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "127.0.0.2:80", 0);
	other_port = cgroups_socket("a", IPPROTO_TCP, "127.0.0.2:81", 0);
	other_address = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	v6 = cgroups_socket("a", IPPROTO_TCP, "[::1]:80", 0);
	assert_int_equal(sockets_of("a"), 0);
	meant = cgroups_socket("a", IPPROTO_TCP, "127.0.0.2:80", 0);
	assert_int_equal(sockets_of("a"), 1);
	traffic_expect_arrival(IPPROTO_TCP, V4, meant);
	close(take_fd(&meant));
	/* As Java and others bind an IPv4 address. */
	mapped = cgroups_socket("a", IPPROTO_TCP, "[::ffff:127.0.0.2]:80", 0);
	assert_int_equal(sockets_of("a"), 1);
	traffic_expect_arrival(IPPROTO_TCP, V4, mapped);
	assert_int_equal(anybind_unfollow(a, "web", NULL, NULL, NULL), 1);

	expect_follow(cgroups_path("a"), IPPROTO_TCP, "[::1]:80", 1);
	traffic_expect_arrival(IPPROTO_TCP, V6, v6);
	traffic_expect_refusal(IPPROTO_TCP, V4);
}

/* ---- those that are there already ---- */

static void test_sweep(void **state)
{
	_cleanup_close_ int tcp4 = -1, tcp6 = -1, udp4 = -1, udp6 = -1, client = -1, late = -1;
	struct anybind_follow_info info = {0};

	(void)state;
	cgroups_make("a");
	cgroups_make("a/below");
	tcp4 = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	tcp6 = cgroups_socket("a/below", IPPROTO_TCP, "[::1]:80", 0);
	udp4 = cgroups_socket("a", IPPROTO_UDP, "127.0.0.1:53", 0);
	udp6 = cgroups_socket("a/below", IPPROTO_UDP, "[::1]:53", 0);
	client = cgroups_socket("a", IPPROTO_UDP, "127.0.0.1:40000", 0);
	expect_follow(cgroups_path("a"), 0, "", 4);
	traffic_expect_arrival(IPPROTO_TCP, V4, tcp4);
	traffic_expect_arrival(IPPROTO_TCP, V6, tcp6);
	traffic_expect_arrival(IPPROTO_UDP, V4, udp4);
	traffic_expect_arrival(IPPROTO_UDP, V6, udp6);

	/* A UDP socket that comes later is seen, and registered when asked for. */
	close(take_fd(&udp4));
	traffic_expect_refusal(IPPROTO_UDP, V4);
	late = cgroups_socket("a", IPPROTO_UDP, "127.0.0.1:53", 0);
	traffic_expect_refusal(IPPROTO_UDP, V4);
	assert_true(info_of("a", &info));
	assert_int_equal(info.unregistered, 1);
	expect_follow(cgroups_path("a"), 0, "", 4);
	traffic_expect_arrival(IPPROTO_UDP, V4, late);
	assert_true(info_of("a", &info));
	assert_int_equal(info.unregistered, 0);
	assert_int_equal(count_follows(), 1);
}

/* By its address even a port of the range for clients. */
static void test_sweep_by_address(void **state)
{
	_cleanup_close_ int meant = -1, other = -1;

	(void)state;
	cgroups_make("a");
	meant = cgroups_socket("a", IPPROTO_UDP, "127.0.0.1:40000", 0);
	other = cgroups_socket("a", IPPROTO_UDP, "127.0.0.1:40001", 0);
	expect_follow(cgroups_path("a"), IPPROTO_UDP, "127.0.0.1:40000", 1);
	traffic_expect_arrival(IPPROTO_UDP, V4, meant);
}

/* Where the kernel does not let TCP sockets be walked. */
static void test_sweep_by_descriptors(void **state)
{
	_cleanup_close_ int server = -1;
	_cleanup_free_ struct listener *found = NULL;
	struct current current = CURRENT_NONE;
	struct registry registry;
	struct follow one;
	struct pool pool;
	size_t n;

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	server = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	assert_int_equal(anybind_unregister(a, "web", 0, 0, 0, NULL), 1);
	traffic_expect_refusal(IPPROTO_TCP, V4);

	one = read_one();
	assert_int_equal(dispatcher_read(a, &current, NULL), 0);
	assert_int_equal(registry_open(&registry, &current.maps, false), 0);
	assert_int_equal(pool_open(&pool, &a->state, &registry), 0);
	assert_int_equal(sweep_find(&a->ns, &one.state, &found, &n, NULL), 0);
	assert_int_equal(n, 1);
	const struct sweep sweep = {&a->ns, &registry, &pool, &one.state, true};

	assert_int_equal(sweep_insert(&sweep, found, n, NULL), 0);
	assert_int_equal(sweep_insert(&sweep, found, n, NULL), 0);
	assert_int_equal(sockets_of("a"), 1);
	traffic_expect_arrival(IPPROTO_TCP, V4, server);

	/* Closed between looking and taking, and its number is another's by now. */
	found[0].cookie++;
	assert_int_equal(anybind_unregister(a, "web", 0, 0, 0, NULL), 1);
	assert_int_equal(sweep_insert(&sweep, found, n, NULL), 0);
	assert_int_equal(sockets_of("a"), 0);
	pool_close(&pool);
	registry_close(&registry);
	current_close(&current);
}

static void test_mptcp(void **state)
{
	_cleanup_close_ int early = -1, late = -1, plain = -1;
	struct anybind_report *report = anybind_report_new();
	struct anybind_follow_info info = {0};

	(void)state;
	cgroups_make("a");
	cgroups_enter("a");
	early = world_socket_of_type(SOCK_STREAM, IPPROTO_MPTCP, "127.0.0.1:80", 0);
	assert_int_equal(follow(cgroups_path("a"), IPPROTO_TCP, "", 0, report), 0);
	world_assert_message(report, 0, "tcp 127.0.0.1:80 cannot be registered", "MPTCP", NULL);
	world_assert_hint(report, 0, "multipathtcp=0", NULL);
	late = world_socket_of_type(SOCK_STREAM, IPPROTO_MPTCP, "127.0.0.1:81", 0);
	cgroups_enter(NULL);
	assert_true(info_of("a", &info));
	assert_int_equal(info.sockets, 0);
	assert_int_equal(info.refused, 1);
	assert_string_equal(refusal, "the kernel takes no MPTCP socket");
	plain = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:82", 0);
	traffic_expect_arrival(IPPROTO_TCP, V4, plain);
	anybind_report_free(report);
}

/* ---- who gets the flows ---- */

static void test_takes_over(void **state)
{
	int fds[6];

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		char endpoint[32];

		snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%zu", 80 + i);
		fds[i] = cgroups_socket("a", IPPROTO_TCP, endpoint, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		/* All flows go to one, the first that is left. */
		for (unsigned int flows = 0; flows < 5; flows++)
			traffic_expect_arrival(IPPROTO_TCP, V4, fds[i]);
		close(fds[i]);
	}
	traffic_expect_refusal(IPPROTO_TCP, V4);
}

static void test_more_than_there_is_room_for(void **state)
{
	enum { MANY = 3 * WINDOW_SLOTS };
	static int fds[MANY];
	struct anybind_follow_info info = {0};

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	for (size_t i = 0; i < MANY; i++)
		fds[i] = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", WORLD_REUSEPORT);
	assert_true(info_of("a", &info));
	assert_int_equal(info.sockets, WINDOW_SLOTS);
	assert_int_equal(info.crowded_out, MANY - WINDOW_SLOTS);
	assert_int_equal(info.registered, MANY);
	/* The old ones go, the newest stay, as when a server is replaced… */
	for (size_t i = 0; i < MANY - 8; i++)
		close(fds[i]);
	for (size_t i = MANY - 8; i < MANY - 1; i++)
		close(fds[i]);
	traffic_expect_arrival(IPPROTO_TCP, V4, fds[MANY - 1]);
	close(fds[MANY - 1]);
	traffic_expect_refusal(IPPROTO_TCP, V4);
	/* …or the last ones, as when it takes back what a peak needed. */
	for (size_t i = 0; i < MANY; i++)
		fds[i] = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", WORLD_REUSEPORT);
	for (size_t i = MANY - 1; i; i--)
		close(fds[i]);
	traffic_expect_arrival(IPPROTO_TCP, V4, fds[0]);
	close(fds[0]);
}

/* A socket that takes one family's packets is none for the other's, and that is remembered. */
static void test_families(void **state)
{
	_cleanup_close_ int only = -1, both = -1, v4 = -1;

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	only = cgroups_socket("a", IPPROTO_TCP, "[::]:80", WORLD_V6ONLY);
	for (unsigned int i = 0; i < 3; i++) {
		traffic_expect_refusal(IPPROTO_TCP, V4);
		traffic_expect_arrival(IPPROTO_TCP, V6, only);
	}
	api_expect_counters(a, "web",
			    &(struct anybind_counters){.steered = 3, .eafnosupport = 3});
	both = cgroups_socket("a", IPPROTO_TCP, "[::]:81", 0);
	traffic_expect_arrival(IPPROTO_TCP, V4, both);
	traffic_expect_arrival(IPPROTO_TCP, V6, only);
	v4 = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	traffic_expect_arrival(IPPROTO_TCP, V4, v4);
	close(take_fd(&only));
	traffic_expect_arrival(IPPROTO_TCP, V6, both);
	close(take_fd(&v4));
	traffic_expect_arrival(IPPROTO_TCP, V4, both);
}

static void test_two_cgroups_and_another(void **state)
{
	_cleanup_close_ int one = -1, two = -1, other = -1;
	const struct anybind_register_options add = {
		.size = sizeof(add), .add = true, .weight = 2};
	const struct anybind_register_options beside = {.size = sizeof(beside), .add = true};
	struct anybind_follow_info info = {0};
	struct anybind_sockets *sockets;

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	expect_follow(cgroups_make("b"), IPPROTO_TCP, "", 0);
	one = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	two = cgroups_socket("b", IPPROTO_TCP, "127.0.0.1:81", 0);
	other = world_socket(IPPROTO_TCP, "127.0.0.1:82", 0);
	api_expect_register(a, "web", other, -EBUSY, "the service follows a cgroup");
	assert_int_equal(anybind_sockets_of_fds(a, &sockets, &other, 1, NULL), 0);
	assert_int_equal(anybind_register(a, "web", sockets, &add, NULL), 0);
	anybind_sockets_free(sockets);

	/* Drained one after the other. */
	assert_true(follow(cgroups_path("a"), IPPROTO_TCP, "", 5, NULL) >= 0);
	assert_true(info_of("a", &info));
	assert_int_equal(info.weight, 5);
	const struct anybind_follow_options drain = {
		.size = sizeof(drain), .protocol = IPPROTO_TCP, .drain = true};

	assert_int_equal(anybind_follow(a, "web", cgroups_path("a"), &drain, NULL), 1);
	assert_int_equal(anybind_unregister(a, "web", 0, 0, world_cookie(other), NULL), 1);
	for (unsigned int i = 0; i < 10; i++)
		traffic_expect_arrival(IPPROTO_TCP, V4, two);
	close(take_fd(&two));
	traffic_expect_refusal(IPPROTO_TCP, V4);
	assert_int_equal(follow(cgroups_path("a"), IPPROTO_TCP, "", 1, NULL), 1);
	traffic_expect_arrival(IPPROTO_TCP, V4, one);

	/* A followed socket is there already; its weight is the follow's. */
	assert_int_equal(anybind_sockets_of_fds(a, &sockets, &one, 1, NULL), 0);
	assert_int_equal(anybind_register(a, "web", sockets, &beside, NULL), 0);
	assert_int_equal(anybind_register(a, "web", sockets, &add, NULL), -EBUSY);
	anybind_sockets_free(sockets);
	assert_int_equal(count_slots(), 1);
}

/* Registered by hand before: the follow has it now, once. */
static void test_takes_sockets_over(void **state)
{
	_cleanup_close_ int followed = -1, other = -1;
	const struct anybind_register_options add = {.size = sizeof(add), .add = true};
	struct anybind_sockets *sockets;

	(void)state;
	cgroups_make("a");
	followed = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	other = world_socket(IPPROTO_TCP, "127.0.0.1:81", 0);
	api_register(a, "web", followed);
	assert_int_equal(anybind_sockets_of_fds(a, &sockets, &other, 1, NULL), 0);
	assert_int_equal(anybind_register(a, "web", sockets, &add, NULL), 0);
	anybind_sockets_free(sockets);
	assert_int_equal(count_slots(), 2);
	expect_follow(cgroups_path("a"), IPPROTO_TCP, "", 1);
	assert_int_equal(count_slots(), 2);
	assert_int_equal(anybind_unfollow(a, "web", NULL, NULL, NULL), 1);
	assert_int_equal(count_slots(), 1);
	for (unsigned int i = 0; i < 10; i++)
		traffic_expect_arrival(IPPROTO_TCP, V4, other);
}

static void test_unregister(void **state)
{
	_cleanup_close_ int one = -1, two = -1;
	struct anybind_report *report = anybind_report_new();

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	one = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	assert_int_equal(anybind_unregister(a, "web", 0, 0, 0, report), 1);
	world_assert_message(report, 0, "still follows a cgroup", NULL);
	anybind_report_free(report);
	traffic_expect_refusal(IPPROTO_TCP, V4);
	assert_int_equal(anybind_unregister(a, "web", 0, 0, 0, NULL), -ENOENT);
	two = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:81", 0);
	traffic_expect_arrival(IPPROTO_TCP, V4, two);
	/* It listens once more. */
	assert_int_equal(shutdown(one, SHUT_RDWR), 0);
	assert_int_equal(listen(one, 8), 0);
	assert_int_equal(sockets_of("a"), 2);
}

/* ---- what cannot be ---- */

static void test_refusals(void **state)
{
	_cleanup_close_ int one = -1, two = -1;
	size_t fds = world_count_fds();

	(void)state;
	cgroups_make("a");
	cgroups_make("a/below");
	expect_refusal("/run", IPPROTO_TCP, "", -EINVAL, "/run is not a cgroup", "version 2");
	expect_refusal("/no/such", IPPROTO_TCP, "", -ENOENT, "no cgroup /no/such", "ExecStartPre=");
	expect_refusal(CGROUPS "/no-such", IPPROTO_TCP, "", -ENOENT, "no cgroup", NULL);
	assert_int_equal(anybind_unfollow(a, "web", NULL, NULL, NULL), -ENOENT);
	assert_int_equal(anybind_follow(a, "no name", cgroups_path("a"), NULL, NULL), -EINVAL);
	one = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	two = cgroups_socket("a", IPPROTO_TCP, "[::1]:443", 0);
	expect_refusal(cgroups_path("a"), IPPROTO_TCP, "", -ENOTUNIQ, "several ports",
		       "tcp [::1]:443");
	assert_int_equal(count_follows(), 0);
	expect_follow(cgroups_path("a"), IPPROTO_TCP, "127.0.0.1:80", 1);
	/* Another address of the same cgroup is another follow; all of it is not. */
	expect_follow(cgroups_path("a"), IPPROTO_TCP, "[::1]:443", 1);
	expect_refusal(cgroups_path("a/below"), IPPROTO_TCP, "", -EEXIST, "could be of both",
		       "unfollow");
	assert_int_equal(count_follows(), 2);
	close(take_fd(&one));
	close(take_fd(&two));
	assert_int_equal(world_count_fds(), fds);
}

/* In a mount namespace without one. */
static void test_no_hierarchy(void **state)
{
	pid_t child;
	int status;

	(void)state;
	child = fork();
	if (!child) {
		struct anybind_report *report = anybind_report_new();

		if (unshare(CLONE_NEWNS) ||
		    system("sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\([^ ]*\\) .* - cgroup2 .*/\\1/p' "
			   "/proc/self/mountinfo | xargs -n 1 umount -l"))
			_exit(2);
		_exit(follow("/a", IPPROTO_TCP, "", 0, report) != -ENOTSUP ||
		      !strstr(anybind_report_get(report, 0)->text, "no cgroup v2 hierarchy"));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* ---- what stays behind ---- */

static void test_cgroup_is_gone(void **state)
{
	_cleanup_close_ int server = -1;
	struct anybind_follow_info info = {0};
	struct anybind_status *status;

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	server = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	/* Nobody is in it, but its socket lives on. */
	cgroups_remove("a");
	traffic_expect_arrival(IPPROTO_TCP, V4, server);
	assert_true(info_of("a", &info));
	assert_false(info.alive);
	assert_int_equal(info.sockets, 1);
	assert_int_equal(anybind_status(a, &status, NULL), 0);
	assert_true(status->follows == 1 && status->follows_gone == 1);
	anybind_status_free(status);

	/* Another one of that path: both, as long as the old one has sockets. */
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	assert_int_equal(count_follows(), 2);
	traffic_expect_arrival(IPPROTO_TCP, V4, server);
	close(take_fd(&server));
	cgroups_remove("a");
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	assert_int_equal(count_follows(), 1);
	server = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	traffic_expect_arrival(IPPROTO_TCP, V4, server);
}

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

static void test_service_without_rules(void **state)
{
	_cleanup_close_ int server = -1;
	int id;

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	id = id_of("web");
	api_apply(a, "service other\n");
	assert_int_equal(id_of("web"), id);
	assert_true(api_counters(a, "web", NULL));
	api_apply(a, RULES);
	assert_int_equal(id_of("web"), id);
	server = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	traffic_expect_arrival(IPPROTO_TCP, V4, server);
	/* Once the cgroup and the socket are gone, so are they. */
	cgroups_remove("a");
	api_apply(a, "service other\n");
	assert_int_equal(id_of("web"), id);
	close(take_fd(&server));
	api_apply(a, "service another\n");
	assert_int_equal(id_of("web"), -ENOENT);
	assert_int_equal(count_follows(), 0);
}

/* A writer may be killed between any two of its steps. */
static void test_litter(void **state)
{
	struct current current = CURRENT_NONE;
	struct registry registry;
	struct members members;
	struct follow_state made;
	int program, map, id;
	uint32_t folder, own;
	struct pool pool;

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	made = read_one().state;
	assert_int_equal(anybind_unfollow(a, "web", NULL, NULL, NULL), 1);
	id = id_of("web");
	own = SLOT(id, 0, 0);
	for (unsigned int step = 0; step < 3; step++) {
		struct member window = {.weight = 1, .window = true};

		assert_int_equal(dispatcher_read(a, &current, NULL), 0);
		assert_int_equal(registry_open(&registry, &current.maps, false), 0);
		assert_int_equal(pool_open(&pool, &a->state, &registry), 0);
		memset(made.window, 0, sizeof(made.window));
		assert_int_equal(window_take(&pool, &registry, &window.slot), 0);
		made.window[FOLLOW_TCP] = window.slot;
		if (step == 0) { /* an empty folder */
			world_run("mkdir %s/f4000000000", a->state.path);
		} else {
			assert_int_equal(kernel_follow_load(&made, &current.maps, &program, &map, NULL), 0);
			assert_int_equal(state_prepare_follow(&a->state, map, &folder), 0);
			close(program);
			close(map);
		}
		if (step == 2) {
			assert_int_equal(members_read(&a->state, &registry, own, &members), 0);
			assert_int_equal(members_add(&members, &window), 0);
			assert_int_equal(members_publish(&a->state, &registry, own, &members), 0);
			members_free(&members);
		}
		pool_close(&pool);
		registry_close(&registry);
		current_close(&current);
		assert_false(step && !count_follows());
		/* Not in force, so not shown; and undone by whoever writes next. */
		struct anybind_follow_info info;

		assert_false(info_of("a", &info));
		assert_int_equal(anybind_begin(a, NULL), 0);
		anybind_end(a);
		assert_int_equal(count_follows(), 0);
		assert_int_equal(dispatcher_read(a, &current, NULL), 0);
		assert_int_equal(registry_open(&registry, &current.maps, false), 0);
		assert_int_equal(members_read(&a->state, &registry, own, &members), 0);
		assert_int_equal(members.n, 0);
		members_free(&members);
		registry_close(&registry);
		current_close(&current);
		world_run("test -z \"$(ls -d %s/f* 2>/dev/null)\"", a->state.path);
	}
}

/* Killed while it ended a follow. */
static void test_litter_of_the_end(void **state)
{
	_cleanup_close_ int server = -1;

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	server = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	state_end_follow(&a->state, read_one().id);
	/* Ended it has; the socket goes with the litter. */
	close(cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:81", 0));
	assert_int_equal(count_slots(), 1);
	assert_int_equal(anybind_begin(a, NULL), 0);
	anybind_end(a);
	assert_int_equal(count_slots(), 0);
	traffic_expect_refusal(IPPROTO_TCP, V4);
}

static void test_unload(void **state)
{
	_cleanup_close_ int server = -1;
	size_t fds = world_count_fds();

	(void)state;
	expect_follow(cgroups_make("a"), IPPROTO_TCP, "", 0);
	server = cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:80", 0);
	assert_int_equal(anybind_unload(a, NULL), 0);
	world_run("test -z \"$(ls " API_BPFFS "/anybind)\"");
	api_apply(a, RULES);
	assert_int_equal(count_follows(), 0);
	traffic_expect_refusal(IPPROTO_TCP, V4);
	close(cgroups_socket("a", IPPROTO_TCP, "127.0.0.1:81", 0));
	assert_int_equal(count_slots(), 0);
	close(take_fd(&server));
	assert_int_equal(world_count_fds(), fds);
}

/* The kernel takes a namespace down in its own time; then its end of a veth pair goes, too. */
static void wait_for_end_of(const char *netns)
{
	const struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	_cleanup_close_ int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const struct timeval deadline = {.tv_sec = 60};
	struct nlmsghdr messages[1024];
	bool gone = false;

	world_run("ip link add v0 type veth peer name v1 netns %s", netns);
	assert_int_equal(bind(netlink, (const struct sockaddr *)&group, sizeof(group)), 0);
	setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	world_run("ip netns del %s", netns);
	while (!gone) {
		ssize_t n = recv(netlink, messages, sizeof(messages), 0);

		assert_true(n > 0);
		for (struct nlmsghdr *m = messages; NLMSG_OK(m, n); m = NLMSG_NEXT(m, n))
			gone |= m->nlmsg_type == RTM_DELLINK;
	}
}

/* Nobody else would ever clear it; the program must not go on running. */
static void test_namespace_is_gone(void **state)
{
	struct anybind *other;

	(void)state;
	cgroups_make("a");
	world_add_netns("blue");
	other = api_open("blue");
	assert_int_equal(anybind_follow(other, "web", cgroups_path("a"), NULL, NULL), 0);
	world_run("test -d %s/f*", other->state.path);
	anybind_close(other);
	wait_for_end_of("blue");
	assert_int_equal(anybind_begin(a, NULL), 0);
	anybind_end(a);
	world_run("test $(ls " API_BPFFS "/anybind | wc -l) = 1");
}

/* Windows are given back: many more follows than there could be at once. */
static void test_windows_are_given_back(void **state)
{
	(void)state;
	cgroups_make("a");
	for (unsigned int i = 0; i < 20; i++) {
		expect_follow(cgroups_path("a"), 0, "", 0);
		assert_int_equal(read_one().state.window[FOLLOW_TCP], SLOTS - WINDOW_SLOTS);
		assert_int_equal(anybind_unfollow(a, "web", cgroups_path("a"), NULL, NULL), 1);
	}
	assert_int_equal(count_slots(), 0);
}

static int fresh(void **state)
{
	api_setup(state);
	api_apply(a, RULES);
	return 0;
}

static int done(void **state)
{
	api_teardown(state);
	cgroups_clear();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_at_listen),
		TEST(test_only_of_the_cgroup),
		TEST(test_made_here_and_listens_there),
		TEST(test_listens_again),
		TEST(test_address),
		TEST(test_sweep),
		TEST(test_sweep_by_address),
		TEST(test_sweep_by_descriptors),
		TEST(test_mptcp),
		TEST(test_takes_over),
		TEST(test_more_than_there_is_room_for),
		TEST(test_families),
		TEST(test_two_cgroups_and_another),
		TEST(test_takes_sockets_over),
		TEST(test_unregister),
		TEST(test_refusals),
		TEST(test_no_hierarchy),
		TEST(test_cgroup_is_gone),
		TEST(test_service_without_rules),
		TEST(test_litter),
		TEST(test_litter_of_the_end),
		TEST(test_unload),
		TEST(test_namespace_is_gone),
		TEST(test_windows_are_given_back),
	};

	if (!world_enter())
		return 0;
	api_mount();
	cgroups_mount();
	world_run("sysctl -qw net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratelimit=0 && "
		  "ip route add local 192.0.2.0/24 dev lo && "
		  "ip -6 route add local 2001:db8::/64 dev lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
