// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cleanup.h"

void members_free(struct members *members)
{
	free(members->v);
	free(members->table);
	*members = (struct members){0};
}

int members_add(struct members *members, const struct member *member)
{
	if (members->n == members->cap) {
		size_t cap = members->cap ? 2 * members->cap : 4;
		struct member *grown = reallocarray(members->v, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		members->v = grown;
		members->cap = cap;
	}
	members->v[members->n++] = *member;
	return 0;
}

void members_filter(struct members *members,
		    bool (*keep)(const struct member *member, void *data), void *data)
{
	size_t n = 0;

	for (size_t i = 0; i < members->n; i++)
		if (keep(&members->v[i], data))
			members->v[n++] = members->v[i];
	members->n = n;
}

static int by_cookie(const void *a, const void *b)
{
	uint64_t x = ((const struct known *)a)->cookie, y = ((const struct known *)b)->cookie;

	return (x > y) - (x < y);
}

/* Notes @cookie for the member that will be the next of @members. */
static int add_known(struct known **known, size_t *n, uint64_t cookie, size_t at)
{
	struct known *grown;

	/* A power of two of them is full. */
	if (!(*n & (*n - 1))) {
		grown = reallocarray(*known, *n ? 2 * *n : 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		*known = grown;
	}
	(*known)[(*n)++] = (struct known){cookie, at};
	return 0;
}

int members_add_open(struct members *members, const struct members *from,
		     const struct registry *registry, struct known **ret_known, size_t *ret_n)
{
	_cleanup_free_ struct known *known = NULL;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < from->n && !r; i++) {
		const struct member *member = &from->v[i];
		bool stays = member->window; /* it may fill again */

		for (uint32_t k = 0; k < member_slots(member) && !r; k++) {
			uint64_t cookie;

			r = kernel_slot_cookie(registry->maps.fd[MAP_SOCKETS], member->slot + k,
					       &cookie);
			stays |= !r;
			if (!r)
				r = add_known(&known, &n, cookie, members->n);
			else if (r == -ENOENT)
				r = 0;
		}
		if (!r && stays)
			r = members_add(members, member);
	}
	if (r < 0)
		return r;
	if (n)
		qsort(known, n, sizeof(*known), by_cookie);
	*ret_known = take_ptr(known);
	*ret_n = n;
	return 0;
}

const struct known *known_find(const struct known *known, size_t n, uint64_t cookie)
{
	const struct known key = {.cookie = cookie};

	return n ? bsearch(&key, known, n, sizeof(*known), by_cookie) : NULL;
}

/* ---- reading ---- */

static bool is_member(const struct member *member)
{
	if (!member->window)
		return member->slot < SLOTS;
	return member->slot >= SLOTS_OWN && member->slot < SLOTS &&
	       !((member->slot - SLOTS_OWN) % WINDOW_SLOTS);
}

/* Copies a group's members and table out of its @n elements. */
static int read_elements(const struct group_element *e, size_t n, struct members *ret)
{
	uint64_t mask = e[0].a, first = e[0].b, count = e[1].b;
	int r = 0;

	if (first != GROUP_HEAD + count || first > n || (mask & (mask + 1)) ||
	    (n > first && n - first != mask + 1))
		return -EUCLEAN;
	for (size_t i = GROUP_HEAD; i < first && !r; i++) {
		struct member member = {e[i].a, e[i].b & GROUP_WEIGHT, e[i].b & GROUP_STANDBY,
					e[i].b & GROUP_WINDOW};

		r = is_member(&member) ? members_add(ret, &member) : -EUCLEAN;
	}
	if (r < 0 || n == first)
		return r;
	ret->table = calloc(n - first, sizeof(*ret->table));
	if (!ret->table)
		return -ENOMEM;
	for (size_t i = first; i < n; i++)
		ret->table[ret->n_table++] = e[i].a;
	return 0;
}

static int read_group(int group, struct members *ret)
{
	size_t size;
	void *value;
	int r = kernel_mmap(group, false, &value, &size);

	if (r < 0)
		return r;
	r = size < GROUP_HEAD * sizeof(struct group_element)
		    ? -EUCLEAN
		    : read_elements(value, size / sizeof(struct group_element), ret);
	munmap(value, size);
	return r;
}

/* Readers take no lock: the group may be replaced, and its pin gone, at any time. */
#define READ_TRIES 100

static int open_group(const struct state *state, int groups, uint32_t own)
{
	uint32_t id, last = 0;
	int r = -ENOENT;

	for (int try = 0; try < READ_TRIES; try++) {
		r = kernel_group_id(groups, own, &id);
		if (r < 0)
			return r;
		r = state_open_group(state, own, id);
		if (r != -ENOENT)
			return r;
		if (id == last)
			break;
		last = id;
	}
	return r == -ENOENT ? -EUCLEAN : r;
}

/* The own slot alone, if anything is in it. */
static int read_alone(const struct registry *registry, uint32_t own, struct members *ret)
{
	const struct member alone = {own, 1, false, false};
	uint64_t cookie;
	int r = kernel_slot_cookie(registry->maps.fd[MAP_SOCKETS], own, &cookie);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return members_add(ret, &alone);
}

int members_read(const struct state *state, const struct registry *registry, uint32_t own,
		 struct members *ret)
{
	_cleanup_close_ int group = open_group(state, registry->maps.fd[MAP_GROUPS], own);
	struct members members = {.is_group = group >= 0};
	int r = group;

	if (group >= 0)
		r = read_group(group, &members);
	else if (group == -ENOENT)
		r = read_alone(registry, own, &members);
	if (r < 0)
		members_free(&members);
	else
		*ret = members;
	return r;
}

/* ---- writing ---- */

/* Those with a weight, those that stand by, the rest. */
static int rank(const struct member *member)
{
	return member->weight ? 0 : member->standby ? 1 : 2;
}

static uint32_t flags_of(const struct member *member)
{
	return (member->standby ? GROUP_STANDBY : 0) | (member->window ? GROUP_WINDOW : 0);
}

/* The places of the table. */
static void fill_places(const struct members *members, const uint32_t *table, size_t n,
			struct group_element *places)
{
	uint8_t windows[WINDOWS] = {0};

	for (size_t i = 0; i < members->n; i++)
		if (members->v[i].window)
			windows[WINDOW_OF(members->v[i].slot)] = 1;
	for (size_t i = 0; i < n; i++) {
		bool window = table[i] >= SLOTS_OWN && windows[WINDOW_OF(table[i])];

		places[i] = (struct group_element){table[i], window ? GROUP_WINDOW : 0};
	}
}

/* Elements as bpf/abi.h describes them; to be freed. */
static struct group_element *make_elements(const struct members *members, const uint32_t *table,
					   size_t n_table, size_t *ret_n)
{
	size_t first = GROUP_HEAD + members->n, at = GROUP_HEAD;
	struct group_element *e = calloc(first + n_table, sizeof(*e));

	if (!e)
		return NULL;
	e[0] = (struct group_element){n_table ? n_table - 1 : 0, first};
	e[1].b = members->n;
	for (int wanted = 0; wanted < 3; wanted++)
		for (size_t i = 0; i < members->n; i++) {
			const struct member *m = &members->v[i];

			if (rank(m) != wanted)
				continue;
			e[at++] = (struct group_element){m->slot, m->weight | flags_of(m)};
			e[1].a += wanted < 2;
		}
	fill_places(members, table, n_table, &e[first]);
	*ret_n = first + n_table;
	return e;
}

int members_publish(const struct state *state, const struct registry *registry, uint32_t own,
		    const struct members *members)
{
	_cleanup_free_ struct spread_member *weights = calloc(members->n + 1, sizeof(*weights));
	_cleanup_free_ struct group_element *elements = NULL;
	_cleanup_free_ uint32_t *table = NULL;
	_cleanup_close_ int group = -1;
	int groups = registry->maps.fd[MAP_GROUPS], r;
	size_t n_table, n;

	if (!weights)
		return -ENOMEM;
	for (size_t i = 0; i < members->n; i++)
		weights[i] = (struct spread_member){members->v[i].slot, members->v[i].weight};
	r = spread_build(members->table, members->n_table, weights, members->n, &table, &n_table);
	if (r < 0)
		return r;
	elements = make_elements(members, table, n_table, &n);
	if (!elements)
		return -ENOMEM;
	r = group = kernel_group_new(elements, n);
	if (r >= 0)
		r = state_pin_group(state, own, group);
	if (r >= 0)
		r = kernel_group_set(groups, own, group);
	state_clear_groups(state, groups); /* the old one, or ours if it did not get in */
	return r < 0 ? r : 0;
}

int members_dissolve(const struct state *state, const struct registry *registry, uint32_t own)
{
	int groups = registry->maps.fd[MAP_GROUPS], r;

	/* Not a member, it may still hold what a killed writer left there. */
	r = kernel_slot_clear(registry->maps.fd[MAP_SOCKETS], own);
	if (!r || r == -ENOENT)
		r = kernel_group_clear(groups, own);
	state_clear_groups(state, groups);
	return r == -ENOENT ? 0 : r;
}

static bool is_other(const struct member *member, void *slot)
{
	return member->slot != *(uint32_t *)slot;
}

int members_remove(const struct state *state, const struct registry *registry, uint32_t own,
		   uint32_t slot)
{
	struct members members;
	int r = members_read(state, registry, own, &members);
	size_t before;

	if (r < 0)
		return r;
	before = members.n;
	members_filter(&members, is_other, &slot);
	if (members.n == before)
		r = -ENOENT;
	else
		r = members.n ? members_publish(state, registry, own, &members)
			      : members_dissolve(state, registry, own);
	members_free(&members);
	return r;
}

/* ---- a service's sockets together ---- */

/* Calls @fn for each open socket of @member until it says stop. */
static int each_socket(const struct registry *registry, const struct member *member,
		       int (*fn)(uint64_t cookie, void *data), void *data)
{
	uint64_t cookie;
	int r = 0;

	for (uint32_t i = 0; i < member_slots(member) && !r; i++)
		if (!kernel_slot_cookie(registry->maps.fd[MAP_SOCKETS], member->slot + i, &cookie))
			r = fn(cookie, data);
	return r;
}

/* Calls @fn for each open socket of @id until it says stop. */
static int each_open(const struct state *state, const struct registry *registry, uint32_t id,
		     int (*fn)(uint64_t cookie, void *data), void *data)
{
	int r = 0;

	for (uint32_t own = SLOT(id, 0, 0); own <= SLOT(id, 1, 1) && !r; own++) {
		struct members members;

		if (members_read(state, registry, own, &members) < 0)
			continue;
		for (size_t i = 0; i < members.n && !r; i++)
			r = each_socket(registry, &members.v[i], fn, data);
		members_free(&members);
	}
	return r;
}

static int stop(uint64_t cookie, void *data)
{
	(void)cookie;
	(void)data;
	return 1;
}

bool members_any_open(const struct state *state, const struct registry *registry, uint32_t id)
{
	bool any = false;

	for (uint32_t own = SLOT(id, 0, 0); own <= SLOT(id, 1, 1) && !any; own++) {
		struct members members;

		/* What cannot be read may be open. */
		if (members_read(state, registry, own, &members) < 0)
			return true;
		for (size_t i = 0; i < members.n && !any; i++)
			any = each_socket(registry, &members.v[i], stop, NULL);
		members_free(&members);
	}
	return any;
}

void members_collect(const struct state *state, struct registry *registry,
		     const struct anybind_ruleset *rs, const uint8_t *held)
{
	for (uint32_t id = 0; id < REGISTRY_SIZE; id++) {
		const char *name = registry_name(registry, id);

		if (!registry->entries[id].name[0] || held[id] ||
		    (name && ruleset_find_service(rs, name) >= 0) ||
		    members_any_open(state, registry, id))
			continue;
		for (uint32_t own = SLOT(id, 0, 0); own <= SLOT(id, 1, 1); own++)
			members_dissolve(state, registry, own);
		registry_free_id(registry, id);
	}
}

struct cookies {
	uint64_t *v;
	size_t n, cap;
};

static int add_cookie(uint64_t cookie, void *data)
{
	struct cookies *c = data;

	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;
		uint64_t *grown = reallocarray(c->v, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		c->v = grown;
		c->cap = cap;
	}
	c->v[c->n++] = cookie;
	return 0;
}

int members_cookies(const struct state *state, const struct registry *registry, uint64_t **ret,
		    size_t *ret_n)
{
	struct cookies cookies = {0};
	int r = 0;

	for (uint32_t id = 0; id < REGISTRY_SIZE && !r; id++)
		if (registry->entries[id].name[0])
			r = each_open(state, registry, id, add_cookie, &cookies);
	if (r < 0) {
		free(cookies.v);
		return r;
	}
	*ret = cookies.v;
	*ret_n = cookies.n;
	return 0;
}
