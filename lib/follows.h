/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Cgroups that services follow: what there is, and taking it away. */
#ifndef ANYBIND_FOLLOWS_H
#define ANYBIND_FOLLOWS_H

#include "dispatcher.h"
#include "members.h"
#include "text.h"

struct follow {
	uint32_t id;   /* names its folder */
	bool in_force; /* else a killed writer left it */
	bool alive;    /* its cgroup exists */
	struct follow_state state;
};

/* All of them that can be read; *ret is to be freed. Needs no lock. */
int follows_read(const struct state *state, struct follow **ret, size_t *ret_n);

/* Has a socket of @follow's that is open? */
bool follow_any_open(const struct registry *registry, const struct follow *follow);

/* What a struct anybind_follow_info points to. */
struct follow_text {
	char unit[256], cgroup[3072], address[ENDPOINT_TEXT_MAX];
	char refusal[80];
};

/* @windows: or NULL. -ENOMEM. */
int follow_describe(const struct anybind *a, const struct registry *registry,
		    const struct window *windows, const struct follow *follow,
		    struct anybind_follow_info *ret, struct follow_text *text);

/*
 * Ends a follow, with the sockets that it registered. Where this fails or is
 * killed halfway it has ended and the rest is litter.
 */
int follow_end(const struct state *state, const struct registry *registry, struct pool *pool,
	       const struct follow *follow);

/* Undoes what killed writers left. Nothing to undo costs next to nothing. */
int follows_clear(struct anybind *a);

/*
 * Ends those whose cgroup is gone and whose service is not in @rs and has no
 * open socket by them. In @ret_held, of REGISTRY_SIZE, services with follows that
 * are left are marked: they keep their ids.
 */
int follows_collect(const struct state *state, const struct registry *registry,
		    const struct anybind_ruleset *rs, uint8_t *ret_held);

#endif
