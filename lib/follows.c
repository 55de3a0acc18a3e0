// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "follows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "cleanup.h"
#include "dump.h"
#include "kernel_follow.h"

/*
 * The link knows its cgroup until the last socket of that is closed, which may
 * be long after the cgroup was removed; by then its path may be another's.
 */
static bool is_alive(const struct follow_state *state, int link)
{
	uint64_t attached, there;
	int r = kernel_follow_cgroup(link, &attached);

	if (r < 0 || !attached)
		return false;
	r = cgroup_id_of(state->cgroup, &there);
	if (r == -ENOENT)
		return false;
	return r < 0 || there == attached;
}

static int read_follow(const struct state *state, uint32_t id, struct follow *ret)
{
	_cleanup_close_ int map = -1, link = -1;
	int r = state_open_follow(state, id, &map, &link);

	*ret = (struct follow){.id = id};
	if (r < 0)
		return r;
	r = kernel_follow_state(map, &ret->state);
	if (r < 0)
		return r;
	ret->in_force = link >= 0;
	ret->alive = ret->in_force && is_alive(&ret->state, link);
	return 0;
}

int follows_read(const struct state *state, struct follow **ret, size_t *ret_n)
{
	_cleanup_free_ struct follow *follows = NULL;
	_cleanup_free_ uint32_t *ids = NULL;
	size_t n_ids, n = 0;
	int r = state_list_follows(state, &ids, &n_ids);

	if (r < 0)
		return r;
	follows = calloc(n_ids + 1, sizeof(*follows));
	if (!follows)
		return -ENOMEM;
	for (size_t i = 0; i < n_ids; i++) {
		r = read_follow(state, ids[i], &follows[n]);
		if (r == -ENOENT || r == -EUCLEAN)
			continue;
		if (r < 0)
			return r;
		n++;
	}
	*ret = take_ptr(follows);
	*ret_n = n;
	return 0;
}

bool follow_any_open(const struct registry *registry, const struct follow *follow)
{
	for (size_t i = 0; i < ARRAY_SIZE(follow->state.window); i++) {
		uint32_t first = follow->state.window[i];
		uint64_t cookie;

		for (uint32_t k = 0; first && k < WINDOW_SLOTS; k++)
			if (!kernel_slot_cookie(registry->maps.fd[MAP_SOCKETS], first + k, &cookie))
				return true;
	}
	return false;
}

int follow_end(const struct state *state, const struct registry *registry, struct pool *pool,
	       const struct follow *follow)
{
	int r = 0;

	state_end_follow(state, follow->id);
	for (uint32_t kind = 0; kind < ARRAY_SIZE(follow->state.window) && !r; kind++) {
		uint32_t first = follow->state.window[kind];
		uint32_t own = SLOT(follow->state.service, 0, 0) + kind;

		if (!first)
			continue;
		/* It also waits for a listen(2) that is under way. */
		r = members_remove(state, registry, own, first);
		if (r == -ENOENT)
			r = 0;
		else if (!r)
			window_release(pool, registry, first);
	}
	if (!r)
		state_remove_follow(state, follow->id);
	return r;
}

/* ---- litter ---- */

/* Is there a folder whose follow is not in force? Those that hold nothing are removed. */
static int find_litter(const struct state *state)
{
	_cleanup_free_ uint32_t *ids = NULL;
	int r, found = 0;
	size_t n = 0;

	r = state_list_follows(state, &ids, &n);
	for (size_t i = 0; i < n && r >= 0; i++) {
		_cleanup_close_ int map = -1, link = -1;

		r = state_open_follow(state, ids[i], &map, &link);
		if (r == -ENOENT) {
			state_remove_follow(state, ids[i]);
			r = 0;
		}
		found |= map >= 0 && link < 0;
	}
	return r < 0 ? r : found;
}

static void current_closep(struct current *current)
{
	current_close(current);
}

static void registry_closep(struct registry *registry)
{
	registry_close(registry);
}

static void pool_closep(struct pool *pool)
{
	pool_close(pool);
}

int follows_clear(struct anybind *a)
{
	_cleanup_(current_closep) struct current current = CURRENT_NONE;
	_cleanup_(registry_closep) struct registry registry = {0};
	_cleanup_(pool_closep) struct pool pool = {0};
	_cleanup_free_ struct follow *follows = NULL;
	int r = find_litter(&a->state);
	size_t n = 0;

	if (r <= 0)
		return r;
	r = state_read(&a->state, &current, NULL);
	if (!r)
		r = registry_open(&registry, &current.maps, false);
	if (!r)
		r = pool_open(&pool, &a->state, &registry);
	if (!r)
		r = follows_read(&a->state, &follows, &n);
	for (size_t i = 0; i < n && !r; i++)
		if (!follows[i].in_force)
			r = follow_end(&a->state, &registry, &pool, &follows[i]);
	return r;
}

static bool is_forgotten(const struct registry *registry, const struct anybind_ruleset *rs,
			 const struct follow *follow)
{
	const char *name = registry_name(registry, follow->state.service);

	return !follow->alive && (!name || ruleset_find_service(rs, name) < 0) &&
	       !follow_any_open(registry, follow);
}

int follows_collect(const struct state *state, const struct registry *registry,
		    const struct anybind_ruleset *rs, uint8_t *ret_held)
{
	_cleanup_(pool_closep) struct pool pool = {0};
	_cleanup_free_ struct follow *follows = NULL;
	size_t n = 0;
	int r;

	memset(ret_held, 0, REGISTRY_SIZE);
	r = follows_read(state, &follows, &n);
	for (size_t i = 0; i < n && r >= 0; i++) {
		if (!is_forgotten(registry, rs, &follows[i])) {
			ret_held[follows[i].state.service] = 1;
			continue;
		}
		if (!pool.used)
			r = pool_open(&pool, state, registry);
		if (!r)
			r = follow_end(state, registry, &pool, &follows[i]);
	}
	return r < 0 ? r : 0;
}
