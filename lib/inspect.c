// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* status and services. */
#include "inspect.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "error.h"
#include "fallback.h"
#include "text.h"

/* ---- services ---- */

struct anybind_services {
	size_t n;
	struct anybind_service_info *infos;
	struct room { /* what an info points to */
		char name[ANYBIND_NAME_MAX + 1], fallback[ANYBIND_NAME_MAX + 1];
		struct anybind_socket_info *sockets;
		struct socket_text *texts;
	} *rooms;
};

void anybind_services_free(struct anybind_services *services)
{
	if (!services)
		return;
	for (size_t i = 0; i < services->n; i++) {
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

static void describe_member(const struct listing *l, uint32_t own, double share,
			    const struct member *member, struct anybind_socket_info *info,
			    struct socket_text *text)
{
	const struct slot_record *record = l->records ? &l->records[member->slot] : NULL;
	uint64_t cookie = 0;
	bool open = !kernel_slot_cookie(l->registry->maps.fd[MAP_SOCKETS], member->slot, &cookie);

	if (!open && record)
		cookie = record->cookie;
	census_describe(l->census, own, cookie, info, text);
	if (!open)
		info->state = ANYBIND_SOCKET_GONE;
	else if (!info->address)
		info->state = ANYBIND_SOCKET_SHUT_DOWN;
	info->weight = member->weight;
	info->standby = member->standby;
	info->share = share;
	if (!record || record->cookie != cookie)
		return;
	info->since = record->since;
	info->by_uid = record->uid;
	snprintf(text->how, sizeof(text->how), "%.*s", (int)sizeof(record->how), record->how);
	info->how = text->how;
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
	places = count_places(&members);
	for (size_t i = 0; i < members.n && info->n_sockets < max && places; i++) {
		struct anybind_socket_info *socket = &room->sockets[info->n_sockets];

		describe_member(l, own, share_of(&members, places, &members.v[i]), &members.v[i],
				socket, &room->texts[info->n_sockets++]);
	}
	members_free(&members);
	return places ? 0 : -ENOMEM;
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
		*ret += members.n;
		members_free(&members);
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
	return r;
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

/* Those of the registry that rules name or that have sockets. */
static int collect(struct anybind_services *services, const struct listing *l,
		   const struct anybind_ruleset *rs)
{
	for (uint32_t id = 0; id < REGISTRY_SIZE; id++) {
		const char *name = registry_name(l->registry, id);
		int service = name ? ruleset_find_service(rs, name) : -1;
		int r;

		if (!name ||
		    (service < 0 && !members_any_open(&l->anybind->state, l->registry, id)))
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
	struct listing l = { a, &registry, &census, NULL };
	size_t mapped = 0;
	int r = -ENOMEM;

	if (!services)
		return -ENOMEM;
	services->infos = calloc(REGISTRY_SIZE, sizeof(*services->infos));
	services->rooms = calloc(REGISTRY_SIZE, sizeof(*services->rooms));
	if (services->infos && services->rooms)
		r = registry_open(&registry, &current->maps, false);
	if (!r)
		r = census_take(&census, &a->ns);
	if (!r) {
		l.records = records_map(&registry, &mapped);
		r = collect(services, &l, rs);
	}
	if (!r)
		r = count_rules(services, rs);
	if (l.records)
		munmap((void *)l.records, mapped);
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
	struct anybind_ruleset *rs = NULL;
	int r = dispatcher_read(a, &current, report);

	if (r < 0)
		return r;
	r = table_ruleset(&current.table, &rs, report);
	if (!r) {
		r = list_services(ret_services, a, &current, rs);
		if (r < 0)
			report_error(report, r, NULL, "cannot list services: %s",
				     report_errno(r));
	}
	anybind_ruleset_free(rs);
	current_close(&current);
	return r;
}

/* ---- status ---- */

struct status {
	struct anybind_status public;
	char path[PATH_MAX];
	struct device *names;
	struct anybind_device_info *devices;
	uint32_t *others;
};

void anybind_status_free(struct anybind_status *status)
{
	struct status *s = (struct status *)status;

	if (!s)
		return;
	free(s->names);
	free(s->devices);
	free(s->others);
	free(s);
}

static int status_devices(struct status *s, const struct anybind *a,
			  const struct anybind_ruleset *rs)
{
	s->names = calloc(rs->n_devices + 1, sizeof(*s->names));
	s->devices = calloc(rs->n_devices + 1, sizeof(*s->devices));
	if (!s->names || !s->devices)
		return -ENOMEM;
	for (size_t i = 0; i < rs->n_devices; i++) {
		int now = facts_ifindex(&a->ns, rs->devices[i].name);

		s->names[i] = rs->devices[i];
		s->devices[i] = (struct anybind_device_info){
			s->names[i].name, rs->devices[i].ifindex, now > 0 ? now : 0,
		};
	}
	s->public.devices = s->devices;
	s->public.n_devices = rs->n_devices;
	return 0;
}

/* Programs on the namespace besides ours; a failure leaves the list empty. */
static void status_others(struct status *s, const struct anybind *a)
{
	size_t n = 0, kept = 0;

	if (kernel_attached(a->ns.fd, &s->others, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (!s->public.loaded || s->others[i] != s->public.program_id)
			s->others[kept++] = s->others[i];
	s->public.others = s->others;
	s->public.n_others = kept;
}

static int status_loaded(struct status *s, const struct anybind *a, const struct current *current,
			 struct anybind_report *report)
{
	const struct table_header *h = current->table.header;
	struct anybind_status *p = &s->public;
	struct anybind_ruleset *rs;
	int r = table_ruleset(&current->table, &rs, report);

	if (r < 0)
		return r;
	p->loaded = true;
	p->generation = h->generation;
	p->changed = h->changed;
	p->program_id = current->info.program_id;
	p->link_id = current->info.link_id;
	p->layout = h->layout;
	p->rules = h->n_rules;
	p->services = h->n_services;
	p->table_bytes = table_lookup_bytes(&current->table);
	p->rules_bytes = table_rules_bytes(&current->table);
	r = status_devices(s, a, rs);
	anybind_ruleset_free(rs);
	return r < 0 ? report_oom(report) : 0;
}

int anybind_status(struct anybind *a, struct anybind_status **ret_status,
		   struct anybind_report *report)
{
	struct current current = CURRENT_NONE;
	struct status *s = calloc(1, sizeof(*s));
	int r = -ENOENT;

	if (!s)
		return report_oom(report);
	s->public.netns_cookie = a->ns.cookie;
	s->public.netns_inode = a->ns.inode;
	memcpy(s->path, a->state.path, sizeof(a->state.path));
	s->public.path = s->path;
	if (a->has_bpffs)
		r = state_read(&a->state, &current, report);
	if (!r)
		r = status_loaded(s, a, &current, report);
	current_close(&current);
	if (r < 0 && r != -ENOENT) {
		anybind_status_free(&s->public);
		return r;
	}
	status_others(s, a);
	*ret_status = &s->public;
	return 0;
}
