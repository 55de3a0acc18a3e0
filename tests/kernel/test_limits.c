// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* As much as there can be, and one more: refused, with nothing lost and nothing leaked. */
#include "api.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "members.h"
#include "traffic.h"

#define V4 "192.0.2.77"
/* A large service's sockets, each at an address of its own. */
#define SOCKETS 10000

/* ---- what must not grow ---- */

struct inventory {
	size_t fds, pins;
};

static struct inventory count(void)
{
	struct inventory n = { .fds = world_count_fds() };
	struct anybind_status *status;
	DIR *dir;

	assert_int_equal(anybind_status(a, &status, NULL), 0);
	dir = opendir(status->path);
	assert_non_null(dir);
	while (readdir(dir))
		n.pins++;
	closedir(dir);
	anybind_status_free(status);
	return n;
}

static void assert_same(struct inventory before)
{
	struct inventory now = count();

	assert_int_equal(now.fds, before.fds);
	assert_int_equal(now.pins, before.pins);
}

/* ---- sockets ---- */

static const struct anybind_register_options adding = { .size = sizeof(adding), .add = true };

static int try_register(const char *service, int fd,
			const struct anybind_register_options *options,
			struct anybind_report *report)
{
	struct anybind_sockets *sockets;
	int r;

	assert_int_equal(anybind_sockets_of_fds(a, &sockets, &fd, 1, NULL), 0);
	r = anybind_register(a, service, sockets, options, report);
	anybind_sockets_free(sockets);
	return r;
}

static void expect_full(const char *service, int fd, const struct anybind_register_options *options,
			int code, const char *limit)
{
	struct anybind_report *report = anybind_report_new();

	assert_int_equal(try_register(service, fd, options, report), code);
	world_assert_message(report, 0, "more than", limit, NULL);
	assert_non_null(anybind_report_get(report, 0)->hint);
	anybind_report_free(report);
}

static void expect_live(const char *service, size_t n)
{
	struct anybind_services *services;
	size_t live = 0, all = 0;

	assert_int_equal(anybind_services(a, &services, NULL), 0);
	for (size_t i = 0; i < anybind_services_count(services); i++) {
		const struct anybind_service_info *info = anybind_services_get(services, i);

		if (strcmp(info->name, service))
			continue;
		all = info->n_sockets;
		for (size_t j = 0; j < info->n_sockets; j++)
			live += info->sockets[j].state == ANYBIND_SOCKET_LIVE;
	}
	anybind_services_free(services);
	assert_int_equal(live, n);
	assert_int_equal(all, n);
}

static void open_sockets(int fds[SOCKETS])
{
	for (unsigned int i = 0; i < SOCKETS; i++) {
		char where[32];

		snprintf(where, sizeof(where), "127.1.%u.%u:80", i / 250, 1 + i % 250);
		fds[i] = world_socket(IPPROTO_UDP, where, 0);
	}
}

static void close_sockets(const int fds[SOCKETS])
{
	for (unsigned int i = 0; i < SOCKETS; i++)
		close(fds[i]);
}

/*
 * Makes @service, which has no socket, one of @n members, as that many
 * registrations would, each of which builds the group anew. The @n_fds
 * sockets in turn: the kernel takes one into any number of slots.
 */
static void fill(const char *service, size_t n, const int *fds, size_t n_fds)
{
	struct current current = CURRENT_NONE;
	struct members members = { 0 };
	struct registry registry;
	struct pool pool;
	int id;

	assert_int_equal(anybind_begin(a, NULL), 0);
	assert_int_equal(dispatcher_read(a, &current, NULL), 0);
	assert_int_equal(registry_open(&registry, &current.maps, false), 0);
	id = registry_find(&registry, service);
	assert_true(id >= 0);
	assert_int_equal(pool_open(&pool, &a->state, &registry), 0);
	for (size_t i = 0; i < n; i++) {
		struct member member = { .weight = 1 };
		int fd = fds[i % n_fds];

		assert_int_equal(pool_take(&pool, &member.slot), 0);
		pool.records[member.slot] = (struct slot_record){ .cookie = world_cookie(fd) };
		assert_int_equal(kernel_slot_set(registry.maps.fd[MAP_SOCKETS], member.slot, fd),
				 0);
		assert_int_equal(members_add(&members, &member), 0);
	}
	assert_int_equal(members_publish(&a->state, &registry, SLOT(id, 1, 0), &members), 0);
	members_free(&members);
	pool_close(&pool);
	registry_close(&registry);
	current_close(&current);
	anybind_end(a);
}

/* ---- tests ---- */

