/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "process.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "text.h"

#define SSH_VARIABLE "SSH_CONNECTION"
/* More than execve() lets through. */
#define ENVIRON_MAX (8u << 20)
/* Bounds the walk, should reused pids form a ring. */
#define ANCESTORS_MAX 256

/* /proc/PID/@file up to @max bytes, with a NUL behind; to be freed. NULL: unreadable. */
static char *read_proc(pid_t pid, const char *file, size_t max, size_t *ret_size)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	char path[64];
	size_t size = 0, cap = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	for (ssize_t n = 1; n && size < max; size += (size_t)n) {
		if (size + 1 >= cap) {
			char *more = realloc(text, cap = cap ? 2 * cap : 4096);

			if (!more)
				return NULL;
			text = more;
		}
		n = TEMP_FAILURE_RETRY(read(fd, text + size, cap - size - 1));
		if (n < 0)
			return NULL;
	}
	text[size] = '\0';
	*ret_size = size;
	return take_ptr(text);
}

/* ---- owners of sockets ---- */

void process_program(pid_t pid, char buf[PROGRAM_MAX])
{
	_cleanup_free_ char *comm = NULL;
	size_t size, n = 0;

	comm = read_proc(pid, "comm", PROGRAM_MAX, &size);
	/* The newline at the end is /proc's, any other the process's. */
	for (; comm && n + 1 < size && n < PROGRAM_MAX - 1; n++)
		buf[n] = comm[n] >= ' ' && comm[n] < 0x7f ? comm[n] : '?';
	buf[n] = '\0';
}

uint32_t process_socket_inode(int fd_dir, const char *fd_name)
{
	static const char lead[] = "socket:[";
	const size_t lead_len = sizeof(lead) - 1;
	uint64_t inode;
	char link[64];
	ssize_t len;

	len = readlinkat(fd_dir, fd_name, link, sizeof(link));
	if (len <= (ssize_t)lead_len || memcmp(link, lead, lead_len) || link[len - 1] != ']' ||
	    text_number(link + lead_len, (size_t)len - lead_len - 1, UINT32_MAX, &inode) < 0)
		return 0;
	return (uint32_t)inode;
}

static int compare_owners(const void *left, const void *right)
{
	const struct owner *const *a = left, *const *b = right;

	return (*a)->inode < (*b)->inode ? -1 : (*a)->inode > (*b)->inode;
}

/* Several owners may ask about one inode. */
static void found_owner(struct owner **sorted, size_t n, uint32_t inode, pid_t pid, int fd)
{
	const struct owner key = {.inode = inode}, *key_ptr = &key;
	struct owner **hit = bsearch(&key_ptr, sorted, n, sizeof(*sorted), compare_owners);

	if (!hit)
		return;
	while (hit > sorted && hit[-1]->inode == inode)
		hit--;
	for (; hit < sorted + n && (*hit)->inode == inode; hit++) {
		if ((*hit)->pid && (*hit)->pid <= pid)
			continue;
		(*hit)->pid = pid;
		(*hit)->fd = fd;
		process_program(pid, (*hit)->program);
	}
}

static void scan_process(struct owner **sorted, size_t n, const char *pid_name, pid_t pid)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid_name);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		const uint32_t inode = process_socket_inode(dirfd(dir), entry->d_name);
		uint64_t fd;

		if (inode && !text_number(entry->d_name, strlen(entry->d_name), INT_MAX, &fd))
			found_owner(sorted, n, inode, pid, (int)fd);
	}
}

int process_find_owners(struct owner *owners, size_t n)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ struct owner **sorted = NULL;
	const struct dirent *entry;
	uint64_t pid;

	if (!n)
		return 0;
	sorted = calloc(n, sizeof(struct owner *));
	if (!sorted)
		return -ENOMEM;
	dir = opendir("/proc");
	if (!dir)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		owners[i].pid = 0;
		owners[i].program[0] = '\0';
		sorted[i] = &owners[i];
	}
	qsort(sorted, n, sizeof(struct owner *), compare_owners);
	while ((entry = readdir(dir)))
		if (!text_number(entry->d_name, strlen(entry->d_name), INT_MAX, &pid))
			scan_process(sorted, n, entry->d_name, (pid_t)pid);
	return 0;
}

