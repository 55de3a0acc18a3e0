// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Sockets into a service's slots: all that are given, or none. First they come
 * into slots that no packet is led to, where the kernel may refuse them. Then
 * each kind (one family and protocol) takes its step, which can be taken back
 * as long as the predecessors are where they were. They go last.
 */
#include "insertion.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"
#include "kernel_iter.h"

/* What a registration works on. */
struct registration {
	const struct anybind *anybind;
	const struct registry *registry;
	const struct anybind_register_options *options;
	struct anybind_report *report;
	struct pool pool;
	struct collect_item *items; /* sockets without a descriptor that await insertion */
	size_t n_items;
	bool reported; /* of a failure: it is explained already */
};

/* One family and protocol of it. */
struct kind {
	const struct sock *sock;
	uint32_t own; /* the service's own slot */
	struct members before, after; /* .after: of its group; the table is that of .before */
	struct known *known; /* those of .before that are in .after */
	size_t n_known;
	struct slot_record record; /* of the own slot, as it was */
	bool alone; /* goes into the own slot, without a group */
	bool staged; /* so it does, but by way of a group: another socket is in that slot */
	bool done;
};

static int refused(const struct registration *g, int code, const char *address)
{
	if (g->reported)
		return code;
	if (code == -ENOSPC)
		return report_error(g->report, code,
				    "Unregister sockets that are no longer needed.",
				    "more than %d sockets", SLOTS_POOL);
	return socket_insert_refused(code, address, g->report);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size);
	return cookie;
}

/* One socket of a registration, by descriptor or, where that is -1, by cookie. */
struct handle {
	int fd;
	uint64_t cookie;
};

/* @i: 0 for the socket itself, then its mates. */
static struct handle handle_of(const struct sock *sock, size_t i)
{
	const int fd = !i || sock->fd < 0 ? sock->fd : sock->mates[i - 1];

	if (fd >= 0)
		return (struct handle){fd, cookie_of(fd)};
	return (struct handle){-1, i ? sock->mate_cookies[i - 1] : sock->info.cookie};
}

/*
 * The record goes first: a slot with a socket and no record would look free.
 * What has no descriptor awaits insert_waiting().
 */
static int fill_slot(struct registration *g, uint32_t slot, const struct handle *handle)
{
	const struct anybind_register_options *o = g->options;
	struct slot_record record = {
		.cookie = handle->cookie,
		.since = time(NULL),
		.uid = o->on_behalf ? o->uid : getuid(),
	};

	snprintf(record.how, sizeof(record.how), "%s", o->how ? o->how : "library");
	g->pool.records[slot] = record;
	if (handle->fd < 0) {
		g->items[g->n_items++] = (struct collect_item){handle->cookie, slot};
		return 0;
	}
	return kernel_slot_set(g->registry->maps.fd[MAP_SOCKETS], slot, handle->fd);
}

static int insert_waiting(struct registration *g, const struct sock *sock)
{
	int r;

	if (!g->n_items)
		return 0;
	r = socket_insert_by_cookie(&g->anybind->ns, g->registry->maps.fd[MAP_SOCKETS], sock,
				    g->items, g->n_items, g->report);
	g->reported = r < 0;
	return r;
}

static unsigned int wanted_weight(const struct registration *g)
{
	return g->options->drain ? 0 : g->options->weight ? g->options->weight : 1;
}

/* A socket of a follow has the follow's weight. */
static int is_followed(struct registration *g)
{
	if (!g->options->weight && !g->options->drain)
		return 0;
	g->reported = true;
	return report_error(g->report, -EBUSY, "Give the weight to `anybind follow`.",
			    "a follow has registered this socket: its weight is the follow's");
}

/* A socket that is there already gets the new weight; any other a slot of the pool. */
static int add_member(struct registration *g, struct kind *kind, const struct handle *handle,
		      bool standby)
{
	struct member member = {.weight = standby ? 0 : wanted_weight(g),
				.standby = standby && wanted_weight(g)};
	const struct known *known = known_find(kind->known, kind->n_known, handle->cookie);
	struct members *members = &kind->after;
	int r;

	if (known && members->v[known->at].window)
		return is_followed(g);
	if (known) {
		member.slot = members->v[known->at].slot;
		members->v[known->at] = member;
		return 0;
	}
	r = pool_take(&g->pool, &member.slot);
	if (!r)
		r = members_add(members, &member);
	return r ? r : fill_slot(g, member.slot, handle);
}

/* Into slots that no packet is led to yet. */
static int add_sock(struct registration *g, struct kind *kind)
{
	const struct sock *sock = kind->sock;
	int r = 0;

	g->n_items = 0;
	for (size_t i = 0; i <= sock->n_mates && !r; i++) {
		const struct handle handle = handle_of(sock, i);

		r = add_member(g, kind, &handle, i > 0);
	}
	return r ? r : insert_waiting(g, sock);
}

/* Into the service's own slot, in one step; what was there stays where that fails. */
static int insert_alone(struct registration *g, const struct kind *kind)
{
	const struct handle handle = handle_of(kind->sock, 0);
	int r;

	g->n_items = 0;
	r = fill_slot(g, kind->own, &handle);
	if (!r)
		r = insert_waiting(g, kind->sock);
	if (r < 0)
		g->pool.records[kind->own] = kind->record;
	return r;
}

/* ---- one kind ---- */

