// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Services with their sockets. */
#include "inspect.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "error.h"
#include "fallback.h"
#include "follows.h"
#include "text.h"

/* ---- services ---- */

struct anybind_services {
	size_t n;
	struct anybind_service_info *infos;
	struct room { /* what an info points to */
		char name[ANYBIND_NAME_MAX + 1], fallback[ANYBIND_NAME_MAX + 1];
		struct anybind_socket_info *sockets;
		struct socket_text *texts;
		struct anybind_follow_info *follows;
		struct follow_text *follow_texts;
	} *rooms;
};

void anybind_services_free(struct anybind_services *services)
{
	if (!services)
		return;
	for (size_t i = 0; i < services->n; i++) {
		free(services->rooms[i].follows);
		free(services->rooms[i].follow_texts);
		free(services->rooms[i].sockets);
		free(services->rooms[i].texts);
	}
	free(services->infos);
	free(services->rooms);
	free(services);
}

size_t anybind_services_count(const struct anybind_services *services)
{
	return services->n;
}

const struct anybind_service_info *anybind_services_get(const struct anybind_services *services,
							size_t i)
{
	return i < services->n ? &services->infos[i] : NULL;
}

/* What a listing looks at. */
struct listing {
	const struct anybind *anybind;
	const struct registry *registry;
	const struct census *census;
	const struct slot_record *records; /* or NULL */
	const struct window *windows;	   /* or NULL */
	const struct follow *follows;
	size_t n_follows;
};

/* How many places each slot has; to be freed. NULL: out of memory. */
static uint32_t *count_places(const struct members *members)
{
	uint32_t *places = calloc(SLOTS, sizeof(*places));

	for (size_t i = 0; places && i < members->n_table; i++)
		if (members->table[i] < SLOTS)
			places[members->table[i]]++;
	return places;
}

static double share_of(const struct members *members, const uint32_t *places,
		       const struct member *member)
{
	if (!members->is_group)
		return 1;
	return members->n_table ? (double)places[member->slot] / members->n_table : 0;
}

static bool is_open(const struct listing *l, uint32_t slot, uint64_t *ret_cookie)
{
	return !kernel_slot_cookie(l->registry->maps.fd[MAP_SOCKETS], slot, ret_cookie);
}

/*
 * The slot that a member's flows go to. Of a window it is known once there were
 * any; else it will be the first one that is open.
 */
static uint32_t leader_of(const struct listing *l, uint32_t own, const struct member *member)
{
	uint64_t cookie;

	if (!member->window)
		return member->slot;
	if (l->windows) {
		uint32_t place = l->windows[WINDOW_OF(member->slot)].best[own & 1];

		if (place < WINDOW_SLOTS && is_open(l, member->slot + place, &cookie))
			return member->slot + place;
	}
	for (uint32_t slot = member->slot; slot < member->slot + WINDOW_SLOTS; slot++)
		if (is_open(l, slot, &cookie))
			return slot;
	return member->slot;
}

/* Seconds of CLOCK_REALTIME. */
static uint64_t since_of(const struct slot_record *record)
{
	struct timespec boot;

	if (!(record->flags & RECORD_BOOT))
		return record->since;
	if (clock_gettime(CLOCK_BOOTTIME, &boot) < 0)
		return 0;
	return (uint64_t)time(NULL) - ((uint64_t)boot.tv_sec - record->since);
}

/* @slot: the member's own, or one of its window. */
static void describe_member(const struct listing *l, uint32_t own, double share,
			    const struct member *member, uint32_t slot,
			    struct anybind_socket_info *info, struct socket_text *text)
{
	const struct slot_record *record = l->records ? &l->records[slot] : NULL;
	bool leads = leader_of(l, own, member) == slot;
	uint64_t cookie = 0;
	bool open = is_open(l, slot, &cookie);

	if (!open && record)
		cookie = record->cookie;
	census_describe(l->census, own, cookie, info, text);
	if (!open)
		info->state = ANYBIND_SOCKET_GONE;
	else if (!info->address)
		info->state = ANYBIND_SOCKET_SHUT_DOWN;
	info->weight = leads ? member->weight : 0;
	info->standby = member->standby || (!leads && member->weight);
	info->share = leads ? share : 0;
	if (!record || record->cookie != cookie)
		return;
	info->since = since_of(record);
	info->by_uid = record->uid;
	snprintf(text->how, sizeof(text->how), "%.*s", (int)sizeof(record->how), record->how);
	info->how = text->how;
}

