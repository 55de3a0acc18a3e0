// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sockets into slots by cookie, where there is no descriptor. */
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

int socket_insert_refused(int code, const char *name, struct anybind_report *report)
{
	if (code == -EBUSY)
		return report_error(
			report, code, "Take it out of that map first.",
			"%s is in a REUSEPORT_SOCKARRAY map; the kernel allows a socket "
			"in that or in anybind, not both",
			name);
	if (code == -EOPNOTSUPP)
		return report_error(report, code, "It may have been closed or shut down just now.",
				    "the kernel does not take the socket %s", name);
	return report_error(report, code, NULL, "cannot register the socket %s: %s", name,
			    strerrordesc_np(-code));
}

/* What the iterator saw of a socket that it did not insert. */
static int refused_by_flags(const char *name, const struct collect_item *item,
			    struct anybind_report *report)
{
	struct refusal refusal;

	if (item->flags & COLLECT_MPTCP) {
		candidate_check_protocol(IPPROTO_MPTCP, &refusal);
		return report_error(report, refusal.code, refusal.hint, "%s: %s", name,
				    refusal.text);
	}
	if (item->flags & (COLLECT_KERNEL | COLLECT_PROTOCOL))
		return report_error(report, -EPROTONOSUPPORT,
				    "Only sockets of programs can be registered. SMC: listen with "
				    "plain TCP.",
				    "%s is a socket that the kernel made for itself, as for NFS, "
				    "SMC or WireGuard",
				    name);
	return report_error(report, -EINVAL, NULL,
			    "%s was shut down or connected while it was being registered", name);
}

static int check_item(const char *name, int sockets, const struct collect_item *item, bool is_mate,
		      struct anybind_report *report)
{
	uint64_t cookie;
	int r;

	if (!item->found)
		return is_mate ? 0 : gone(name, report);
	if (item->flags & ~COLLECT_REUSEPORT)
		return refused_by_flags(name, item, report);
	if (item->error)
		return socket_insert_refused(item->error, name, report);
	if (sockets < 0)
		return 0;
	/* A socket leaves its slots when it is closed, which may be by now. */
	r = kernel_slot_cookie(sockets, item->slot, &cookie);
	if (r == -ENOENT)
		return is_mate ? 0 : gone(name, report);
	if (r < 0)
		return socket_insert_refused(r, name, report);
	if (cookie != item->cookie)
		return report_error(report, -EUCLEAN, "Register it once more.",
				    "the slot for %s holds another socket: something else than "
				    "anybind writes to its map",
				    name);
	return 0;
}

int socket_insert_by_cookie(const struct netns *ns, int sockets, const struct sock *sock,
			    struct collect_item *items, size_t n, struct anybind_report *report)
{
	char name[SOCK_NAME_MAX];
	int r = kernel_collect(ns, sock->info.protocol, sockets, false, items, n, report);

	name_of(sock, name);
	/* Workers come and go: a mate that has gone is none any more. */
	for (size_t i = 0; i < n && !r; i++)
		r = check_item(name, sockets, &items[i], items[i].cookie != sock->info.cookie,
			       report);
	return r;
}