/* What a follow finds later would stand beside it again. */
static int check_followed(struct registration *g, const struct members *before)
{
	for (size_t i = 0; i < before->n && !g->options->add; i++) {
		if (!before->v[i].window)
			continue;
		g->reported = true;
		return report_error(g->report, -EBUSY,
				    "Register it beside them with --add, or type `anybind unfollow` "
				    "first.",
				    "the service follows a cgroup, whose sockets it cannot take the "
				    "place of");
	}
	return 0;
}

/*
 * All that a kind needs but the step. Several sockets, or one with a weight,
 * are a group. Members that are gone leave it on the occasion.
 */
static int prepare(struct registration *g, struct kind *kind, bool others)
{
	const struct anybind_register_options *o = g->options;
	int r = members_read(&g->anybind->state, g->registry, kind->own, &kind->before);

	if (!r)
		r = check_followed(g, &kind->before);
	if (r < 0)
		return r;
	kind->record = g->pool.records[kind->own];
	kind->alone = !kind->before.is_group && !(o->add && kind->before.n) &&
		      !kind->sock->n_mates && wanted_weight(g) == 1;
	kind->staged = kind->alone && kind->before.n && others;
	if (kind->alone && !kind->staged)
		return 0;
	kind->after.table = kind->before.table;
	kind->after.n_table = kind->before.n_table;
	if (o->add)
		r = members_add_open(&kind->after, &kind->before, g->registry, &kind->known,
				     &kind->n_known);
	return r ? r : add_sock(g, kind);
}

static int step(struct registration *g, struct kind *kind)
{
	int r = kind->alone && !kind->staged
			? insert_alone(g, kind)
			: members_publish(&g->anybind->state, g->registry, kind->own, &kind->after);

	kind->done = !r;
	return r;
}

/* The group away from the own slot, which then counts. */
static int ungroup(struct registration *g, const struct kind *kind)
{
	int groups = g->registry->maps.fd[MAP_GROUPS];
	int r = kernel_group_clear(groups, kind->own);

	state_clear_groups(&g->anybind->state, groups);
	return r;
}

/* Takes back the step, as far as there was one, and what prepared it. */
static void undo(struct registration *g, struct kind *kind)
{
	const struct state *state = &g->anybind->state;
	int r = 0;

	if (kind->done && kind->alone && !kind->staged)
		pool_release(&g->pool, g->registry, kind->own); /* it was empty */
	else if (kind->done && kind->before.is_group)
		r = members_publish(state, g->registry, kind->own, &kind->before);
	else if (kind->done)
		r = ungroup(g, kind);
	if (r < 0)
		report_warning(g->report, "Register again.",
			       "the socket %s stays registered, as what it replaced cannot be put "
			       "back: %s", kind->sock->address, report_errno(r));
	else
		pool_release_others(&g->pool, g->registry, &kind->after, &kind->before);
}

/* Lets the predecessors go. Whatever fails here, the kind is registered. */
static void finish(struct registration *g, struct kind *kind)
{
	const struct members nobody = {0};

	if (kind->alone && !kind->staged)
		return;
	if (kind->staged && !insert_alone(g, kind) && !ungroup(g, kind))
		pool_release_others(&g->pool, g->registry, &kind->after, &nobody);
	else
		pool_release_others(&g->pool, g->registry, &kind->before, &kind->after);
}

static void kind_free(struct kind *kind)
{
	free(kind->known);
	kind->after.table = NULL; /* that of .before */
	members_free(&kind->after);
	members_free(&kind->before);
}

/* ---- all of them ---- */

static int insert_all(struct registration *g, struct kind *kinds, size_t n)
{
	const struct kind *at = NULL;
	int r = 0;

	/* What they need first, of all of them, then the steps. */
	for (size_t i = 0; i < 2 * n && !r; i++) {
		at = &kinds[i % n];
		r = i < n ? prepare(g, &kinds[i], n > 1) : step(g, &kinds[i - n]);
	}
	if (r < 0) {
		r = refused(g, r, at->sock->address);
		for (size_t i = 0; i < n; i++)
			undo(g, &kinds[i]);
		return r;
	}
	g->report = NULL; /* nothing that follows is a failure */
	for (size_t i = 0; i < n; i++)
		finish(g, &kinds[i]);
	return 0;
}

int insertion_run(const struct anybind *a, const struct registry *registry, uint32_t id,
		  const struct anybind_sockets *sockets,
		  const struct anybind_register_options *options, struct anybind_report *report)
{
	_cleanup_free_ struct kind *kinds = calloc(sockets->n + 1, sizeof(*kinds));
	_cleanup_free_ struct collect_item *items = NULL;
	struct registration g = {a, registry, options, report, .n_items = 0};
	size_t most = 0;
	int r = kinds ? pool_open(&g.pool, &a->state, registry) : -ENOMEM;

	for (size_t i = 0; i < sockets->n && !r; i++) {
		const struct sock *sock = &sockets->socks[i];

		kinds[i].sock = sock;
		kinds[i].own = SLOT(id, sock->info.protocol == IPPROTO_UDP,
				    sock->info.family == AF_INET6);
		most = sock->n_mates > most ? sock->n_mates : most;
	}
	g.items = items = calloc(1 + most, sizeof(*items));
	if (!r && !items)
		r = -ENOMEM;
	r = r < 0 ? refused(&g, r, "given") : insert_all(&g, kinds, sockets->n);
	for (size_t i = 0; i < sockets->n && kinds; i++)
		kind_free(&kinds[i]);
	pool_close(&g.pool);
	return r;
}
