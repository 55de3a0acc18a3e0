/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "text.h"

static uint32_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint32_t)st.st_ino;
}

static void name_child(void *data)
{
	prctl(PR_SET_NAME, data);
}

static void test_owners(void **state)
{
	int shared = world_socket(IPPROTO_TCP, "127.0.0.1:0", 0);
	int dup_of_shared = dup(shared), udp = world_socket(IPPROTO_UDP, "127.0.0.1:0", 0);
	/* The child has them, too, but a higher pid. */
	pid_t child = world_child(name_child, "child");
	struct owner owners[] = {
		{.inode = inode_of(udp), .pid = 99, .program = "stale"},
		{.inode = UINT32_MAX, .pid = 99, .program = "stale"},
		{.inode = inode_of(shared)},
		{.inode = inode_of(shared)},
	};

	(void)state;
	prctl(PR_SET_NAME, "test (owner\n");
	assert_int_equal(process_find_owners(owners, 4), 0);
	for (size_t i = 0; i < 4; i++) {
		const bool none = i == 1;

		/* Pids may wrap around between the two. */
		if (child > getpid())
			assert_int_equal(owners[i].pid, none ? 0 : getpid());
		assert_string_equal(owners[i].program, none			? ""
						       : owners[i].pid == child ? "child"
										: "test (owner?");
	}
	close(udp);
	close(shared);
	close(dup_of_shared);
	assert_int_equal(process_find_owners(owners, 4), 0);
	assert_int_equal(owners[2].pid, child);
	assert_string_equal(owners[2].program, "child");
	world_end_child(child);
	assert_int_equal(process_find_owners(owners, 4), 0);
	assert_int_equal(owners[2].pid, 0);
	assert_string_equal(owners[2].program, "");
	assert_int_equal(process_find_owners(NULL, 0), 0);
}

static void test_program(void **state)
{
	char name[PROGRAM_MAX] = "stale";

	(void)state;
	prctl(PR_SET_NAME, "\xc3\xa9\x1b[1m");
	process_program(getpid(), name);
	assert_string_equal(name, "???[1m");
	process_program(INT32_MAX, name);
	assert_string_equal(name, "");
}

static void expect_ssh(const char *value, const char *client, const char *server)
{
	struct sockaddr_storage a, b;
	char text[ENDPOINT_TEXT_MAX];

	setenv("SSH_CONNECTION", value, 1);
	if (!client) {
		assert_int_equal(process_ssh_connection(&a, &b), -ENOENT);
		return;
	}
	assert_int_equal(process_ssh_connection(&a, &b), 0);
	assert_string_equal(text_of_endpoint((struct sockaddr *)&a, text), client);
	assert_string_equal(text_of_endpoint((struct sockaddr *)&b, text), server);
}

static void test_ssh_own(void **state)
{
	struct sockaddr_storage client, server;

	(void)state;
	expect_ssh("192.0.2.7 50022 192.0.2.1 22", "192.0.2.7:50022", "192.0.2.1:22");
	expect_ssh("2001:db8::7 50022 2001:db8::1 22", "[2001:db8::7]:50022", "[2001:db8::1]:22");
	expect_ssh("::ffff:192.0.2.7 50022 ::ffff:192.0.2.1 22", "192.0.2.7:50022", "192.0.2.1:22");
	setenv("SSH_CONNECTION", "fe80::7%lo 1 fe80::1%lo 22", 1);
	assert_int_equal(process_ssh_connection(&client, &server), 0);
	assert_int_equal(((struct sockaddr_in6 *)&server)->sin6_scope_id, 1);
	expect_ssh("fe80::7%gone 1 fe80::1%gone 22", "[fe80::7]:1", "[fe80::1]:22");
	unsetenv("SSH_CONNECTION");
}

static void test_ssh_hostile(void **state)
{
	static const char *const values[] = {
		"",
		" ",
		"192.0.2.7",
		"192.0.2.7 50022 192.0.2.1",
		"192.0.2.7 50022 192.0.2.1 22 ",
		"192.0.2.7 50022 192.0.2.1 22 x",
		"192.0.2.7  50022 192.0.2.1 22",
		" 192.0.2.7 50022 192.0.2.1 22",
		"192.0.2.7 0 192.0.2.1 22",
		"192.0.2.7 65536 192.0.2.1 22",
		"192.0.2.7 +1 192.0.2.1 22",
		"192.0.2.7 50022 2001:db8::1 22",
		"192.0.2.7%lo 50022 192.0.2.1 22",
		"::ffff:192.0.2.7%lo 50022 192.0.2.1 22",
		"UNKNOWN 65535 UNKNOWN 65535",
		"192.0.2.256 50022 192.0.2.1 22",
	};
	char longest[400];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		expect_ssh(values[i], NULL, NULL);
	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	expect_ssh(longest, NULL, NULL);
	unsetenv("SSH_CONNECTION");
}

/* The environment that a process started with is what /proc shows, hence exec. */
static int run_descendant(const char *self, const char *value)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		setenv("SSH_CONNECTION", value, 1);
		execl(self, self, "ancestor", NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void test_ssh_ancestor(void **state)
{
	(void)state;
	assert_int_equal(run_descendant("/proc/self/exe", "192.0.2.7 50022 192.0.2.1 22"), 0);
	assert_int_equal(run_descendant("/proc/self/exe", "nonsense"), 4);
}

/* As sudo does: the variable stays with the grandparent, whose name is hostile. */
static int descend(int depth)
{
	struct sockaddr_storage client, server;
	char text[ENDPOINT_TEXT_MAX];
	int status;
	pid_t pid;

	prctl(PR_SET_NAME, ") S 1 (");
	unsetenv("SSH_CONNECTION");
	if (!depth) {
		if (process_ssh_connection(&client, &server) < 0)
			return 4;
		return strcmp(text_of_endpoint((struct sockaddr *)&server, text), "192.0.2.1:22")
			       ? 5
			       : 0;
	}
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", "x", depth == 2 ? "parent" : "leaf", NULL);
		_exit(99);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : 98;
}

static void test_no_leaks(void **state)
{
	const size_t before = world_count_fds();

	test_owners(state);
	test_program(state);
	test_ssh_own(state);
	test_ssh_hostile(state);
	assert_int_equal(world_count_fds(), before);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owners),	     cmocka_unit_test(test_program),
		cmocka_unit_test(test_ssh_own),	     cmocka_unit_test(test_ssh_hostile),
		cmocka_unit_test(test_ssh_ancestor), cmocka_unit_test(test_no_leaks),
	};

	if (argc > 1)
		return descend(!strcmp(argv[1], "ancestor") ? 2 : !strcmp(argv[1], "parent"));
	if (!world_enter())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
