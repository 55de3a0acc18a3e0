/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a descriptor is, and why it cannot be registered. */
#ifndef ANYBIND_CANDIDATE_H
#define ANYBIND_CANDIDATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "netns.h"
#include "socket.h"

struct candidate {
	struct sock sock; /* .fd is -1: nothing is duplicated here */
	struct sockaddr_storage address; /* as bound */
	uint32_t ifindex;		 /* SO_BINDTODEVICE, 0: none */
	int number; /* the descriptor in the process that holds it; the caller's to fill in */
};

struct refusal {
	int code;
	bool near; /* of the kind that is looked for: worth naming among many */
	char text[256]; /* "tcp 127.0.0.1:80 does not listen" */
	char hint[256];
};

/*
 * The codes of socket_check(). On -EXDEV @ret is filled in as on success; on
 * other errors it is unspecified.
 */
int candidate_examine(const struct netns *ns, int fd, struct candidate *ret,
		      struct refusal *ret_refusal);

/* Fills in @ret; returns @code. */
int candidate_refuse(struct refusal *ret, int code, bool near, const char *hint,
		     const char *format, ...) __attribute__((format(printf, 5, 6)));

/*
 * Refuses a socket by its @protocol and returns the code; 0 for TCP and UDP.
 * MPTCP: the socket itself or the TCP socket beneath.
 */
int candidate_check_protocol(int protocol, struct refusal *ret);

/* Refuses a connection, or UDP that is connected. */
int candidate_refuse_connected(struct refusal *ret, int protocol, const char *local,
			       const char *remote);

/* Order by family, protocol, bound address and device, then cookie. */
int candidate_compare(const struct candidate *a, const struct candidate *b);

/* One socket, or members of one reuseport group: the kernel treats them as one. */
bool candidate_same_group(const struct candidate *a, const struct candidate *b);

/* Bound to exactly @address? IPv4 and IPv4-mapped are the same. */
bool candidate_is_bound_to(const struct candidate *c, const struct sockaddr *address);

/* "tcp 192.0.2.1:443", as `anybind register` takes it. */
#define CANDIDATE_TEXT_MAX 80
const char *candidate_text(const struct candidate *c, char buf[CANDIDATE_TEXT_MAX]);

/* Points the strings of @sock's info at it, after it came to its place. */
void sock_settle(struct sock *sock);

#endif
