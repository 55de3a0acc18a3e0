// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What is kept in the bpffs, over changes, kills and other versions. */
#include "api.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "random_rules.h"
#include "table.h"

static struct anybind_status *status_of(struct anybind *anybind)
{
	struct anybind_status *status;

	assert_int_equal(anybind_status(anybind, &status, NULL), 0);
	return status;
}

/* ---- the folder ---- */

static unsigned int n_files, n_folders;

static int look_at(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_D) {
		n_folders++;
		if ((st->st_mode & 07777) != 0700)
			fail_msg("%s: mode %o", path, st->st_mode);
	} else {
		n_files++;
		if ((st->st_mode & 07777) != 0600)
			fail_msg("%s: mode %o", path, st->st_mode);
	}
	return 0;
}

/* Exactly what one dispatcher has, with the modes that are its only protection. */
static void expect_tidy(void)
{
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%s/anybind", API_BPFFS);
	n_files = n_folders = 0;
	assert_int_equal(nftw(parent, look_at, 8, FTW_PHYS), 0);
	assert_int_equal(n_folders, 3); /* anybind, COOKIE, gID */
	assert_int_equal(n_files, 9);	/* link, six maps, program, table */
}

static void expect_nothing(void)
{
	struct stat st;

	assert_int_equal(stat(a->state.path, &st), -1);
	assert_int_equal(errno, ENOENT);
}

static void test_load_and_unload(void **state)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_status *status = status_of(a);
	struct anybind_ruleset *rs;

	(void)state;
	assert_false(status->loaded);
	anybind_status_free(status);
	assert_int_equal(anybind_rules(a, &rs, report), -ENOENT);
	world_assert_message(report, 0, "no dispatcher is loaded in this namespace", NULL);
	anybind_report_free(report);
	assert_int_equal(anybind_unload(a, NULL), 1);
	expect_nothing();
	assert_int_equal(anybind_load(a, NULL), 0);
	expect_tidy();
	assert_int_equal(anybind_load(a, NULL), 1);
	status = status_of(a);
	assert_true(status->loaded);
	assert_int_equal(status->generation, 1);
	assert_int_equal(status->rules, 0);
	assert_int_equal(status->n_others, 0);
	anybind_status_free(status);
	expect_tidy();
	assert_int_equal(anybind_unload(a, NULL), 0);
	expect_nothing();
	assert_int_equal(anybind_unload(a, NULL), 1);
}

static int differs(const struct anybind_statement *statement, void *data)
{
	(void)data;
	print_message("# differs: %s\n", statement->text);
	return 1;
}

static void test_rules_come_back(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct random random = { seed };
		struct anybind_ruleset *rs = random_ruleset(&random, 50), *back;
		struct anybind_status *status;

		assert_int_equal(anybind_commit(a, rs, 0, NULL), 0);
		assert_int_equal(anybind_rules(a, &back, NULL), 0);
		assert_int_equal(anybind_ruleset_diff(rs, back, differs, differs, NULL), 0);
		status = status_of(a);
		assert_int_equal(status->generation, seed);
		assert_int_equal(status->rules, anybind_ruleset_count(rs));
		anybind_status_free(status);
		expect_tidy();
		anybind_ruleset_free(back);
		anybind_ruleset_free(rs);
	}
}

/* ---- another version's state ---- */

/* Replaces the pinned table by one whose header says another layout. */
static void change_layout(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	_cleanup_free_ char *path = api_generation_pin(a, "table");
	struct current current = api_current(a);
	_cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "other", 4,
						 current.table.header->size, 1, &opts);
	struct table_header *header;
	size_t size;
	void *image;

	assert_true(map >= 0);
	assert_int_equal(kernel_mmap(map, true, &image, &size), 0);
	memcpy(image, current.image, current.table.header->size);
	header = image;
	header->layout = ANYBIND_LAYOUT + 1;
	munmap(image, size);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(kernel_pin(map, path), 0);
	current_close(&current);
}

