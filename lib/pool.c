// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Slots of the pool and their records. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cleanup.h"
#include "members.h"

/* All of a map's values; -EUCLEAN where they are fewer bytes than @size. */
static int map_values(int map, bool write, size_t size, void **ret, size_t *ret_mapped)
{
	void *values;
	size_t mapped;
	int r = kernel_mmap(map, write, &values, &mapped);

	if (r < 0)
		return r;
	if (mapped < size) {
		munmap(values, mapped);
		return -EUCLEAN;
	}
	*ret = values;
	*ret_mapped = mapped;
	return 0;
}

static int map_records(const struct registry *registry, bool write, struct slot_record **ret,
		       size_t *ret_mapped)
{
	return map_values(registry->maps.fd[MAP_RECORDS], write, SLOTS * sizeof(**ret),
			  (void **)ret, ret_mapped);
}

const struct slot_record *records_map(const struct registry *registry, size_t *ret_mapped)
{
	struct slot_record *records;

	return map_records(registry, false, &records, ret_mapped) < 0 ? NULL : records;
}

static int map_windows(const struct registry *registry, bool write, struct window **ret,
		       size_t *ret_mapped)
{
	return map_values(registry->maps.fd[MAP_WINDOWS], write, WINDOWS * sizeof(**ret),
			  (void **)ret, ret_mapped);
}

const struct window *windows_map(const struct registry *registry, size_t *ret_mapped)
{
	struct window *windows;

	return map_windows(registry, false, &windows, ret_mapped) < 0 ? NULL : windows;
}

void pool_close(struct pool *pool)
{
	if (pool->records)
		munmap(pool->records, pool->mapped);
	if (pool->windows)
		munmap(pool->windows, pool->windows_mapped);
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
				memset(&pool->used[members.v[i].slot - SLOTS_OWN], 1,
				       member_slots(&members.v[i]));
		members_free(&members);
	}
	return 0;
}

int pool_open(struct pool *ret, const struct state *state, const struct registry *registry)
{
	struct pool pool = {.used = calloc(SLOTS_POOL, 1)};
	int r = pool.used ? map_records(registry, true, &pool.records, &pool.mapped) : -ENOMEM;

	if (!r)
		r = map_windows(registry, true, &pool.windows, &pool.windows_mapped);
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

void pool_empty(struct pool *pool, const struct registry *registry, uint32_t slot)
{
	kernel_slot_clear(registry->maps.fd[MAP_SOCKETS], slot);
	memset(&pool->records[slot], 0, sizeof(pool->records[slot]));
}

void pool_release(struct pool *pool, const struct registry *registry, uint32_t slot)
{
	pool_empty(pool, registry, slot);
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

/* ---- windows ---- */

/*
 * From the end of the pool, so that single slots, taken from its start, leave
 * runs for them.
 */
int window_take(struct pool *pool, const struct registry *registry, uint32_t *ret_first)
{
	for (uint32_t first = SLOTS_POOL; first >= WINDOW_SLOTS;) {
		first -= WINDOW_SLOTS;
		if (memchr(&pool->used[first], 1, WINDOW_SLOTS))
			continue;
		/* A killed writer may have left sockets there that have no record. */
		for (uint32_t i = first; i < first + WINDOW_SLOTS; i++)
			pool_empty(pool, registry, SLOTS_OWN + i);
		pool->windows[first / WINDOW_SLOTS] = (struct window){0};
		memset(&pool->used[first], 1, WINDOW_SLOTS);
		*ret_first = SLOTS_OWN + first;
		return 0;
	}
	return -ENOSPC;
}

void window_release(struct pool *pool, const struct registry *registry, uint32_t first)
{
	for (uint32_t i = 0; i < WINDOW_SLOTS; i++)
		pool_release(pool, registry, first + i);
	pool->windows[WINDOW_OF(first)] = (struct window){0};
}

void window_changed(struct pool *pool, uint32_t first)
{
	__atomic_fetch_add(&pool->windows[WINDOW_OF(first)].version, 1, __ATOMIC_SEQ_CST);
}
