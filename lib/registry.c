// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cleanup.h"
#include "text.h"

int registry_open(struct registry *ret, const struct kernel_maps *maps, bool write)
{
	struct registry registry = { .maps = *maps };
	void *entries;
	int r = kernel_mmap(maps->fd[MAP_REGISTRY], write, &entries, &registry.mapped);

	if (r < 0)
		return r;
	if (registry.mapped < REGISTRY_SIZE * sizeof(*registry.entries)) {
		munmap(entries, registry.mapped);
		return -EUCLEAN;
	}
	registry.entries = entries;
	*ret = registry;
	return 0;
}

void registry_close(struct registry *registry)
{
	if (registry->entries)
		munmap(registry->entries, registry->mapped);
	registry->entries = NULL;
}

const char *registry_name(const struct registry *registry, uint32_t id)
{
	const char *name = registry->entries[id].name;
	size_t len = strnlen(name, sizeof(registry->entries[id].name));

	return text_is_name(name, len) ? name : NULL;
}

int registry_find(const struct registry *registry, const char *name)
{
	for (uint32_t id = 0; id < REGISTRY_SIZE; id++)
		if (!strncmp(registry->entries[id].name, name, sizeof(registry->entries[id].name)))
			return id;
	return -ENOENT;
}

/*
 * The first byte is written last and cleared first, so that a kill in between
 * leaves a free entry and never another service's name.
 */
static void set_name(struct registry_entry *entry, const char *name)
{
	__atomic_store_n(&entry->name[0], '\0', __ATOMIC_SEQ_CST);
	memset(entry->name + 1, 0, sizeof(entry->name) - 1);
	if (!*name)
		return;
	memcpy(entry->name + 1, name + 1, strlen(name + 1));
	__atomic_store_n(&entry->name[0], name[0], __ATOMIC_SEQ_CST);
}

/*
 * Counters to 0, and slots empty: a killed writer may have left a socket that
 * would then be a stranger's.
 */
static int clear_id(const struct registry *registry, uint32_t id)
{
	int r = kernel_counters_reset(registry->maps.fd[MAP_COUNTERS], id);

	for (uint32_t slot = SLOT(id, 0, 0); slot <= SLOT(id, 1, 1) && !r; slot++) {
		r = kernel_slot_clear(registry->maps.fd[MAP_SOCKETS], slot);
		if (!r || r == -ENOENT)
			r = kernel_group_clear(registry->maps.fd[MAP_GROUPS], slot);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

/* A free id whose counters start at 0. */
static int new_id(struct registry *registry, const char *name, uint32_t *next)
{
	int r;

	while (*next < REGISTRY_SIZE && registry->entries[*next].name[0])
		++*next;
	if (*next == REGISTRY_SIZE)
		return -ENOSPC;
	r = clear_id(registry, *next);
	if (r < 0)
		return r;
	set_name(&registry->entries[*next], name);
	return (*next)++;
}

struct named_id {
	const char *name;
	uint32_t id;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named_id *)a)->name, ((const struct named_id *)b)->name);
}

/* All names in use, sorted. */
static int sorted_names(const struct registry *registry, struct named_id **ret, size_t *ret_n)
{
	struct named_id *names = malloc(REGISTRY_SIZE * sizeof(*names));
	size_t n = 0;

	if (!names)
		return -ENOMEM;
	for (uint32_t id = 0; id < REGISTRY_SIZE; id++)
		if (registry_name(registry, id))
			names[n++] = (struct named_id){ registry->entries[id].name, id };
	qsort(names, n, sizeof(*names), by_name);
	*ret = names;
	*ret_n = n;
	return 0;
}

int registry_assign(struct registry *registry, struct anybind_ruleset *rs)
{
	_cleanup_free_ struct named_id *names = NULL;
	uint32_t next = 0;
	size_t n;
	int r = sorted_names(registry, &names, &n);

	for (size_t i = 0; i < rs->n_services && r >= 0; i++) {
		struct named_id key = { rs->services[i].name, 0 };
		const struct named_id *found = bsearch(&key, names, n, sizeof(*names), by_name);

		r = found ? (int)found->id : new_id(registry, rs->services[i].name, &next);
		if (r >= 0)
			rs->services[i].id = r;
	}
	return r < 0 ? r : 0;
}

void registry_free_id(struct registry *registry, uint32_t id)
{
	set_name(&registry->entries[id], "");
}
