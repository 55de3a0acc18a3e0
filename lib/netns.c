/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"
#include "text.h"

#define NETNS_DIR "/run/netns"
#define OWN_NETNS "/proc/thread-self/ns/net"
#define PID_PREFIX "pid:"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define HINT_ROOT "Run as root, or with CAP_SYS_ADMIN and CAP_SYS_PTRACE."

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Is it safe to print and to type as it stands? Names are made by `ip netns add` mostly. */
static bool is_plain(const char *name)
{
	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c >= 0x7f)
			return false;
	return true;
}

/* "There are: a, b, c." for a message; "" where there are none. */
static void list_names(char *buf, size_t size)
{
	_cleanup_closedir_ DIR *dir = opendir(NETNS_DIR);
	const char *lead = "There are: ";
	const struct dirent *entry;
	size_t used = 0;

	buf[0] = '\0';
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		const size_t needed = strlen(lead) + strlen(entry->d_name);

		if (is_dots(entry->d_name) || !is_plain(entry->d_name))
			continue;
		if (used + needed + sizeof(", ….") > size) {
			lead = ", …";
			break;
		}
		used += (size_t)snprintf(buf + used, size - used, "%s%s", lead, entry->d_name);
		lead = ", ";
	}
	if (used)
		snprintf(buf + used, size - used, "%s.", strcmp(lead, ", ") ? lead : "");
}

static int not_found(const char *quoted, struct anybind_report *report)
{
	char names[512];

	list_names(names, sizeof(names));
	return report_error(report, -ENOENT,
			    names[0] ? names : "There are none; `ip netns add NAME` makes one.",
			    "no network namespace '%s' in " NETNS_DIR, quoted);
}

/* Where @spec's namespace is to be found: a path into @path. */
static int path_of_spec(const char *spec, char *path, size_t size, struct anybind_report *report)
{
	const size_t len = strlen(spec);
	char quoted[QUOTED_MAX];
	uint64_t pid;
	int n;

	text_quote(spec, len, quoted);
	if (!strncmp(spec, PID_PREFIX, strlen(PID_PREFIX))) {
		const char *number = spec + strlen(PID_PREFIX);

		if (text_number(number, strlen(number), INT32_MAX, &pid) < 0 || !pid)
			return report_error(report, -EINVAL, "Write pid:812, for instance.",
					    "'%s' is no process id", quoted);
		n = snprintf(path, size, "/proc/%llu/ns/net", (unsigned long long)pid);
	} else if (strchr(spec, '/')) {
		n = snprintf(path, size, "%s", spec);
	} else {
		if (!len || is_dots(spec))
			return report_error(report, -EINVAL,
					    "Give a name under " NETNS_DIR ", a path, or pid:N.",
					    "'%s' is no name of a network namespace", quoted);
		n = snprintf(path, size, NETNS_DIR "/%s", spec);
	}
	if (n < 0 || (size_t)n >= size)
		return report_error(report, -ENAMETOOLONG, NULL,
				    "the network namespace's name '%s' is too long", quoted);
	return 0;
}

static int open_failed(int code, const char *spec, struct anybind_report *report)
{
	char quoted[QUOTED_MAX];

	text_quote(spec, strlen(spec), quoted);
	if (code == -ENOENT && !strncmp(spec, PID_PREFIX, strlen(PID_PREFIX)))
		return report_error(report, code, NULL, "no process %s",
				    quoted + strlen(PID_PREFIX));
	if (code == -ENOENT && !strchr(spec, '/'))
		return not_found(quoted, report);
	if (code == -EACCES || code == -EPERM)
		return report_error(report, -EPERM, HINT_ROOT,
				    "no permission to open the network namespace '%s'", quoted);
	return report_error(report, code, NULL, "cannot open the network namespace '%s': %s",
			    quoted, report_errno(code));
}

/*
 * Looked at through O_PATH first: opening some device or FIFO that was named by
 * mistake could block or do worse.
 */
