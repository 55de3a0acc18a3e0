/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Obtaining sockets and checking that they can be registered. */
#ifndef ANYBIND_SOCKET_H
#define ANYBIND_SOCKET_H

#include "anybind.h"
#include "netns.h"

struct anybind_sockets {
	size_t n;
	struct sock {
		int fd; /* owned */
		int *mates; /* other sockets of its reuseport group; owned, too */
		size_t n_mates;
		struct anybind_socket_info info; /* strings point into this */
		char address[64];
		char program[32];
	} *socks; /* at most one for each family and protocol */
};

/*
 * Facts of one descriptor into @ret (its fd is a duplicate; pid and program
 * stay empty). Refused with the reason on @report: what is no socket
 * (-ENOTSOCK), unix, raw, MPTCP, UDP-Lite, SCTP (-EPROTONOSUPPORT), TCP that
 * does not listen, unbound UDP (-EINVAL), connected (-EISCONN), of a namespace
 * other than @ns (-EXDEV). @what names the descriptor in messages: "fd 3".
 */
int socket_check(const struct netns *ns, int fd, const char *what, struct sock *ret,
		 struct anybind_report *report);

/* See anybind_sockets_of_pid() and anybind_sockets_of_fds(). */
int socket_of_pid(const struct netns *ns, struct anybind_sockets **ret, pid_t pid, int protocol,
		  const struct sockaddr *address, struct anybind_report *report);
int socket_of_fds(const struct netns *ns, struct anybind_sockets **ret, const int fds[],
		  size_t n_fds, struct anybind_report *report);

#endif
