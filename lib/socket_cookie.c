// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sockets of a namespace, by cookie or by address, without a process that holds them. */
#include "socket.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "candidate.h"
#include "cleanup.h"
#include "error.h"
#include "facts.h"
#include "kernel_iter.h"
#include "process.h"
#include "search.h"
#include "stray.h"
#include "text.h"

#define HINT_FIND "`ss -tulne` shows cookies, behind sk: and in hexadecimal."

static int cannot_list(int r, struct anybind_report *report)
{
	return report_error(report, r, NULL, "cannot list the sockets of the namespace: %s",
			    strerrordesc_np(-r));
}

static struct candidate candidate_of(const struct listener *l)
{
	struct candidate c = {
		.sock.fd = -1,
		.sock.info = {.family = l->family,
			      .protocol = l->protocol,
			      .cookie = l->cookie,
			      .members = 1},
		.ifindex = l->ifindex,
	};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&c.address;

	facts_sockaddr(l->family, l->addr, l->port, &c.address);
	if (l->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
		in6->sin6_scope_id = l->ifindex;
	text_of_endpoint((const struct sockaddr *)&c.address, c.sock.address);
	return c;
}

/* ", nginx (pid 812)" of the program that holds it; "" where none is seen. */
#define HOLDER_MAX (PROGRAM_MAX + 32)

static void holder_text(const struct owner *owner, char ret[HOLDER_MAX])
{
	ret[0] = '\0';
	if (owner->pid)
		snprintf(ret, HOLDER_MAX, ", %s (pid %d)",
			 owner->program[0] ? owner->program : "a program", owner->pid);
}

/*
 * Sees whether the kernel takes them all, so that what it refuses is refused
 * before anything is changed for it.
 */
static int try_out(const struct netns *ns, const struct sock *sock, struct anybind_report *report)
{
	const size_t n = 1 + sock->n_mates;
	_cleanup_free_ struct collect_item *items = calloc(n, sizeof(*items));

	if (!items)
		return report_oom(report);
	items[0].cookie = sock->info.cookie;
	for (size_t i = 1; i < n; i++)
		items[i].cookie = sock->mate_cookies[i - 1];
	return socket_insert_by_cookie(ns, -1, sock, items, n, report);
}

static struct anybind_sockets *sockets_new(size_t n_mates)
{
	struct anybind_sockets *sockets = calloc(1, sizeof(*sockets));

	if (!sockets)
		return NULL;
	sockets->socks = calloc(1, sizeof(*sockets->socks));
	if (sockets->socks) {
		sockets->n = 1;
		sockets->socks[0].fd = -1;
		sockets->socks[0].mate_cookies = calloc(n_mates + 1, sizeof(uint64_t));
	}
	if (!sockets->n || !sockets->socks[0].mate_cookies) {
		anybind_sockets_free(sockets);
		return NULL;
	}
	return sockets;
}

/* The answer: the first of @n that are one socket or one reuseport group. */
static int answer(const struct netns *ns, const struct listener *found, size_t n,
		  struct anybind_sockets **ret, struct anybind_report *report)
{
	struct anybind_sockets *sockets = sockets_new(n - 1);
	struct owner owner = {.inode = found->inode};
	struct candidate c;
	struct sock *sock;
	int r;

	if (!sockets)
		return report_oom(report);
	sock = &sockets->socks[0];
	c = candidate_of(found);
	sock->info = c.sock.info;
	memcpy(sock->address, c.sock.address, sizeof(sock->address));
	sock->info.members = (unsigned int)n;
	sock->info.reuseport = n > 1;
	for (size_t i = 1; i < n; i++)
		sock->mate_cookies[sock->n_mates++] = found[i].cookie;
	r = try_out(ns, sock, report);
	if (r < 0) {
		anybind_sockets_free(sockets);
		return r;
	}
	/* Without a look into /proc the owner stays unknown; the rest is true. */
	process_find_owners(&owner, 1);
	sock->info.pid = owner.pid;
	memcpy(sock->program, owner.program, sizeof(sock->program));
	sock_settle(sock);
	*ret = sockets;
	return 0;
}

/* ---- groups ---- */

/* Could the kernel have put these two into one reuseport group? For UDP that is not yet sure. */
static bool may_share_group(const struct listener *a, const struct listener *b)
{
	return a->family == b->family && a->protocol == b->protocol && a->port == b->port &&
	       a->ifindex == b->ifindex && a->v6only == b->v6only && a->uid == b->uid &&
	       !memcmp(a->addr, b->addr, sizeof(a->addr));
}

static bool has_reuseport(const struct collect_record *records, size_t n, uint64_t cookie)
{
	for (size_t i = 0; i < n; i++)
		if (records[i].cookie == cookie)
			return records[i].flags & COLLECT_REUSEPORT;
	return false; /* closed since */
}

/*
 * Are they one reuseport group? 1 or 0. TCP listeners share a place in no other
 * way; UDP sockets also do by SO_REUSEADDR, and then one of them gets everything.
 */
static int is_group(const struct netns *ns, const struct listener *found, size_t n,
		    struct anybind_report *report)
{
	_cleanup_free_ struct collect_record *records = NULL;
	size_t n_records;
	int r;

