/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The sockets of another process: pidfd_getfd() on what /proc lists. */
#include "socket.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "candidate.h"
#include "cleanup.h"
#include "error.h"
#include "process.h"
#include "search.h"
#include "text.h"

struct process {
	pid_t pid;
	int pidfd;
	char program[PROGRAM_MAX];
	char name[64]; /* "pid 812 (nginx)" */
};

/* What the sockets of a process are asked, and those that do not fit. */
struct question {
	const struct netns *ns;
	int protocol;
	const struct sockaddr *address;
	char wanted[ENDPOINT_TEXT_MAX]; /* @address as text */
	FILE *reasons;			/* a line for each that came near */
	size_t n_reasons, n_sockets;
	bool other_netns; /* one would fit but for its namespace */
};

static int process_ended(const struct process *p, struct anybind_report *report)
{
	return report_error(report, -ESRCH, NULL, "%s ended while its sockets were looked at",
			    p->name);
}

static int no_access(const struct process *p, struct anybind_report *report)
{
	return report_error(report, -EPERM, "Run as root, or with CAP_SYS_PTRACE.",
			    "no permission to take the sockets of %s: it belongs to another user "
			    "or is protected",
			    p->name);
}

static int open_process(struct process *ret, pid_t pid, struct anybind_report *report)
{
	snprintf(ret->name, sizeof(ret->name), "pid %d", pid);
	ret->pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (pid <= 0 || (ret->pidfd < 0 && errno == ESRCH))
		return report_error(report, -ESRCH, NULL, "there is no process with pid %d", pid);
	/* Since Linux 6.9 ENOENT. */
	if (ret->pidfd < 0 && (errno == EINVAL || errno == ENOENT))
		return report_error(report, -ESRCH, "Give the process's pid.",
				    "pid %d is a thread, not a process", pid);
	if (ret->pidfd < 0)
		return report_error(report, -errno, NULL, "cannot open pid %d: %m", pid);
	ret->pid = pid;
	process_program(pid, ret->program);
	if (ret->program[0])
		snprintf(ret->name, sizeof(ret->name), "pid %d (%s)", pid, ret->program);
	return 0;
}

/* Does the candidate answer the question? */
static int check_wanted(const struct question *q, const struct candidate *c, struct refusal *ret)
{
	char name[CANDIDATE_TEXT_MAX];

	candidate_text(c, name);
	if (q->protocol && c->sock.info.protocol != q->protocol)
		return candidate_refuse(ret, -ENOENT, true, "", "%s is not %s", name,
					q->protocol == IPPROTO_TCP ? "tcp" : "udp");
	if (q->address && !candidate_is_bound_to(c, q->address))
		return candidate_refuse(ret, -ENOENT, true, "", "%s is not bound to %s", name,
					q->wanted);
	return 0;
}

/* Looks at descriptor @number, which is *@fd here. */
static int consider(struct question *q, struct search *s, const struct process *p, int number,
		    int *fd)
{
	struct refusal refusal;
	struct candidate c;
	int r = candidate_examine(q->ns, *fd, &c, &refusal);

	if (r == 0 || r == -EXDEV) {
		const int wanted = check_wanted(q, &c, &refusal);

		if (wanted == 0 && r == -EXDEV)
			q->other_netns = true;
		r = wanted < 0 ? wanted : r;
	}
	q->n_sockets++;
	if (r < 0) {
		if (refusal.near && q->n_reasons++ < LISTED_MAX)
			fprintf(q->reasons, "\nfd %d: %s%s%s", number, refusal.text,
				refusal.hint[0] ? ". " : "", refusal.hint);
		return 0;
	}
	c.number = number;
	c.sock.info.pid = p->pid;
	memcpy(c.sock.program, p->program, sizeof(c.sock.program));
	return search_add(s, &c, fd);
}

