/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Services by name: their ids, their slots and their counters. */
#ifndef ANYBIND_REGISTRY_H
#define ANYBIND_REGISTRY_H

#include "kernel.h"
#include "ruleset.h"

#define REGISTRY_SIZE SERVICE_IDS

struct registry {
	struct kernel_maps maps; /* borrowed */
	struct registry_entry *entries; /* mapped; REGISTRY_SIZE of them */
	size_t mapped;
};

/* @write: names may be changed. -EUCLEAN: the map is not what it should be. */
int registry_open(struct registry *ret, const struct kernel_maps *maps, bool write);
void registry_close(struct registry *registry);

/* The name of @id, or NULL where there is none (or none that is valid). */
const char *registry_name(const struct registry *registry, uint32_t id);
/* The id of @name, or -ENOENT. */
int registry_find(const struct registry *registry, const char *name);

/*
 * Gives every service of @rs its id; new ones get a free id with empty
 * counters and slots. -ENOSPC: no id is free.
 */
int registry_assign(struct registry *registry, struct anybind_ruleset *rs);

/* The id's service is forgotten; its slots are empty. */
void registry_free_id(struct registry *registry, uint32_t id);

#endif