static void test_other_layout(void **state)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs = NULL;
	struct anybind_services *services = NULL;
	struct anybind_status *status = NULL;

	(void)state;
	api_apply(a, "bind web tcp 192.0.2.0/24 80\n");
	change_layout();
	assert_int_equal(anybind_rules(a, &rs, report), -ENOTSUP);
	world_assert_message(report, 0, "layout 2", NULL);
	assert_int_equal(anybind_services(a, &services, NULL), -ENOTSUP);
	assert_int_equal(anybind_status(a, &status, NULL), -ENOTSUP);
	assert_int_equal(anybind_load(a, NULL), -ENOTSUP);
	api_expect_apply(a, "bind web tcp 192.0.2.0/24 81\n", -ENOTSUP);
	assert_true(!rs && !services && !status);
	assert_int_equal(anybind_unload(a, NULL), 0);
	expect_nothing();
	api_apply(a, "bind web tcp 192.0.2.0/24 80\n");
	expect_tidy();
	anybind_report_free(report);
}

/* ---- what killed writers leave ---- */

static void pin_in(const char *folder, const char *name, int fd)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(kernel_pin(fd, path), 0);
}

/* Killed before the link moved, and after, before the old generation was taken away. */
static void test_stale_generations(void **state)
{
	char folder[PATH_MAX + 16];
	struct current current;

	(void)state;
	api_apply(a, "bind web tcp 192.0.2.0/24 80\n");
	current = api_current(a);
	for (unsigned int i = 1; i <= 3; i++) {
		snprintf(folder, sizeof(folder), "%s/g%u", a->state.path, 4000000000u + i);
		assert_int_equal(mkdir(folder, 0700), 0);
		if (i > 1)
			pin_in(folder, "program", current.generation.program);
		if (i > 2)
			pin_in(folder, "table", current.generation.image.fd[0]);
	}
	current_close(&current);
	assert_int_equal(anybind_load(a, NULL), 1);
	expect_tidy();
}

/* Killed before the first link was pinned. */
static void test_state_without_link(void **state)
{
	char link[PATH_MAX + 16];
	struct anybind_status *status;
	size_t others;

	(void)state;
	api_apply(a, "bind web tcp 192.0.2.0/24 80\n");
	snprintf(link, sizeof(link), "%s/link", a->state.path);
	assert_int_equal(unlink(link), 0);
	/* The kernel lets go of the link when it frees the inode, a grace period later. */
	do {
		status = status_of(a);
		others = status->n_others;
		assert_false(status->loaded);
		anybind_status_free(status);
	} while (others);
	assert_int_equal(anybind_load(a, NULL), 0);
	expect_tidy();
	assert_int_equal(unlink(link), 0);
	assert_int_equal(anybind_unload(a, NULL), 1);
	expect_nothing();
}

/* Somebody removed a pin: it is said, and unload clears it away. */
static void test_pins_removed(void **state)
{
	static const char *const names[] = { "sockets", "counters", "registry" };
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[PATH_MAX + 16];

		api_apply(a, "bind web tcp 192.0.2.0/24 80\n");
		snprintf(path, sizeof(path), "%s/%s", a->state.path, names[i]);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(anybind_rules(a, &rs, report), -EUCLEAN);
		world_assert_message(report, i, "incomplete", NULL);
		world_assert_hint(report, i, "anybind unload", NULL);
		api_expect_apply(a, "bind web tcp 192.0.2.0/24 80\n", -EUCLEAN);
		assert_int_equal(anybind_unload(a, NULL), 0);
		expect_nothing();
	}
	anybind_report_free(report);
}

/* Waits until the kernel has taken a namespace down: it then removes the veth's other end. */
static void wait_for_removal(int netlink)
{
	char buffer[8192];

	for (;;) {
		ssize_t n = recv(netlink, buffer, sizeof(buffer), 0);

		assert_true(n > 0);
		for (const struct nlmsghdr *h = (const void *)buffer; NLMSG_OK(h, n);
		     h = NLMSG_NEXT(h, n))
			if (h->nlmsg_type == RTM_DELLINK)
				return;
	}
}