static int scan_fds(struct question *q, struct search *s, const struct process *p,
		    struct anybind_report *report)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	uint64_t number;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", p->pid);
	dir = opendir(path);
	if (!dir && (errno == EACCES || errno == EPERM))
		return no_access(p, report);
	if (!dir)
		return process_ended(p, report);
	while ((errno = 0, entry = readdir(dir))) {
		_cleanup_close_ int fd = -1;

		if (!process_socket_inode(dirfd(dir), entry->d_name) ||
		    text_number(entry->d_name, strlen(entry->d_name), INT_MAX, &number) < 0)
			continue;
		fd = (int)syscall(SYS_pidfd_getfd, p->pidfd, (int)number, 0);
		if (fd < 0 && errno == EBADF) /* closed since */
			continue;
		if (fd < 0 && errno == ESRCH)
			return process_ended(p, report);
		if (fd < 0 && errno == EPERM)
			return no_access(p, report);
		if (fd < 0)
			return report_error(report, -errno, NULL, "cannot take fd %d of %s: %m",
					    (int)number, p->name);
		if (consider(q, s, p, (int)number, &fd) < 0)
			return report_oom(report);
	}
	return errno ? process_ended(p, report) : 0;
}

/*
 * Part of the descriptors may have gone when they were looked at, which could
 * make a choice look unambiguous. The pidfd tells too late: a dying process
 * gives up its memory, and with it /proc/PID/exe, then its descriptors, and
 * only then becomes a zombie.
 */
static bool has_ended(const struct process *p)
{
	struct pollfd poll_fd = {.fd = p->pidfd, .events = POLLIN};
	char path[64], byte;

	snprintf(path, sizeof(path), "/proc/%d/exe", p->pid);
	return poll(&poll_fd, 1, 0) == 1 || (readlink(path, &byte, 1) < 0 && errno == ENOENT);
}

static const char *protocol_word(int protocol)
{
	return protocol == IPPROTO_TCP ? "tcp " : protocol == IPPROTO_UDP ? "udp " : "";
}

static int nothing_fits(const struct question *q, const struct process *p, const char *reasons,
			struct anybind_report *report)
{
	_cleanup_free_ char *hint = NULL;
	char wanted[ENDPOINT_TEXT_MAX + 32];

	if (!q->n_sockets)
		return report_error(report, -ENOENT, NULL, "%s holds no sockets", p->name);
	snprintf(wanted, sizeof(wanted), "%ssocket%s%s", protocol_word(q->protocol),
		 q->address ? " bound to " : "", q->wanted);
	if (q->n_reasons > LISTED_MAX &&
	    asprintf(&hint, "%s\nand %zu more", reasons + 1, q->n_reasons - LISTED_MAX) < 0)
		hint = NULL;
	return report_error(report, q->other_netns ? -EXDEV : -ENOENT,
			    hint	   ? hint
			    : q->n_reasons ? reasons + 1
					   : NULL,
			    "none of the %zu sockets of %s is a %s that can be registered",
			    q->n_sockets, p->name, wanted);
}

static int ask_process(struct question *q, const struct process *p, struct anybind_sockets **ret,
		       struct anybind_report *report)
{
	_cleanup_(search_clear) struct search s = {0};
	_cleanup_free_ char *reasons = NULL;
	size_t size;
	char who[80];
	int r;

	q->reasons = open_memstream(&reasons, &size);
	if (!q->reasons)
		return report_oom(report);
	r = scan_fds(q, &s, p, report);
	if (fclose(q->reasons))
		return report_oom(report);
	if (r < 0)
		return r;
	if (has_ended(p))
		return process_ended(p, report);
	if (!s.n)
		return nothing_fits(q, p, reasons, report);
	snprintf(who, sizeof(who), "%s holds", p->name);
	return search_result(&s, ret, p->pid, who, report);
}

int socket_of_pid(const struct netns *ns, struct anybind_sockets **ret, pid_t pid, int protocol,
		  const struct sockaddr *address, struct anybind_report *report)
{
	struct question q = {.ns = ns, .protocol = protocol, .address = address};
	struct process p = {.pidfd = -1};
	int r;

	if (address && address->sa_family != AF_INET && address->sa_family != AF_INET6)
		return report_error(report, -EAFNOSUPPORT, NULL,
				    "only IPv4 and IPv6 addresses can be looked for");
	if (address)
		text_of_endpoint(address, q.wanted);
	r = open_process(&p, pid, report);
	if (r < 0)
		return r;
	r = ask_process(&q, &p, ret, report);
	close(p.pidfd);
	return r;
}
