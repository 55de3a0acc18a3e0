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

int members_add_open(struct members *members, const struct members *from,
		     const struct registry *registry, struct known **ret_known)
{
	_cleanup_free_ struct known *known = calloc(from->n + 1, sizeof(*known));
	int r = known ? 0 : -ENOMEM;

	for (size_t i = 0; i < from->n && !r; i++) {
		const struct member *member = &from->v[i];
		uint64_t cookie;

		r = kernel_slot_cookie(registry->maps.fd[MAP_SOCKETS], member->slot, &cookie);
		if (r == -ENOENT) {
			r = 0;
			continue;
		}
		known[members->n] = (struct known){cookie, members->n};
		if (!r)
			r = members_add(members, member);
	}
	if (r < 0)
		return r;
	qsort(known, members->n, sizeof(*known), by_cookie);
	*ret_known = take_ptr(known);
	return 0;
}

const struct known *known_find(const struct known *known, size_t n, uint64_t cookie)
{
	const struct known key = {.cookie = cookie};

	return n ? bsearch(&key, known, n, sizeof(*known), by_cookie) : NULL;
}

/* ---- reading ---- */

/* Copies a group's members and table out of its @n elements. */
static int read_elements(const struct group_element *e, size_t n, struct members *ret)
{
	uint64_t mask = e[0].a, first = e[0].b, count = e[1].b;
	int r = 0;

	if (first != GROUP_HEAD + count || first > n || (mask & (mask + 1)) ||
	    (n > first && n - first != mask + 1))
		return -EUCLEAN;
	for (size_t i = GROUP_HEAD; i < first && !r; i++) {
		struct member member = {e[i].a, e[i].b & GROUP_WEIGHT, e[i].b & GROUP_STANDBY};

		r = member.slot < SLOTS ? members_add(ret, &member) : -EUCLEAN;
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
	const struct member alone = {own, 1, false};
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
			e[at++] = (struct group_element){
				m->slot, m->weight | (m->standby ? GROUP_STANDBY : 0)};
			e[1].a += wanted < 2;
		}
	for (size_t i = 0; i < n_table; i++)
		e[first + i].a = table[i];
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

/* ---- a service's sockets together ---- */

/* Calls @fn for each open socket of @id until it says stop. */
static int each_open(const struct state *state, const struct registry *registry, uint32_t id,
		     int (*fn)(uint64_t cookie, void *data), void *data)
{
	int r = 0;

	for (uint32_t own = SLOT(id, 0, 0); own <= SLOT(id, 1, 1) && !r; own++) {
		struct members members;
		uint64_t cookie;

		if (members_read(state, registry, own, &members) < 0)
			continue;
		for (size_t i = 0; i < members.n && !r; i++)
			if (!kernel_slot_cookie(registry->maps.fd[MAP_SOCKETS], members.v[i].slot,
						&cookie))
				r = fn(cookie, data);
		members_free(&members);
	}
	return r;
}

bool members_any_open(const struct state *state, const struct registry *registry, uint32_t id)
{
	bool any = false;

	for (uint32_t own = SLOT(id, 0, 0); own <= SLOT(id, 1, 1) && !any; own++) {
		struct members members;
		uint64_t cookie;

		/* What cannot be read may be open. */
		if (members_read(state, registry, own, &members) < 0)
			return true;
		for (size_t i = 0; i < members.n && !any; i++)
			any = kernel_slot_cookie(registry->maps.fd[MAP_SOCKETS], members.v[i].slot,
						 &cookie) != -ENOENT;
		members_free(&members);
	}
	return any;
}

void members_collect(const struct state *state, struct registry *registry,
		     const struct anybind_ruleset *rs)
{
	for (uint32_t id = 0; id < REGISTRY_SIZE; id++) {
		const char *name = registry_name(registry, id);

		if (!registry->entries[id].name[0] ||
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

/* ---- slots of the pool ---- */

static int map_records(const struct registry *registry, bool write, struct slot_record **ret,
		       size_t *ret_mapped)
{
	void *records;
	int r = kernel_mmap(registry->maps.fd[MAP_RECORDS], write, &records, ret_mapped);

	if (r < 0)
		return r;
	if (*ret_mapped < SLOTS * sizeof(struct slot_record)) {
		munmap(records, *ret_mapped);
		return -EUCLEAN;
	}
	*ret = records;
	return 0;
}

const struct slot_record *records_map(const struct registry *registry, size_t *ret_mapped)
{
	struct slot_record *records;

	return map_records(registry, false, &records, ret_mapped) < 0 ? NULL : records;
}

void pool_close(struct pool *pool)
{
	if (pool->records)
		munmap(pool->records, pool->mapped);
	free(pool->used);
	*pool = (struct pool){0};
}

static int mark_used(struct pool *pool, const struct state *state, const struct registry *registry)
{
	for (uint32_t own = 0; own < SLOTS_OWN; own++) {
		struct members members;
		int r;

		if (!registry_name(registry, own >> 2))
			continue;
		r = members_read(state, registry, own, &members);
		if (r < 0)
			return r;
		for (size_t i = 0; i < members.n; i++)
			if (members.v[i].slot >= SLOTS_OWN)
				pool->used[members.v[i].slot - SLOTS_OWN] = 1;
		members_free(&members);
	}
	return 0;
}

int pool_open(struct pool *ret, const struct state *state, const struct registry *registry)
{
	struct pool pool = {.used = calloc(SLOTS_POOL, 1)};
	int r = pool.used ? map_records(registry, true, &pool.records, &pool.mapped) : -ENOMEM;

	if (!r)
		r = mark_used(&pool, state, registry);
	for (uint32_t i = 0; i < SLOTS_POOL && !r; i++)
		if (!pool.used[i] && pool.records[SLOTS_OWN + i].cookie)
			pool_release(&pool, registry, SLOTS_OWN + i);
	if (r < 0)
		pool_close(&pool);
	else
		*ret = pool;
	return r;
}

int pool_take(struct pool *pool, uint32_t *ret_slot)
{
	while (pool->next < SLOTS_POOL && pool->used[pool->next])
		pool->next++;
	if (pool->next == SLOTS_POOL)
		return -ENOSPC;
	pool->used[pool->next] = 1;
	*ret_slot = SLOTS_OWN + pool->next;
	return 0;
}

void pool_release(struct pool *pool, const struct registry *registry, uint32_t slot)
{
	kernel_slot_clear(registry->maps.fd[MAP_SOCKETS], slot);
	memset(&pool->records[slot], 0, sizeof(pool->records[slot]));
	if (slot < SLOTS_OWN)
		return;
	pool->used[slot - SLOTS_OWN] = 0;
	if (slot - SLOTS_OWN < pool->next)
		pool->next = slot - SLOTS_OWN;
}

void pool_release_others(struct pool *pool, const struct registry *registry,
			 const struct members *before, const struct members *after)
{
	_cleanup_free_ uint8_t *stays = calloc(SLOTS, 1);

	/* Without memory they stay as litter, which the next writer clears. */
	for (size_t i = 0; i < after->n && stays; i++)
		stays[after->v[i].slot] = 1;
	for (size_t i = 0; i < before->n && stays; i++)
		if (!stays[before->v[i].slot])
			pool_release(pool, registry, before->v[i].slot);
}
