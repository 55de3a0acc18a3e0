/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets by BPF iterators: no descriptor of theirs is needed. */
#ifndef ANYBIND_KERNEL_ITER_H
#define ANYBIND_KERNEL_ITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect.h"
#include "netns.h"

/* A socket that is to come into a slot. */
struct collect_item {
	uint64_t cookie;
	uint32_t slot;
	bool found;	/* out: there is such a socket */
	uint32_t flags; /* out: of struct collect_record */
	int error;	/* out: likewise; 0 or negative errno */
};

/*
 * Puts sockets of @ns into slots of the map @sockets, in one walk; -1: into a
 * map that ends with this call, to see whether the kernel takes them. @claim:
 * not into slots that are taken, which is the item's error, -EEXIST. 0: what
 * came of each is in @items. Failures are reported: -ENOTSUP (kernel too old
 * for @protocol, or without BTF), -EPERM.
 */
int kernel_collect(const struct netns *ns, int protocol, int sockets, bool claim,
		   struct collect_item *items, size_t n, struct anybind_report *report);

/*
 * All TCP listeners or unconnected UDP sockets of @ns on @port (host order).
 * Those that nobody asked for their cookie may have 0. @ret is to be freed.
 */
int kernel_list_port(const struct netns *ns, int protocol, uint16_t port,
		     struct collect_record **ret, size_t *ret_n, struct anybind_report *report);

#endif