/* An empty place of a window is no socket that is gone. */
static bool is_shown(const struct listing *l, const struct member *member, uint32_t slot)
{
	uint64_t cookie;

	return !member->window || is_open(l, slot, &cookie);
}

/* The sockets of one family and protocol; @max in all, should there be more meanwhile. */
static int add_sockets(const struct listing *l, uint32_t own, size_t max,
		       struct anybind_service_info *info, struct room *room)
{
	_cleanup_free_ uint32_t *places = NULL;
	struct members members;
	int r = members_read(&l->anybind->state, l->registry, own, &members);

	if (r < 0)
		return r;
	/* A single socket has no table. */
	if (members.is_group && !(places = count_places(&members)))
		r = -ENOMEM;
	for (size_t i = 0; i < members.n && !r; i++) {
		const struct member *m = &members.v[i];
		double share = share_of(&members, places, m);

		for (uint32_t k = 0; k < member_slots(m) && info->n_sockets < max; k++) {
			if (!is_shown(l, m, m->slot + k))
				continue;
			describe_member(l, own, share, m, m->slot + k,
					&room->sockets[info->n_sockets],
					&room->texts[info->n_sockets]);
			info->n_sockets++;
		}
	}
	members_free(&members);
	return r;
}

/* How many sockets a service has, so that their texts need not move. */
static int count_sockets(const struct listing *l, uint32_t id, size_t *ret)
{
	*ret = 0;
	for (uint32_t own = SLOT(id, 0, 0); own <= SLOT(id, 1, 1); own++) {
		struct members members;
		int r = members_read(&l->anybind->state, l->registry, own, &members);

		if (r < 0)
			return r;
		for (size_t i = 0; i < members.n; i++)
			for (uint32_t k = 0; k < member_slots(&members.v[i]); k++)
				*ret += is_shown(l, &members.v[i], members.v[i].slot + k);
		members_free(&members);
	}
	return 0;
}

static int add_follows(const struct listing *l, uint32_t id, struct anybind_service_info *info,
		       struct room *room)
{
	room->follows = calloc(l->n_follows + 1, sizeof(*room->follows));
	room->follow_texts = calloc(l->n_follows + 1, sizeof(*room->follow_texts));
	if (!room->follows || !room->follow_texts)
		return -ENOMEM;
	info->follows = room->follows;
	for (size_t i = 0; i < l->n_follows; i++) {
		size_t k = info->n_follows;
		int r;

		if (!l->follows[i].in_force || l->follows[i].state.service != id)
			continue;
		r = follow_describe(l->anybind, l->registry, l->windows, &l->follows[i],
				    &room->follows[k], &room->follow_texts[k]);
		if (r < 0)
			return r;
		info->n_follows++;
	}
	return 0;
}

static int fill_service(struct anybind_services *services, const struct listing *l,
			const char *name, uint32_t id)
{
	struct anybind_service_info *info = &services->infos[services->n];
	struct room *room = &services->rooms[services->n++];
	struct counters c;
	size_t n;
	int r = kernel_counters(l->registry->maps.fd[MAP_COUNTERS], id, &c);

	if (r < 0)
		return r;
	memcpy(room->name, name, strlen(name) + 1);
	*info = (struct anybind_service_info){
		.name = room->name,
		.counters = { c.steered, c.missing, c.eafnosupport, c.eprototype,
			      c.esocktnosupport, c.other },
	};
	r = count_sockets(l, id, &n);
	if (r < 0)
		return r;
	room->sockets = calloc(n + 1, sizeof(*room->sockets));
	room->texts = calloc(n + 1, sizeof(*room->texts));
	if (!room->sockets || !room->texts)
		return -ENOMEM;
	for (uint32_t own = SLOT(id, 0, 0); own <= SLOT(id, 1, 1) && !r; own++)
		r = add_sockets(l, own, n, info, room);
	info->sockets = room->sockets;
	return r ? r : add_follows(l, id, info, room);
}

static int by_service_name(const void *a, const void *b)
{
	return strcmp(((const struct anybind_service_info *)a)->name,
		      ((const struct anybind_service_info *)b)->name);
}

