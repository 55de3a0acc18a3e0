/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The sockets that one service has for one family and protocol. */
#ifndef ANYBIND_MEMBERS_H
#define ANYBIND_MEMBERS_H

#include "registry.h"
#include "spread.h"
#include "state.h"

struct member {
	uint32_t slot, weight;
	bool standby; /* see GROUP_STANDBY in bpf/abi.h */
	bool window;  /* see GROUP_WINDOW; the first of WINDOW_SLOTS slots */
};

static inline uint32_t member_slots(const struct member *member)
{
	return member->window ? WINDOW_SLOTS : 1;
}

struct members {
	struct member *v;
	size_t n, cap;
	uint32_t *table; /* places of a group, slots */
	size_t n_table;
	bool is_group; /* else: the own slot alone, where it has a socket */
};

/*
 * Those of the own slot @own (SLOT() in bpf/abi.h). A group is checked, whatever
 * bytes it holds. -EUCLEAN: damaged, or its pin is gone.
 */
int members_read(const struct state *state, const struct registry *registry, uint32_t own,
		 struct members *ret);
void members_free(struct members *members);
int members_add(struct members *members, const struct member *member);
/* Leaves out those for which @keep says no. */
void members_filter(struct members *members,
		    bool (*keep)(const struct member *member, void *data), void *data);

/* Where a socket is among members. */
struct known {
	uint64_t cookie;
	size_t at;
};
/*
 * Adds those of @from that are open, and windows, to @members, which is empty.
 * *ret_known, one for each open socket, is for known_find(), and to be freed.
 */
int members_add_open(struct members *members, const struct members *from,
		     const struct registry *registry, struct known **ret_known, size_t *ret_n);
/* NULL: the socket with @cookie is not among them. */
const struct known *known_find(const struct known *known, size_t n, uint64_t cookie);

/*
 * Makes a group of @members and puts it into the slot, in one step; of
 * @members->table as many places as can be stay as they are. The write lock
 * must be held.
 */
int members_publish(const struct state *state, const struct registry *registry, uint32_t own,
		    const struct members *members);

/* Takes the group away, and what is in the own slot, which alone would count then. */
int members_dissolve(const struct state *state, const struct registry *registry, uint32_t own);

/* Has the service a socket that is open? Also where that cannot be found out. */
bool members_any_open(const struct state *state, const struct registry *registry, uint32_t id);

/*
 * Frees the ids of services that are neither in @rs nor have an open socket
 * and are not marked in @held, of REGISTRY_SIZE.
 */
void members_collect(const struct state *state, struct registry *registry,
		     const struct anybind_ruleset *rs, const uint8_t *held);

/*
 * Takes the member in @slot away and, if it was the last, the group. -ENOENT:
 * it is not there.
 */
int members_remove(const struct state *state, const struct registry *registry, uint32_t own,
		   uint32_t slot);

/* Cookies of all registered sockets. *ret is to be freed. */
int members_cookies(const struct state *state, const struct registry *registry, uint64_t **ret,
		    size_t *ret_n);

/* ---- slots of the pool ---- */

struct pool {
	struct slot_record *records; /* all slots, mapped for writing */
	size_t mapped;
	struct window *windows; /* likewise */
	size_t windows_mapped;
	uint8_t *used; /* for each slot of the pool */
	uint32_t next;
};

/* Finds what is in use, and clears what a killed writer left. */
int pool_open(struct pool *ret, const struct state *state, const struct registry *registry);
void pool_close(struct pool *pool);
/* A free slot. -ENOSPC. */
int pool_take(struct pool *pool, uint32_t *ret_slot);
/* Empties a slot and forgets its record. */
void pool_empty(struct pool *pool, const struct registry *registry, uint32_t slot);
/* The same, of the pool or a service's own, and its user's claim to it. */
void pool_release(struct pool *pool, const struct registry *registry, uint32_t slot);

/* Empties the slots of @before that @after does not have. */
void pool_release_others(struct pool *pool, const struct registry *registry,
			 const struct members *before, const struct members *after);

/*
 * The same of windows, all of whose slots are empty. Whoever puts a socket into
 * one says so by window_changed(), without which it may not be looked for.
 */
int window_take(struct pool *pool, const struct registry *registry, uint32_t *ret_first);
void window_release(struct pool *pool, const struct registry *registry, uint32_t first);
void window_changed(struct pool *pool, uint32_t first);

/* The records alone, and the windows, for reading. NULL where they cannot be had. */
const struct slot_record *records_map(const struct registry *registry, size_t *ret_mapped);
const struct window *windows_map(const struct registry *registry, size_t *ret_mapped);

#endif
