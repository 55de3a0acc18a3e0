/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "candidate.h"
#include "cleanup.h"
#include "error.h"
#include "search.h"

static int duplicate(int fd, struct anybind_report *report)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy >= 0)
		return copy;
	return report_error(report, -errno, NULL, "cannot duplicate a descriptor: %m");
}

static int refused(const struct refusal *refusal, const char *what, struct anybind_report *report)
{
	return report_error(report, refusal->code, refusal->hint[0] ? refusal->hint : NULL,
			    "%s: %s", what, refusal->text);
}

int socket_check(const struct netns *ns, int fd, const char *what, struct sock *ret,
		 struct anybind_report *report)
{
	struct candidate c;
	struct refusal refusal;
	int copy;

	if (candidate_examine(ns, fd, &c, &refusal) < 0)
		return refused(&refusal, what, report);
	copy = duplicate(fd, report);
	if (copy < 0)
		return copy;
	*ret = c.sock;
	ret->fd = copy;
	sock_settle(ret);
	return 0;
}

static int add_fd(const struct netns *ns, struct search *s, int fd, struct anybind_report *report)
{
	_cleanup_close_ int copy = -1;
	struct refusal refusal;
	struct candidate c;
	char what[32];

	snprintf(what, sizeof(what), "fd %d", fd);
	if (candidate_examine(ns, fd, &c, &refusal) < 0)
		return refused(&refusal, what, report);
	c.number = fd;
	copy = duplicate(fd, report);
	if (copy < 0)
		return copy;
	return search_add(s, &c, &copy) < 0 ? report_oom(report) : 0;
}

int socket_of_fds(const struct netns *ns, struct anybind_sockets **ret, const int fds[],
		  size_t n_fds, struct anybind_report *report)
{
	_cleanup_(search_clear) struct search s = {0};
	int failed = 0;

	if (!n_fds)
		return report_error(report, -EINVAL, NULL, "no sockets were given");
	for (size_t i = 0; i < n_fds; i++) {
		const int r = add_fd(ns, &s, fds[i], report);

		if (r < 0 && !failed)
			failed = r;
	}
	if (failed)
		return failed;
	return search_result(&s, ret, 0, "the descriptors hold", report);
}

void anybind_sockets_free(struct anybind_sockets *sockets)
{
	if (!sockets)
		return;
	for (size_t i = 0; i < sockets->n; i++) {
		struct sock *sock = &sockets->socks[i];

		close(sock->fd);
		for (size_t j = 0; j < sock->n_mates; j++)
			close(sock->mates[j]);
		free(sock->mates);
	}
	free(sockets->socks);
	free(sockets);
}

size_t anybind_sockets_count(const struct anybind_sockets *sockets)
{
	return sockets ? sockets->n : 0;
}

const struct anybind_socket_info *anybind_sockets_get(const struct anybind_sockets *sockets,
						      size_t i)
{
	return sockets && i < sockets->n ? &sockets->socks[i].info : NULL;
}