/* What the last of @services does without a socket: as @service of the rules. */
static void add_policy(struct anybind_services *services, const struct anybind_ruleset *rs,
		       size_t service)
{
	struct anybind_service_info *info = &services->infos[services->n - 1];
	struct room *room = &services->rooms[services->n - 1];
	const char *fallback = fallback_name(rs, service);

	info->missing_pass = rs->services[service].missing_pass;
	if (!fallback)
		return;
	memcpy(room->fallback, fallback, strlen(fallback) + 1);
	info->fallback = room->fallback;
}

static bool is_followed(const struct listing *l, uint32_t id)
{
	for (size_t i = 0; i < l->n_follows; i++)
		if (l->follows[i].in_force && l->follows[i].state.service == id)
			return true;
	return false;
}

/* Those of the registry that rules name or that have sockets or follow a cgroup. */
static int collect(struct anybind_services *services, const struct listing *l,
		   const struct anybind_ruleset *rs)
{
	for (uint32_t id = 0; id < REGISTRY_SIZE; id++) {
		const char *name = registry_name(l->registry, id);
		int service = name ? ruleset_find_service(rs, name) : -1;
		int r;

		if (!name ||
		    (service < 0 && !is_followed(l, id) &&
		     !members_any_open(&l->anybind->state, l->registry, id)))
			continue;
		r = fill_service(services, l, name, id);
		if (r < 0)
			return r;
		if (service >= 0)
			add_policy(services, rs, (size_t)service);
	}
	return 0;
}

static int count_rules(struct anybind_services *services, const struct anybind_ruleset *rs)
{
	_cleanup_free_ size_t *counts = calloc(rs->n_services + 1, sizeof(*counts));

	if (!counts)
		return -ENOMEM;
	for (size_t i = 0; i < rs->n_rules; i++)
		if (rs->rules[i].action == ANYBIND_BIND)
			counts[rs->rules[i].service]++;
	qsort(services->infos, services->n, sizeof(*services->infos), by_service_name);
	for (size_t i = 0; i < services->n; i++) {
		int service = ruleset_find_service(rs, services->infos[i].name);

		services->infos[i].rules = service < 0 ? 0 : counts[service];
	}
	return 0;
}

static int list_services(struct anybind_services **ret, const struct anybind *a,
			 const struct current *current, const struct anybind_ruleset *rs)
{
	struct anybind_services *services = calloc(1, sizeof(*services));
	struct registry registry = { 0 };
	struct census census = { 0 };
	_cleanup_free_ struct follow *follows = NULL;
	struct listing l = { a, &registry, &census };
	size_t mapped = 0, windows_mapped = 0;
	int r = -ENOMEM;

	if (!services)
		return -ENOMEM;
	services->infos = calloc(REGISTRY_SIZE, sizeof(*services->infos));
	services->rooms = calloc(REGISTRY_SIZE, sizeof(*services->rooms));
	if (services->infos && services->rooms)
		r = registry_open(&registry, &current->maps, false);
	if (!r)
		r = census_take(&census, &a->ns);
	if (!r)
		r = follows_read(&a->state, &follows, &l.n_follows);
	if (!r) {
		l.follows = follows;
		l.records = records_map(&registry, &mapped);
		l.windows = windows_map(&registry, &windows_mapped);
		r = collect(services, &l, rs);
	}
	if (!r)
		r = count_rules(services, rs);
	if (l.records)
		munmap((void *)l.records, mapped);
	if (l.windows)
		munmap((void *)l.windows, windows_mapped);
	census_free(&census);
	registry_close(&registry);
	if (r < 0)
		anybind_services_free(services);
	else
		*ret = services;
	return r;
}

int anybind_services(struct anybind *a, struct anybind_services **ret_services,
		     struct anybind_report *report)
{
	struct current current = CURRENT_NONE;
	struct anybind_ruleset rs;
	int r = dispatcher_read(a, &current, report);

	if (r < 0)
		return r;
	r = table_checked(&current.table, &rs, report);
	if (!r) {
		r = list_services(ret_services, a, &current, &rs);
		if (r < 0)
			report_error(report, r, NULL, "cannot list services: %s",
				     report_errno(r));
	}
	current_close(&current);
	return r;
}
