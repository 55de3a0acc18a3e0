// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "sweep.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "error.h"
#include "kernel_iter.h"
#include "process.h"
#include "system.h"
#include "text.h"

/* ---- finding ---- */

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What a follow's sockets have in common. */
struct filter {
	const struct follow_state *follow;
	uint64_t *cgroups; /* sorted */
	size_t n_cgroups;
	uint16_t clients_lo, clients_hi; /* ports that clients get */
};

/* Index in a follow's windows. */
static uint32_t kind_of(const struct listener *l)
{
	return (l->protocol == IPPROTO_UDP ? FOLLOW_UDP : FOLLOW_TCP) | (l->family == AF_INET6);
}

static bool is_bound_to(const struct listener *l, const struct follow_state *f)
{
	if (l->port != f->port)
		return false;
	if (l->family == (int)f->family)
		return !memcmp(l->addr, f->address, l->family == AF_INET ? 4 : 16);
	return l->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)l->addr) &&
	       !memcmp(l->addr + 12, f->address, 4);
}

static bool is_wanted(const struct filter *filter, const struct listener *l)
{
	const struct follow_state *f = filter->follow;

	if (!f->window[kind_of(l)] || !filter->n_cgroups ||
	    !bsearch(&l->cgroup, filter->cgroups, filter->n_cgroups, sizeof(l->cgroup), by_number))
		return false;
	if (f->family)
		return is_bound_to(l, f);
	return l->protocol == IPPROTO_TCP || l->port < filter->clients_lo ||
	       l->port > filter->clients_hi;
}

static int find(const struct netns *ns, const struct follow_state *follow, struct listener **ret,
		size_t *ret_n)
{
	_cleanup_free_ struct listener *all = NULL;
	_cleanup_free_ uint64_t *cgroups = NULL;
	struct filter filter = {.follow = follow};
	size_t n = 0, kept = 0;
	int r = cgroup_subtree(follow->cgroup, &cgroups, &filter.n_cgroups);

	filter.cgroups = cgroups;
	if (!r)
		r = facts_port_range(ns, &filter.clients_lo, &filter.clients_hi);
	if (!r)
		r = facts_listeners(ns, &all, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (is_wanted(&filter, &all[i]))
			all[kept++] = all[i];
	*ret = take_ptr(all);
	*ret_n = kept;
	return 0;
}

int sweep_find(const struct netns *ns, const struct follow_state *follow, struct listener **ret,
	       size_t *ret_n, struct anybind_report *report)
{
	int r = find(ns, follow, ret, ret_n);

	if (r < 0)
		return report_error(report, r, NULL, "cannot look for sockets of cgroup %s: %s",
				    follow->cgroup, report_errno(r));
	return 0;
}

/* ---- inserting ---- */

bool sweep_needs_descriptors(void)
{
	struct utsname name;

	return uname(&name) == 0 && system_check_tcp_iterator(name.release, NULL) < 0;
}

/* Sockets on their way into slots. */
struct batch {
	struct collect_item *items;
	const struct listener **listeners; /* of each item */
	size_t n;
};

static void batch_free(struct batch *batch)
{
	free(batch->items);
	free(batch->listeners);
}

static void listener_text(const struct listener *l, char ret[ENDPOINT_TEXT_MAX])
{
	struct sockaddr_storage address;

	facts_sockaddr(l->family, l->addr, l->port, &address);
	text_of_endpoint((struct sockaddr *)&address, ret);
}

static void warn_refused(const struct listener *l, const char *why, const char *hint,
			 struct anybind_report *report)
{
	char address[ENDPOINT_TEXT_MAX];

	listener_text(l, address);
	report_warning(report, hint, "%s %s cannot be registered: %s",
		       l->protocol == IPPROTO_TCP ? "tcp" : "udp", address, why);
}

/* Is it in one of the windows' slots? */
static bool is_in(const struct sweep *s, const struct listener *l)
{
	uint32_t first = s->follow->window[kind_of(l)];
	uint64_t cookie;

	for (uint32_t i = 0; i < WINDOW_SLOTS; i++)
		if (!kernel_slot_cookie(s->registry->maps.fd[MAP_SOCKETS], first + i, &cookie) &&
		    cookie == l->cookie)
			return true;
	return false;
}

/* The next empty slot from place *@place on; 0: none. */
static uint32_t next_empty(const struct sweep *s, uint32_t kind, uint32_t *place)
{
	while (*place < WINDOW_SLOTS) {
		uint32_t slot = s->follow->window[kind] + (*place)++;
		uint64_t cookie;

		if (kernel_slot_cookie(s->registry->maps.fd[MAP_SOCKETS], slot, &cookie) == -ENOENT)
			return slot;
	}
	return 0;
}

/* Those of @protocol that are in no slot yet, each with a slot. */
static int batch_make(struct batch *ret, const struct sweep *s, int protocol,
		      const struct listener *found, size_t n)
{
	uint32_t place[4] = {0};

	ret->n = 0;
	ret->items = calloc(n + 1, sizeof(*ret->items));
	ret->listeners = calloc(n + 1, sizeof(const struct listener *));
	if (!ret->items || !ret->listeners)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint32_t slot;

		if (found[i].protocol != protocol || is_in(s, &found[i]))
			continue;
		slot = next_empty(s, kind_of(&found[i]), &place[kind_of(&found[i])]);
		if (!slot) /* there are enough of them to take over from each other */
			continue;
		ret->items[ret->n] = (struct collect_item){.cookie = found[i].cookie, .slot = slot};
		ret->listeners[ret->n++] = &found[i];
	}
	return 0;
}

