// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sockets into a service's slots. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "error.h"
#include "kernel_iter.h"
#include "members.h"
#include "registration.h"
#include "socket.h"
#include "text.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int anybind_sockets_of_pid(struct anybind *a, struct anybind_sockets **ret_sockets, pid_t pid,
			   int protocol, const struct sockaddr *address,
			   struct anybind_report *report)
{
	return socket_of_pid(&a->ns, ret_sockets, pid, protocol, address, report);
}

int anybind_sockets_of_fds(struct anybind *a, struct anybind_sockets **ret_sockets,
			   const int fds[], size_t n_fds, struct anybind_report *report)
{
	return socket_of_fds(&a->ns, ret_sockets, fds, n_fds, report);
}

int anybind_sockets_of_cookie(struct anybind *a, struct anybind_sockets **ret_sockets,
			      uint64_t cookie, struct anybind_report *report)
{
	return socket_of_cookie(&a->ns, ret_sockets, cookie, report);
}

int anybind_sockets_listening(struct anybind *a, struct anybind_sockets **ret_sockets, int protocol,
			      const struct sockaddr *address, struct anybind_report *report)
{
	return socket_listening(&a->ns, ret_sockets, protocol, address, report);
}

int registration_check_name(const char *service, struct anybind_report *report)
{
	char quoted[QUOTED_MAX];

	if (text_is_name(service, strlen(service)))
		return 0;
	return report_error(report, -EINVAL,
			    "Names are 1 to 64 of letters, digits, '.', '_', '-', '@' and ':'.",
			    "%s is no name for a service",
			    text_quote(service, strlen(service), quoted));
}

/*
 * They were found by way of a handle, but perhaps not of this one: the kernel
 * would take a socket of another namespace, and TCP would hang.
 */