static void test_namespace_gone(void **state)
{
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	_cleanup_close_ int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const struct timeval deadline = { .tv_sec = 60 };
	struct anybind *gone, *bystander;
	char path[PATH_MAX];
	struct stat st;

	(void)state;
	world_add_netns("gone");
	world_add_netns("bystander");
	world_run("ip link add v0 type veth peer name v1 netns gone");
	gone = api_open("gone");
	bystander = api_open("bystander");
	api_apply(gone, "bind web tcp 192.0.2.0/24 80\n");
	api_apply(bystander, "bind web tcp 192.0.2.0/24 80\n");
	snprintf(path, sizeof(path), "%s", gone->state.path);
	anybind_close(gone);
	assert_int_equal(stat(path, &st), 0);
	assert_true(netlink >= 0);
	assert_int_equal(bind(netlink, (struct sockaddr *)&group, sizeof(group)), 0);
	setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	world_run("ip netns del gone");
	wait_for_removal(netlink);
	assert_int_equal(anybind_load(a, NULL), 0);
	assert_int_equal(stat(path, &st), -1);
	/* And no other than that. */
	assert_int_equal(stat(bystander->state.path, &st), 0);
	assert_int_equal(anybind_unload(bystander, NULL), 0);
	anybind_close(bystander);
	world_run("ip netns del bystander");
}

/* ---- nothing leaks ---- */

static void test_descriptors(void **state)
{
	size_t before = 0;

	(void)state;
	for (unsigned int round = 0; round < 3; round++) {
		struct anybind *handle = api_open(NULL);
		struct anybind_report *report = anybind_report_new();
		int tcp = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);

		api_apply(handle, "bind web tcp 192.0.2.0/24 80\n");
		api_apply(handle, "bind web tcp 192.0.2.0/24 81\n");
		api_expect_apply(handle, "drop tcp any 81 dev nosuch\n", -ENODEV);
		api_register(handle, "web", tcp);
		api_expect_register(handle, "bad name", tcp, -EINVAL, "no name");
		assert_true(api_counters(handle, "web", NULL));
		free(api_rules(handle));
		change_layout();
		assert_int_equal(anybind_load(handle, report), -ENOTSUP);
		assert_int_equal(anybind_unregister(handle, "web", 0, 0, 0, NULL), -ENOTSUP);
		assert_int_equal(anybind_unload(handle, NULL), 0);
		close(tcp);
		anybind_report_free(report);
		anybind_close(handle);
		if (!round)
			before = world_count_fds();
		assert_int_equal(world_count_fds(), before);
	}
}

/* A pin that somebody replaced by another is told of, whatever it is. */
static void test_pins_replaced(void **state)
{
	struct anybind_report *report = anybind_report_new();
	_cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_HASH, "other", 4, 4, 1, NULL);
	_cleanup_free_ char *path = NULL;
	struct anybind_ruleset *rs;

	(void)state;
	api_apply(a, "bind web tcp 192.0.2.0/24 80\n");
	path = api_generation_pin(a, "table");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(bpf_obj_pin(map, path), 0);
	assert_int_equal(anybind_rules(a, &rs, report), -EUCLEAN);
	assert_int_equal(anybind_report_count(report), 1);
	world_assert_message(report, 0, a->state.path, "damaged", NULL);
	assert_int_equal(anybind_unload(a, NULL), 0);
	anybind_report_free(report);
}

/* In a bpffs that is open to all, somebody may make our folder before we do. */
static void test_folders_of_others(void **state)
{
	static const char *const folders[] = { API_BPFFS "/anybind", NULL };
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *rs;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		const char *folder = folders[i] ? folders[i] : a->state.path;

		api_apply(a, "bind web tcp 192.0.2.0/24 80\n");
		assert_int_equal(chown(folder, 1000, 1000), 0);
		assert_int_equal(anybind_rules(a, &rs, report), -EPERM);
		world_assert_message(report, 2 * i, folder, "belongs to uid 1000", NULL);
		assert_int_equal(anybind_begin(a, report), -EPERM);
		world_assert_message(report, 2 * i + 1, folder, "belongs to uid 1000", NULL);
		assert_int_equal(chown(folder, 0, 0), 0);
		assert_int_equal(anybind_unload(a, NULL), 0);
		expect_nothing();
	}
	anybind_report_free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(test_load_and_unload),
		API_TEST(test_rules_come_back),
		API_TEST(test_other_layout),
		API_TEST(test_stale_generations),
		API_TEST(test_state_without_link),
		API_TEST(test_pins_removed),
		API_TEST(test_namespace_gone),
		API_TEST(test_descriptors),
		API_TEST(test_pins_replaced),
		API_TEST(test_folders_of_others),
	};

	if (!world_enter())
		return 0;
	api_mount();
	for (unsigned int i = 0; i < RANDOM_DEVICES; i++)
		world_run("ip link add d%u type veth peer name e%u", i, i);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