int process_descriptor(const struct owner *owner)
{
	_cleanup_close_ int pidfd = -1;
	int fd;

	pidfd = (int)syscall(SYS_pidfd_open, owner->pid, 0);
	if (pidfd < 0)
		return -errno;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, owner->fd, 0);
	return fd < 0 ? -errno : fd;
}

/* ---- the caller's ssh session ---- */

/* An address as sshd writes it, perhaps with "%eth0". */
static bool parse_address(const char *word, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	char addr[INET6_ADDRSTRLEN];
	const char *scope = strchr(word, '%');
	const size_t len = scope ? (size_t)(scope - word) : strlen(word);

	if (len >= sizeof(addr))
		return false;
	memcpy(addr, word, len);
	addr[len] = '\0';
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET6, addr, &in6.sin6_addr) == 1) {
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
			memcpy(&in.sin_addr, in6.sin6_addr.s6_addr + 12, 4);
			memcpy(ret, &in, sizeof(in));
			return !scope;
		}
		if (scope)
			in6.sin6_scope_id = if_nametoindex(scope + 1);
		memcpy(ret, &in6, sizeof(in6));
		return true;
	}
	memcpy(ret, &in, sizeof(in));
	return !scope && inet_pton(AF_INET, addr, &((struct sockaddr_in *)ret)->sin_addr) == 1;
}

/* "192.0.2.7 50022 192.0.2.1 22", client first. */
static bool parse_connection(const char *value, struct sockaddr_storage *ret_client,
			     struct sockaddr_storage *ret_server)
{
	struct sockaddr_storage client, server;
	char copy[256], *words[4], *next = copy;
	uint64_t ports[2];

	if (strlen(value) >= sizeof(copy))
		return false;
	strcpy(copy, value);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!(words[i] = strsep(&next, " ")))
			return false;
	if (next)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		const char *word = words[2 * i + 1];

		if (text_number(word, strlen(word), UINT16_MAX, &ports[i]) < 0 || !ports[i])
			return false;
	}
	if (!parse_address(words[0], (uint16_t)ports[0], &client) ||
	    !parse_address(words[2], (uint16_t)ports[1], &server) ||
	    client.ss_family != server.ss_family)
		return false;
	*ret_client = client;
	*ret_server = server;
	return true;
}

/* The variable's value in a block of NUL-terminated assignments; NULL: none. */
static const char *find_variable(const char *block, size_t size)
{
	static const char lead[] = SSH_VARIABLE "=";
	const char *end = block + size;

	for (; block < end; block += strlen(block) + 1)
		if (!strncmp(block, lead, sizeof(lead) - 1))
			return block + sizeof(lead) - 1;
	return NULL;
}

/* 0: none, or unknown. */
static pid_t parent_of(pid_t pid)
{
	_cleanup_free_ char *stat = NULL;
	const char *word, *end;
	uint64_t parent;
	size_t size;

	stat = read_proc(pid, "stat", 4096, &size);
	/* "812 (comm) S 1 …", where comm may be anything, ") S 7 (" too. */
	word = stat ? strrchr(stat, ')') : NULL;
	if (!word || word[1] != ' ' || !word[2] || word[3] != ' ')
		return 0;
	word += 4;
	end = strchrnul(word, ' ');
	if (text_number(word, (size_t)(end - word), INT_MAX, &parent) < 0)
		return 0;
	return (pid_t)parent;
}

int process_ssh_connection(struct sockaddr_storage *ret_client, struct sockaddr_storage *ret_server)
{
	const char *value = getenv(SSH_VARIABLE);
	pid_t pid = getppid();

	if (value && parse_connection(value, ret_client, ret_server))
		return 0;
	for (unsigned int i = 0; pid > 0 && i < ANCESTORS_MAX; i++, pid = parent_of(pid)) {
		_cleanup_free_ char *block = NULL;
		size_t size;

		block = read_proc(pid, "environ", ENVIRON_MAX, &size);
		value = block ? find_variable(block, size) : NULL;
		if (value && parse_connection(value, ret_client, ret_server))
			return 0;
	}
	return -ENOENT;
}
