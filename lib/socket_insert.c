// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sockets into slots: by descriptor or, where there is none, by cookie. */
#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "candidate.h"
#include "error.h"
#include "kernel.h"
#include "kernel_iter.h"

/* "tcp 192.0.2.1:80" */
#define SOCK_NAME_MAX (sizeof(((struct sock *)0)->address) + 8)

static void name_of(const struct sock *sock, char ret[SOCK_NAME_MAX])
{
	snprintf(ret, SOCK_NAME_MAX, "%s %s", sock->info.protocol == IPPROTO_TCP ? "tcp" : "udp",
		 sock->address);
}

static int gone(const char *name, struct anybind_report *report)
{
	return report_error(report, -ENOENT, NULL,
			    "the socket %s was closed or shut down while it was being registered",
			    name);
}

/* The kernel's answer to an insertion. */
static int refused_by_kernel(const char *name, int r, struct anybind_report *report)
{
	if (r == -EBUSY)
		return report_error(report, r, "Take it out of that map first.",
				    "%s is in a REUSEPORT_SOCKARRAY map; the kernel allows a socket "
				    "in that or in anybind, not both",
				    name);
	if (r == -EOPNOTSUPP)
		return report_error(report, r,
				    "It may have been closed or shut down just now.",
				    "the kernel does not take the socket %s", name);
	return report_error(report, r, NULL, "cannot register the socket %s: %s", name,
			    strerrordesc_np(-r));
}

/* What the iterator saw of a socket that it did not insert. */
static int refused_by_flags(const char *name, const struct collect_record *record,
			    struct anybind_report *report)
{
	struct refusal refusal;

	if (record->flags & COLLECT_MPTCP) {
		candidate_check_protocol(IPPROTO_MPTCP, &refusal);
		return report_error(report, refusal.code, refusal.hint, "%s: %s", name,
				    refusal.text);
	}
	if (record->flags & (COLLECT_KERNEL | COLLECT_PROTOCOL))
		return report_error(report, -EPROTONOSUPPORT,
				    "Only sockets of programs can be registered. SMC: listen with "
				    "plain TCP.",
				    "%s is a socket that the kernel made for itself, as for NFS, "
				    "SMC or WireGuard",
				    name);
	return report_error(report, -EINVAL, NULL,
			    "%s was shut down or connected while it was being registered", name);
}

static int insert_by_cookie(const struct netns *ns, int sockets, uint32_t slot,
			    const struct sock *sock, const char *name,
			    struct anybind_report *report)
{
	struct collect_record record;
	uint64_t cookie;
	int r = kernel_collect(ns, sock->info.protocol, sock->info.cookie, sockets, slot, &record,
			       report);

	if (r < 0)
		return r;
	if (!r)
		return gone(name, report);
	if (record.flags & ~COLLECT_REUSEPORT)
		return refused_by_flags(name, &record, report);
	if (record.error)
		return refused_by_kernel(name, record.error, report);
	if (sockets < 0)
		return 0;
	/* A socket leaves its slots when it is closed, which may be by now. */
	r = kernel_slot_cookie(sockets, slot, &cookie);
	if (r == -ENOENT)
		return gone(name, report);
	if (r < 0)
		return refused_by_kernel(name, r, report);
	if (cookie != sock->info.cookie)
		return report_error(report, -EUCLEAN, "Register it once more.",
				    "the slot for %s holds another socket: something else than "
				    "anybind writes to its map",
				    name);
	return 0;
}

int socket_insert(const struct netns *ns, int sockets, uint32_t slot, const struct sock *sock,
		  struct anybind_report *report)
{
	char name[SOCK_NAME_MAX];
	int r;

	name_of(sock, name);
	if (sock->fd < 0)
		return insert_by_cookie(ns, sockets, slot, sock, name, report);
	r = kernel_slot_set(sockets, slot, sock->fd);
	return r < 0 ? refused_by_kernel(name, r, report) : 0;
}