static int open_nsfs(const char *path, bool *ret_is_netns)
{
	_cleanup_close_ int handle = -1;
	char link[64];
	struct statfs fs;
	int fd;

	handle = open(path, O_PATH | O_CLOEXEC);
	if (handle < 0 || fstatfs(handle, &fs) < 0)
		return -errno;
	if (fs.f_type != NSFS_MAGIC) {
		*ret_is_netns = false;
		return take_fd(&handle);
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", handle);
	fd = open(link, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_is_netns = ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
	return fd;
}

static int open_spec(const char *spec, struct anybind_report *report)
{
	_cleanup_close_ int fd = -1;
	char path[4096], quoted[QUOTED_MAX];
	bool is_netns = false;
	int r;

	r = path_of_spec(spec, path, sizeof(path), report);
	if (r < 0)
		return r;
	fd = open_nsfs(path, &is_netns);
	if (fd < 0)
		return open_failed(fd, spec, report);
	if (!is_netns)
		return report_error(
			report, -EINVAL,
			strchr(spec, '/') ? "A path like /proc/812/ns/net is one."
					  : "It may be left over from a namespace that is gone; "
					    "`ip netns del` removes it.",
			"'%s' is not a network namespace", text_quote(path, strlen(path), quoted));
	return take_fd(&fd);
}

static int read_cookie(const struct netns *ns, uint64_t *ret, struct anybind_report *report)
{
	_cleanup_close_ int fd = netns_socket(ns, AF_UNIX, SOCK_DGRAM, 0);
	socklen_t len = sizeof(*ret);

	if (fd == -EPERM)
		return report_error(report, -EPERM, "Run as root, or with CAP_SYS_ADMIN.",
				    "entering another network namespace needs CAP_SYS_ADMIN");
	if (fd < 0)
		return report_error(report, fd, NULL, "cannot enter the network namespace: %s",
				    report_errno(fd));
	if (!getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &len))
		return 0;
	if (errno == ENOPROTOOPT)
		return report_error(report, -ENOTSUP, "Linux 5.14 or newer is needed.",
				    "this kernel does not tell network namespaces apart "
				    "(no SO_NETNS_COOKIE)");
	return report_error(report, -errno, NULL, "cannot identify the network namespace: %m");
}

int netns_open(struct netns *ret, const char *spec, struct anybind_report *report)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *name = NULL;
	struct netns ns = {.fd = -1};
	char quoted[QUOTED_MAX];
	struct stat own, st;
	int r;

	if (stat(OWN_NETNS, &own) < 0)
		return report_error(report, -errno, "Is /proc mounted?",
				    "cannot read " OWN_NETNS ": %m");
	fd = open_spec(spec ? spec : OWN_NETNS, report);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return report_error(report, -errno, NULL, "cannot stat a network namespace: %m");
	ns.fd = fd;
	ns.inode = (uint32_t)st.st_ino;
	ns.own = st.st_dev == own.st_dev && st.st_ino == own.st_ino;
	r = read_cookie(&ns, &ns.cookie, report);
	if (r < 0)
		return r;
	/* A name that was given is kept even if the namespace has others. */
	if (!spec || strchr(spec, '/'))
		name = netns_name_of(ns.inode);
	if (!name && spec)
		name = strdup(is_plain(spec) ? spec : text_quote(spec, strlen(spec), quoted));
	snprintf(ns.name, sizeof(ns.name), "%s", name ? name : "");
	ns.fd = take_fd(&fd);
	*ret = ns;
	return 0;
}

const char *netns_text(const struct netns *ns, char buf[NETNS_TEXT_MAX])
{
	snprintf(buf, NETNS_TEXT_MAX, ns->name[0] ? "namespace %s" : "this namespace", ns->name);
	return buf;
}

void netns_close(struct netns *ns)
{
	if (ns && ns->fd >= 0) {
		close(ns->fd);
		ns->fd = -1;
	}
}

int netns_socket(const struct netns *ns, int domain, int type, int protocol)
{
	int saved = -1, fd, r;

	r = netns_enter(ns, &saved);
	if (r < 0)
		return r;
	fd = socket(domain, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		fd = -errno;
	netns_leave(saved);
	return fd;
}

int netns_enter(const struct netns *ns, int *ret_saved)
{
	_cleanup_close_ int saved = -1;

	if (ns->own) {
		/* Needs no privilege: nothing moves. */
		*ret_saved = -1;
		return 0;
	}
	saved = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
	if (saved < 0 || setns(ns->fd, CLONE_NEWNET) < 0)
		return -errno;
	*ret_saved = take_fd(&saved);
	return 0;
}

void netns_leave(int saved)
{
	const int kept = errno;

	if (saved < 0)
		return;
	if (setns(saved, CLONE_NEWNET) < 0)
		abort();
	close(saved);
	errno = kept;
}

char *netns_name_of(uint32_t inode)
{
	_cleanup_closedir_ DIR *dir = opendir(NETNS_DIR);
	const struct dirent *entry;
	struct stat own, st;

	if (!dir || stat(OWN_NETNS, &own) < 0)
		return NULL;
	while ((entry = readdir(dir))) {
		if (is_dots(entry->d_name) || !is_plain(entry->d_name))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) < 0)
			continue;
		/* The device, too: a plain file may have that inode number. */
		if (st.st_dev == own.st_dev && st.st_ino == inode)
			return strdup(entry->d_name);
	}
	return NULL;
}