	for (size_t i = 1; i < n; i++)
		if (!may_share_group(&found[0], &found[i]))
			return 0;
	if (n == 1 || found[0].protocol == IPPROTO_TCP)
		return 1;
	r = kernel_list_port(ns, found[0].protocol, found[0].port, &records, &n_records, report);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (!has_reuseport(records, n_records, found[i].cookie))
			return 0;
	return 1;
}

/* ---- by cookie ---- */

static int no_such_cookie(const struct netns *ns, uint64_t cookie, struct anybind_report *report)
{
	struct refusal refusal;

	if (stray_refuse(ns, cookie, &refusal) != -ENOENT)
		return report_error(report, refusal.code, refusal.hint, "cookie %" PRIu64 ": %s",
				    cookie, refusal.text);
	return report_error(report, -ENOENT,
			    "It may be closed, or in another namespace: choose that with "
			    "`anybind -n`. " HINT_FIND,
			    "no socket of this network namespace has cookie %" PRIu64, cookie);
}

static void swap(struct listener *a, struct listener *b)
{
	const struct listener kept = *a;

	*a = *b;
	*b = kept;
}

static bool bring_to_front(struct listener *listeners, size_t n, uint64_t cookie)
{
	for (size_t i = 0; i < n; i++)
		if (listeners[i].cookie == cookie) {
			swap(&listeners[0], &listeners[i]);
			return true;
		}
	return false;
}

/* Moves those that may be in the first one's group behind it; returns how many they are. */
static size_t keep_group(struct listener *listeners, size_t n)
{
	size_t kept = 1;

	for (size_t i = 1; i < n; i++)
		if (may_share_group(&listeners[0], &listeners[i]))
			swap(&listeners[kept++], &listeners[i]);
	return kept;
}

int socket_of_cookie(const struct netns *ns, struct anybind_sockets **ret, uint64_t cookie,
		     struct anybind_report *report)
{
	_cleanup_free_ struct listener *listeners = NULL;
	size_t n, kept;
	int r = facts_listeners(ns, &listeners, &n);

	if (r < 0)
		return cannot_list(r, report);
	if (!bring_to_front(listeners, n, cookie))
		return no_such_cookie(ns, cookie, report);
	kept = keep_group(listeners, n);
	r = is_group(ns, listeners, kept, report);
	return r < 0 ? r : answer(ns, listeners, r ? kept : 1, ret, report);
}

/* ---- by address ---- */

struct wanted {
	int protocol;
	const struct sockaddr *address;
	char text[ENDPOINT_TEXT_MAX + 8]; /* "tcp 192.0.2.1:80" */
};

static bool is_wanted(const struct wanted *wanted, const struct listener *l)
{
	const struct candidate c = candidate_of(l);

	return l->protocol == wanted->protocol && candidate_is_bound_to(&c, wanted->address);
}

static int compare_cookies(const void *left, const void *right)
{
	const uint64_t a = ((const struct listener *)left)->cookie;
	const uint64_t b = ((const struct listener *)right)->cookie;

	return (a > b) - (a < b);
}

/* Moves those wanted to the front, by cookie; returns how many. */
static size_t keep_wanted(const struct wanted *wanted, struct listener *listeners, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (is_wanted(wanted, &listeners[i]))
			swap(&listeners[kept++], &listeners[i]);
	if (kept)
		qsort(listeners, kept, sizeof(*listeners), compare_cookies);
	return kept;
}

static int compare_places(const void *left, const void *right)
{
	const struct candidate a = candidate_of(left), b = candidate_of(right);

	return candidate_compare(&a, &b);
}

static int none_wanted(const struct wanted *wanted, struct listener *listeners, size_t n,
		       struct anybind_report *report)
{
	const struct sockaddr_in *in = (const void *)wanted->address; /* the port is at one place */
	_cleanup_free_ char *hint = NULL;
	size_t size, listed = 0;
	FILE *out = open_memstream(&hint, &size);