static void test_full_pool(void **state)
{
	const struct anybind_register_options heavy = { .size = sizeof(heavy), .weight = 2 };
	_cleanup_close_ int one = world_socket(IPPROTO_UDP, "127.0.0.1:81", 0);
	_cleanup_close_ int two = world_socket(IPPROTO_UDP, "127.0.0.1:82", 0);
	_cleanup_close_ int big = world_socket(IPPROTO_UDP, "127.0.0.1:83", 0);
	struct inventory before;

	(void)state;
	api_apply(a, "bind big udp 192.0.2.0/24 1000\nbind small udp 192.0.2.0/24 1001\n");
	assert_int_equal(try_register("small", one, NULL, NULL), 0); /* has a slot of its own */
	fill("big", SLOTS_POOL, &big, 1);
	expect_live("big", SLOTS_POOL);
	before = count();

	for (unsigned int i = 0; i < 20; i++)
		expect_full("small", two, &adding, -ENOSPC, "65536");
	expect_full("big", two, &adding, -ENOSPC, "65536");
	/* In place of all: it has to be there before the old ones go. */
	expect_full("big", two, &heavy, -ENOSPC, "65536");
	assert_same(before);
	expect_live("big", SLOTS_POOL);
	expect_live("small", 1);
	traffic_expect_arrival(IPPROTO_UDP, V4 ":1000", big);
	traffic_expect_arrival(IPPROTO_UDP, V4 ":1001", one);

	/* A service that is new with it has a slot of its own, and what goes leaves room. */
	assert_int_equal(try_register("new", two, NULL, NULL), 0);
	assert_int_equal(anybind_unregister(a, "big", 0, 0, 0, NULL), SLOTS_POOL);
	assert_int_equal(try_register("small", two, &adding, NULL), 0);
	expect_live("big", 0);
	expect_live("small", 2);
}

/* Of a service with that many one goes and one comes; neither may take long. */
static void test_large_service(void **state)
{
	_cleanup_free_ int *fds = calloc(SOCKETS, sizeof(*fds));
	struct inventory before;
	clock_t start;

	(void)state;
	api_apply(a, "bind big udp 192.0.2.0/24 1000\n");
	open_sockets(fds);
	fill("big", SOCKETS - 1, fds, SOCKETS - 1);
	before = count();
	start = clock();
	assert_int_equal(try_register("big", fds[SOCKETS - 1], &adding, NULL), 0);
	expect_live("big", SOCKETS);
	assert_int_equal(anybind_unregister(a, "big", 0, 0, world_cookie(fds[0]), NULL), 1);
	/* CPU time of all three; what is quadratic takes ten times that. */
	assert_in_range((clock() - start) / (CLOCKS_PER_SEC / 1000), 0, 2000);
	expect_live("big", SOCKETS - 1);
	assert_same(before);
	close_sockets(fds);
	traffic_expect_refusal(IPPROTO_UDP, V4 ":1000"); /* having tried all of them */
}

static void test_full_registry(void **state)
{
	_cleanup_close_ int server = world_socket(IPPROTO_UDP, "127.0.0.1:81", 0);
	_cleanup_free_ char *most = NULL, *rules = NULL, *after = NULL;
	struct inventory before;
	size_t size;
	FILE *text = open_memstream(&most, &size);

	(void)state;
	for (unsigned int i = 0; i < ANYBIND_SERVICES_MAX; i++)
		fprintf(text, "service s%u\n", i);
	fclose(text);
	api_apply(a, most);
	rules = api_rules(a);
	before = count();
	expect_full("new", server, NULL, -E2BIG, "4096");
	expect_full("new", server, &adding, -E2BIG, "4096");
	assert_same(before);
	after = api_rules(a);
	assert_string_equal(after, rules);
	/* Those that are there can have sockets, one of which keeps a service alive without rules. */
	assert_int_equal(try_register("s4095", server, NULL, NULL), 0);
	expect_live("s4095", 1);
	strstr(most, "service s4095\n")[0] = '\0';
	api_apply(a, most);
	expect_full("new", server, NULL, -ENOSPC, "4096");
	expect_live("s4095", 1);
	assert_int_equal(anybind_unregister(a, "s4095", 0, 0, 0, NULL), 1);
	assert_int_equal(try_register("new", server, NULL, NULL), 0);
	expect_live("new", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(test_full_pool),
		API_TEST(test_large_service),
		API_TEST(test_full_registry),
	};
	struct rlimit limit;

	if (!world_enter())
		return 0;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = SOCKETS + 100;
	if (limit.rlim_max < limit.rlim_cur)
		limit.rlim_max = limit.rlim_cur;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
		printf("Bail out! cannot have %d descriptors: %s\n", SOCKETS, strerror(errno));
		return 1;
	}
	api_mount();
	world_run("ip route add local 192.0.2.0/24 dev lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
