/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Obtaining sockets and checking that they can be registered. */
#ifndef ANYBIND_SOCKET_H
#define ANYBIND_SOCKET_H

#include "anybind.h"
#include "netns.h"

struct anybind_sockets {
	size_t n;
	struct sock {
		int fd; /* owned; -1: known by its cookie only */
		int *mates; /* other sockets of its reuseport group; owned, too */
		uint64_t *mate_cookies; /* the same, where fd is -1; then there are no mates */
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

/* See anybind_sockets_of_cookie() and anybind_sockets_listening(). */
int socket_of_cookie(const struct netns *ns, struct anybind_sockets **ret, uint64_t cookie,
		     struct anybind_report *report);
int socket_listening(const struct netns *ns, struct anybind_sockets **ret, int protocol,
		     const struct sockaddr *address, struct anybind_report *report);

struct collect_item;
/*
 * Puts sockets of @ns that are known by their cookies only, @sock and its mates
 * or some of them, into slots of the map @sockets; -1: only sees whether the
 * kernel takes them. Failures are reported: -ENOENT: one was closed since. Then
 * some may be in their slots.
 */
int socket_insert_by_cookie(const struct netns *ns, int sockets, const struct sock *sock,
			    struct collect_item *items, size_t n, struct anybind_report *report);

/* Reports the kernel's answer to an insertion of the socket called @name; returns @code. */
int socket_insert_refused(int code, const char *name, struct anybind_report *report);

#endif
