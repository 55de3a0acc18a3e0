// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "inspect.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "text.h"

static int by_cookie(const void *a, const void *b)
{
	uint64_t x = ((const struct listener *)a)->cookie, y = ((const struct listener *)b)->cookie;

	return x < y ? -1 : x > y;
}

static int by_place(const void *a, const void *b, void *listeners)
{
	const struct listener *x = (struct listener *)listeners + *(const size_t *)a;
	const struct listener *y = (struct listener *)listeners + *(const size_t *)b;
	int diff = memcmp(x->addr, y->addr, sizeof(x->addr));

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return diff ? diff : (x->uid > y->uid) - (x->uid < y->uid);
}

int census_take(struct census *ret, const struct netns *ns)
{
	struct census census = { 0 };
	int r = facts_listeners(ns, &census.listeners, &census.n);

	if (r < 0)
		return r;
	if (census.n)
		qsort(census.listeners, census.n, sizeof(*census.listeners), by_cookie);
	census.owners = calloc(census.n + 1, sizeof(*census.owners));
	census.order = calloc(census.n + 1, sizeof(*census.order));
	census.members = calloc(census.n + 1, sizeof(*census.members));
	if (!census.owners || !census.order || !census.members) {
		census_free(&census);
		return -ENOMEM;
	}
	for (size_t i = 0; i < census.n; i++) {
		census.owners[i].inode = census.listeners[i].inode;
		census.order[i] = i;
	}
	qsort_r(census.order, census.n, sizeof(*census.order), by_place, census.listeners);
	/* Without a look into /proc the owners stay unknown; the rest is true. */
	process_find_owners(census.owners, census.n);
	*ret = census;
	return 0;
}

void census_free(struct census *census)
{
	free(census->listeners);
	free(census->owners);
	free(census->order);
	free(census->members);
	*census = (struct census){ 0 };
}

static void listener_text(const struct listener *l, char ret[ENDPOINT_TEXT_MAX])
{
	struct sockaddr_storage address;

	facts_sockaddr(l->family, l->addr, l->port, &address);
	text_of_endpoint((struct sockaddr *)&address, ret);
}

/*
 * Has @l, which shares its place, SO_REUSEPORT? TCP listeners share one in no
 * other way; UDP sockets can by SO_REUSEADDR, and netlink does not tell.
 */
static bool has_reuseport(const struct census *census, const struct listener *l)
{
	const struct owner *owner = &census->owners[l - census->listeners];
	_cleanup_close_ int fd = -1;
	uint64_t cookie = 0;
	int reuseport = 1;
	socklen_t cookie_len = sizeof(cookie), len = sizeof(reuseport);

	if (l->protocol == IPPROTO_TCP || !owner->pid)
		return true;
	fd = process_descriptor(owner);
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &cookie_len) < 0 ||
	    cookie != l->cookie || getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuseport, &len) < 0)
		return true;
	return reuseport;
}

/* The first in ->order with the place and the user of @l. */
static size_t *first_at_place(const struct census *census, size_t l)
{
	size_t *low = census->order, *high = low + census->n;

	while (low < high) {
		size_t *middle = low + (high - low) / 2;

		if (by_place(middle, &l, census->listeners) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * Fills in ->members of all that share the place and the user of @l, once: the
 * question costs system calls for each of them.
 */
static void count_members(const struct census *census, size_t l)
{
	size_t *first = first_at_place(census, l), *end = first, n = 0;

	while (end < census->order + census->n &&
	       !by_place(first, end, census->listeners))
		end++;
	for (size_t *i = first; i < end; i++) {
		bool grouped = end - first > 1 && has_reuseport(census, &census->listeners[*i]);

		census->members[*i] = grouped ? 0 : 1;
		n += grouped;
	}
	for (size_t *i = first; i < end; i++)
		if (!census->members[*i])
			census->members[*i] = n;
}

/* Sockets of @l's reuseport group, or just itself. */
static unsigned int members(const struct census *census, const struct listener *l)
{
	size_t at = l - census->listeners;

	if (!census->members[at])
		count_members(census, at);
	return census->members[at];
}

void census_describe(const struct census *census, uint32_t slot, uint64_t cookie,
		     struct anybind_socket_info *ret, struct socket_text *text)
{
	struct listener key = { .cookie = cookie };
	const struct listener *l = NULL;

	*ret = (struct anybind_socket_info){
		.family = slot & 1 ? AF_INET6 : AF_INET,
		.protocol = slot & 2 ? IPPROTO_UDP : IPPROTO_TCP,
		.cookie = cookie,
		.members = 1,
	};
	if (census->n)
		l = bsearch(&key, census->listeners, census->n, sizeof(key), by_cookie);
	if (!l)
		return;
	listener_text(l, text->address);
	ret->address = text->address;
	ret->members = members(census, l);
	ret->reuseport = ret->members > 1;
	ret->pid = census->owners[l - census->listeners].pid;
	if (ret->pid) {
		memcpy(text->program, census->owners[l - census->listeners].program,
		       sizeof(text->program));
		ret->program = text->program;
	}
}