	if (!out)
		return report_oom(report);
	if (n)
		qsort(listeners, n, sizeof(*listeners), compare_places);
	for (size_t i = 0; i < n; i++) {
		char name[CANDIDATE_TEXT_MAX];
		struct candidate c;

		if (listeners[i].port != ntohs(in->sin_port) || listed++ >= LISTED_MAX)
			continue;
		c = candidate_of(&listeners[i]);
		fprintf(out, "%s%s",
			listed > 1 ? ", " : "On that port: ", candidate_text(&c, name));
	}
	if (listed > LISTED_MAX)
		fprintf(out, " and %zu more", listed - LISTED_MAX);
	if (!listed)
		fprintf(out, "`ss -tuln` lists what there is. For another namespace: "
			     "`anybind -n`.");
	if (fclose(out))
		return report_oom(report);
	return report_error(
		report, -ENOENT, hint,
		wanted->protocol == IPPROTO_TCP
			? "no socket of this network namespace listens on %s"
			: "no unconnected socket of this network namespace is bound to %s",
		wanted->text);
}

/* What to type for each. To be freed; NULL: out of memory. */
static char *list_cookies(const struct listener *found, size_t n)
{
	_cleanup_free_ struct owner *owners = calloc(n, sizeof(*owners));
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = owners ? open_memstream(&text, &size) : NULL;

	if (!out)
		return NULL;
	for (size_t i = 0; i < n; i++)
		owners[i].inode = found[i].inode;
	process_find_owners(owners, n);
	fputs("Choose one:", out);
	for (size_t i = 0; i < n && i < LISTED_MAX; i++) {
		char holder[HOLDER_MAX];

		holder_text(&owners[i], holder);
		fprintf(out, "\nanybind register NAME --cookie %" PRIu64 "  # uid %u",
			found[i].cookie, found[i].uid);
		if (found[i].ifindex)
			fprintf(out, ", interface %u", found[i].ifindex);
		fprintf(out, "%s%s", found[i].v6only ? ", v6-only" : "", holder);
	}
	if (n > LISTED_MAX)
		fprintf(out, "\nand %zu more", n - LISTED_MAX);
	return fclose(out) ? NULL : take_ptr(text);
}

int socket_listening(const struct netns *ns, struct anybind_sockets **ret, int protocol,
		     const struct sockaddr *address, struct anybind_report *report)
{
	struct wanted wanted = {.protocol = protocol, .address = address};
	_cleanup_free_ struct listener *listeners = NULL;
	_cleanup_free_ char *choices = NULL;
	char endpoint[ENDPOINT_TEXT_MAX];
	size_t n, kept;
	int r;

	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) ||
	    (address->sa_family != AF_INET && address->sa_family != AF_INET6))
		return report_error(report, -EAFNOSUPPORT, NULL,
				    "only TCP and UDP over IPv4 and IPv6 can be looked for");
	snprintf(wanted.text, sizeof(wanted.text), "%s %s", protocol == IPPROTO_TCP ? "tcp" : "udp",
		 text_of_endpoint(address, endpoint));
	r = facts_listeners(ns, &listeners, &n);
	if (r < 0)
		return cannot_list(r, report);
	kept = keep_wanted(&wanted, listeners, n);
	if (!kept)
		return none_wanted(&wanted, listeners, n, report);
	r = is_group(ns, listeners, kept, report);
	if (r < 0)
		return r;
	if (r)
		return answer(ns, &listeners[0], kept, ret, report);
	choices = list_cookies(listeners, kept);
	return report_error(report, -ENOTUNIQ, choices, "%zu sockets are bound to %s", kept,
			    wanted.text);
}
