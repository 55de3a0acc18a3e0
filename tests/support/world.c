/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "text.h"

bool world_enter(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		printf("1..0 # SKIP needs root to make namespaces\n");
		return false;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0 || mkdir("/run/netns", 0755) < 0 ||
	    system("ip link set lo up")) {
		printf("Bail out! cannot set up the namespaces: %s\n", strerror(errno));
		exit(1);
	}
	/* The machine's own session is none of the tests' business. */
	unsetenv("SSH_CONNECTION");
	return true;
}

void world_run(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	if (system(command))
		fail_msg("failed: %s", command);
}

void world_add_netns(const char *name)
{
	_cleanup_close_ int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int file = -1;
	char path[300];

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	assert_true(own >= 0 && file >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	world_run("ip link set lo up");
	assert_int_equal(mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL), 0);
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
}

static void set_option(int fd, int level, int option)
{
	const int on = 1;

	assert_int_equal(setsockopt(fd, level, option, &on, sizeof(on)), 0);
}

int world_socket_of_type(int type, int protocol, const char *endpoint, unsigned int flags)
{
	struct sockaddr_storage address;
	int fd;

	assert_int_equal(text_endpoint(endpoint, &address), 0);
	fd = socket(address.ss_family, type | SOCK_CLOEXEC, protocol);
	assert_true(fd >= 0);
	if (flags & WORLD_REUSEPORT)
		set_option(fd, SOL_SOCKET, SO_REUSEPORT);
	if (flags & WORLD_REUSEADDR)
		set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	if (flags & WORLD_V6ONLY)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail_msg("bind %s: %s", endpoint, strerror(errno));
	if (type == SOCK_STREAM && !(flags & WORLD_NO_LISTEN))
		assert_int_equal(listen(fd, 16), 0);
	return fd;
}

int world_socket(int protocol, const char *endpoint, unsigned int flags)
{
	const int type = protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;

	return world_socket_of_type(type, protocol, endpoint, flags);
}

int world_connect(int protocol, const char *endpoint)
{
	struct sockaddr_storage address;
	int fd;

	assert_int_equal(text_endpoint(endpoint, &address), 0);
	fd = socket(address.ss_family,
		    (protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, protocol);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail_msg("connect %s: %s", endpoint, strerror(errno));
	return fd;
}

uint64_t world_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

uint16_t world_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	/* At the same place in IPv4 and IPv6. */
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

pid_t world_child(void (*setup)(void *data), void *data)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		setup(data);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

void world_end_child(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int world_sockarray(int fd)
{
	union bpf_attr create = {.map_type = BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
				 .key_size = 4,
				 .value_size = 8,
				 .max_entries = 1};
	uint32_t key = 0;
	uint64_t value = fd;
	int map = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &create, sizeof(create));
	union bpf_attr update = {.map_fd = map, .key = (uintptr_t)&key, .value = (uintptr_t)&value};

	assert_true(map >= 0);
	assert_int_equal(syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &update, sizeof(update)), 0);
	return map;
}

size_t world_count_fds(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n;
}

void world_print_report(const struct anybind_report *report)
{
	for (size_t i = 0; i < anybind_report_count(report); i++) {
		const struct anybind_message *m = anybind_report_get(report, i);

		print_message("# %s %d: %s\n", m->severity == ANYBIND_ERROR ? "error" : "warning",
			      m->code, m->text);
		if (m->hint)
			print_message("#   hint: %s\n", m->hint);
	}
}

static void assert_holds(const struct anybind_report *report, const char *text, va_list ap)
{
	const char *part;

	while ((part = va_arg(ap, const char *))) {
		if (text && strstr(text, part))
			continue;
		world_print_report(report);
		fail_msg("'%s' is not in '%s'", part, text ? text : "(nothing)");
	}
}

void world_assert_message(const struct anybind_report *report, size_t i, ...)
{
	const struct anybind_message *m = anybind_report_get(report, i);
	va_list ap;

	va_start(ap, i);
	assert_holds(report, m ? m->text : NULL, ap);
	va_end(ap);
}

void world_assert_hint(const struct anybind_report *report, size_t i, ...)
{
	const struct anybind_message *m = anybind_report_get(report, i);
	va_list ap;

	va_start(ap, i);
	assert_holds(report, m ? m->hint : NULL, ap);
	va_end(ap);
}