/* A descriptor of the socket that @owner holds, if it is still that. */
static int descriptor_of(const struct owner *owner, uint64_t cookie)
{
	_cleanup_close_ int fd = owner->pid ? process_descriptor(owner) : -ENOENT;
	uint64_t found = 0;
	socklen_t size = sizeof(found);

	if (fd < 0)
		return fd;
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &found, &size) < 0 || found != cookie)
		return -ENOENT;
	return take_fd(&fd);
}

static int insert_by_descriptors(const struct sweep *s, struct batch *batch)
{
	_cleanup_free_ struct owner *owners = calloc(batch->n + 1, sizeof(*owners));
	int r;

	if (!owners)
		return -ENOMEM;
	for (size_t i = 0; i < batch->n; i++)
		owners[i].inode = batch->listeners[i]->inode;
	r = process_find_owners(owners, batch->n);
	for (size_t i = 0; i < batch->n && r >= 0; i++) {
		struct collect_item *item = &batch->items[i];
		_cleanup_close_ int fd = descriptor_of(&owners[i], item->cookie);

		item->found = fd != -ENOENT && fd != -ESRCH;
		item->error = fd < 0 ? fd
				     : kernel_slot_claim(s->registry->maps.fd[MAP_SOCKETS],
							 item->slot, fd);
	}
	return r < 0 ? r : 0;
}

static void write_record(const struct sweep *s, const struct collect_item *item)
{
	struct slot_record record = {
		.cookie = item->cookie,
		.since = (uint64_t)time(NULL),
		.uid = s->follow->uid,
		.how = "follow",
	};

	s->pool->records[item->slot] = record;
}

/* Says why an item was not inserted, where that is worth it. */
static void judge(const struct listener *l, const struct collect_item *item,
		  struct anybind_report *report)
{
	if (!item->found || item->flags & COLLECT_STATE || item->error == -EEXIST)
		return; /* closed or connected since, or a newcomer has its slot */
	if (item->flags & COLLECT_MPTCP)
		warn_refused(l, "the kernel takes no MPTCP socket",
			     "Programs in Go: set GODEBUG=multipathtcp=0.", report);
	else if (item->flags & (COLLECT_KERNEL | COLLECT_PROTOCOL))
		warn_refused(l, "it is a socket that the kernel made for itself", NULL, report);
	else if (item->error == -EBUSY)
		warn_refused(l, "it is in a REUSEPORT_SOCKARRAY map of its program's", NULL, report);
	else if (item->error == -EOPNOTSUPP)
		return; /* it has been shut down */
	else
		warn_refused(l, report_errno(item->error), NULL, report);
}

/* One walk. Returns how many newcomers were quicker with their slot. */
static int walk(const struct sweep *s, int protocol, const struct listener *found, size_t n,
		bool say, struct anybind_report *report)
{
	struct batch batch;
	int r = batch_make(&batch, s, protocol, found, n), again = 0;

	if (r < 0) {
		report_oom(report);
	} else if (!batch.n) {
		r = 0;
	} else if (s->by_descriptor) {
		r = insert_by_descriptors(s, &batch);
		if (r < 0)
			report_error(report, r, NULL, "cannot look for the sockets' processes: %s",
				     report_errno(r));
	} else {
		r = kernel_collect(s->ns, protocol, s->registry->maps.fd[MAP_SOCKETS], true,
				   batch.items, batch.n, report);
	}
	for (size_t i = 0; i < batch.n && r >= 0; i++) {
		const struct collect_item *item = &batch.items[i];

		if (item->found && !item->error && !(item->flags & ~COLLECT_REUSEPORT)) {
			write_record(s, item);
			window_changed(s->pool, s->follow->window[kind_of(batch.listeners[i])]);
		} else if (item->error == -EEXIST) {
			again++;
		} else if (say) {
			judge(batch.listeners[i], item, report);
		}
	}
	batch_free(&batch);
	return r < 0 ? r : again;
}

/* Newcomers by the program at listen(2) may take slots; so often is unheard of. */
#define WALKS 4

int sweep_insert(const struct sweep *sweep, const struct listener *found, size_t n,
		 struct anybind_report *report)
{
	static const int protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(protocols) && r >= 0; i++) {
		struct sweep s = *sweep;

		s.by_descriptor &= protocols[i] == IPPROTO_TCP;
		r = 1;
		for (unsigned int walks = 0; walks < WALKS && r > 0; walks++)
			r = walk(&s, protocols[i], found, n, !walks, report);
	}
	return r < 0 ? r : 0;
}