static int check_netns(const struct anybind *a, const struct anybind_sockets *sockets,
		       struct anybind_report *report)
{
	for (size_t i = 0; i < sockets->n; i++) {
		const struct sock *s = &sockets->socks[i];
		char where[NETNS_TEXT_MAX];
		uint64_t cookie;
		socklen_t len = sizeof(cookie);

		if (s->fd < 0)
			continue; /* known by cookie: looked for in this namespace only */
		if (getsockopt(s->fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
			return report_error(report, -errno, NULL,
					    "cannot ask for the namespace of %s: %m", s->address);
		if (cookie != a->ns.cookie)
			return report_error(report, -EXDEV, NULL, "the socket %s is not in %s",
					    s->address, netns_text(&a->ns, where));
	}
	return 0;
}

int registration_declare(struct anybind *a, const char *service, struct anybind_report *report)
{
	char *words[] = { (char *)"service", (char *)service };
	struct anybind_ruleset *rs = NULL, *declaration = NULL;
	struct current current = CURRENT_NONE;
	int r = state_read(&a->state, &current, report);

	if (!r)
		r = table_ruleset(&current.table, &rs, report);
	else if (r == -ENOENT)
		r = anybind_ruleset_new(&rs);
	current_close(&current);
	if (!r && ruleset_find_service(rs, service) < 0) {
		r = anybind_ruleset_parse_words(&declaration, ARRAY_SIZE(words), words, report);
		if (!r)
			r = anybind_ruleset_add(rs, declaration, false, report);
		if (r >= 0)
			r = anybind_commit(a, rs, 0, report);
	}
	anybind_ruleset_free(declaration);
	anybind_ruleset_free(rs);
	return r;
}

/* ---- one family and protocol of a service ---- */

/* What a registration works on. */
struct registration {
	const struct anybind *anybind;
	const struct registry *registry;
	const struct anybind_register_options *options;
	struct anybind_report *report;
	struct pool pool;
	uint32_t own; /* the service's own slot */
	struct collect_item *items; /* sockets without a descriptor that await insertion */
	size_t n_items;
	bool reported; /* of a failure: it is explained already */
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

static bool is_alive(const struct member *member, void *data)
{
	const struct registration *g = data;
	uint64_t cookie;

	if (member->window)
		return true;
	return !kernel_slot_cookie(g->registry->maps.fd[MAP_SOCKETS], member->slot, &cookie);
}

static bool holds(const struct registration *g, const struct member *member, uint64_t cookie)
{
	uint64_t held;

	for (uint32_t i = 0; i < member_slots(member); i++)
		if (!kernel_slot_cookie(g->registry->maps.fd[MAP_SOCKETS], member->slot + i,
					&held) &&
		    held == cookie)
			return true;
	return false;
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
static int add_member(struct registration *g, struct members *members, const struct handle *handle,
		      bool standby)
{
	struct member member = {.weight = standby ? 0 : wanted_weight(g),
				.standby = standby && wanted_weight(g)};
	int r;

	for (size_t i = 0; i < members->n; i++) {
		struct member *m = &members->v[i];

		if (!holds(g, m, handle->cookie))
			continue;
		if (m->window)
			return is_followed(g);
		m->weight = member.weight;
		m->standby = member.standby;
		return 0;
	}
	r = pool_take(&g->pool, &member.slot);
	if (!r)
		r = fill_slot(g, member.slot, handle);
	if (!r)
		r = members_add(members, &member);
	return r;
}

static int add_sock(struct registration *g, struct members *members, const struct sock *sock)
{
	int r = 0;

	for (size_t i = 0; i <= sock->n_mates && !r; i++) {
		const struct handle handle = handle_of(sock, i);

		r = add_member(g, members, &handle, i > 0);
	}
	return r ? r : insert_waiting(g, sock);
}

/* Into the service's own slot, in one step; what was there stays where that fails. */
static int register_alone(struct registration *g, const struct sock *sock)
{
	const struct slot_record before = g->pool.records[g->own];
	const struct handle handle = handle_of(sock, 0);
	int r = fill_slot(g, g->own, &handle);

	if (!r)
		r = insert_waiting(g, sock);
	if (r < 0)
		g->pool.records[g->own] = before;
	return r;
}

/* Empties the slots of @before that @after does not have. */
static void release_others(struct registration *g, const struct members *before,
			   const struct members *after)
{
	for (size_t i = 0; i < before->n; i++) {
		bool stays = false;

		for (size_t j = 0; j < after->n; j++)
			stays |= after->v[j].slot == before->v[i].slot;
		if (!stays)
			pool_release(&g->pool, g->registry, before->v[i].slot);
	}
}

/*
 * Several sockets, or one with a weight, are a group; the group's step into its
 * slot is the commit. Members that are gone leave it on the occasion.
 */
static int register_in_group(struct registration *g, const struct members *before,
			     const struct sock *sock)
{
	const struct state *state = &g->anybind->state;
	struct members after = {.table = before->table, .n_table = before->n_table};
	const struct members nobody = {0};
	int r = 0;

	for (size_t i = 0; i < before->n && g->options->add && !r; i++)
		if (is_alive(&before->v[i], g))
			r = members_add(&after, &before->v[i]);
	if (!r)
		r = add_sock(g, &after, sock);
	if (!r)
		r = members_publish(state, g->registry, g->own, &after);
	if (!r)
		release_others(g, before, &after);
	else
		release_others(g, &after, g->options->add ? before : &nobody);
	after.table = NULL;
	members_free(&after);
	return r;
}

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

static int register_sock(struct registration *g, const struct sock *sock)
{
	_cleanup_free_ struct collect_item *items = calloc(1 + sock->n_mates, sizeof(*items));
	struct members before;
	bool single;
	int r = items ? members_read(&g->anybind->state, g->registry, g->own, &before) : -ENOMEM;

	if (r < 0)
		return refused(g, r, sock->address);
	r = check_followed(g, &before);
	if (r < 0) {
		members_free(&before);
		return r;
	}
	g->items = items;
	g->n_items = 0;
	single = !before.is_group && !(g->options->add && before.n) && !sock->n_mates &&
		 wanted_weight(g) == 1;
	r = single ? register_alone(g, sock) : register_in_group(g, &before, sock);
	members_free(&before);
	return r < 0 ? refused(g, r, sock->address) : 0;
}

static int insert(const struct anybind *a, const struct registry *registry, uint32_t id,
		  const struct anybind_sockets *sockets,
		  const struct anybind_register_options *options, struct anybind_report *report)
{
	struct registration g = {a, registry, options, report, .own = 0};
	int r = pool_open(&g.pool, &a->state, registry);

	if (r < 0)
		return refused(&g, r, "given");
	for (size_t i = 0; i < sockets->n && !r; i++) {
		const struct anybind_socket_info *info = &sockets->socks[i].info;

		g.own = SLOT(id, info->protocol == IPPROTO_UDP, info->family == AF_INET6);
		r = register_sock(&g, &sockets->socks[i]);
	}
	pool_close(&g.pool);
	return r;
}

int registration_find(struct anybind *a, const char *service, struct current *current,
		      struct registry *registry, struct anybind_report *report)
{
	int r = dispatcher_read(a, current, report);

	if (r < 0)
		return r;
	r = registry_open(registry, &current->maps, false);
	if (r < 0)
		return report_error(report, r, NULL, "cannot read the registry of services: %s",
				    report_errno(r));
	r = registry_find(registry, service);
	if (r < 0)
		report_error(report, r, "`anybind services` lists what there is.",
			     "no service %s", service);
	return r;
}

static int check_options(const struct anybind_register_options *options,
			 struct anybind_report *report)
{
	int r = report_struct(options, sizeof(*options), "anybind_register_options", report);

	if (r < 0 || options->weight <= ANYBIND_WEIGHT_MAX)
		return r;
	return report_error(report, -EINVAL, NULL, "weight %u is above %d", options->weight,
			    ANYBIND_WEIGHT_MAX);
}

int anybind_register(struct anybind *a, const char *service, const struct anybind_sockets *sockets,
		     const struct anybind_register_options *options, struct anybind_report *report)
{
	const struct anybind_register_options defaults = {.size = sizeof(defaults)};
	struct current current = CURRENT_NONE;
	struct registry registry = { 0 };
	int r = registration_check_name(service, report);

	if (!options)
		options = &defaults;
	if (!r)
		r = check_options(options, report);
	if (!r)
		r = check_netns(a, sockets, report);
	if (r < 0)
		return r;
	r = anybind_begin(a, report);
	if (r < 0)
		return r;
	r = registration_declare(a, service, report);
	if (!r)
		r = registration_find(a, service, &current, &registry, report);
	if (r >= 0)
		r = insert(a, &registry, r, sockets, options, report);
	registry_close(&registry);
	current_close(&current);
	anybind_end(a);
	return r;
}
