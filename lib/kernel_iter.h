/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets by BPF iterators: no descriptor of theirs is needed. The other user of libbpf. */
#ifndef ANYBIND_KERNEL_ITER_H
#define ANYBIND_KERNEL_ITER_H

#include <stddef.h>
#include <stdint.h>

#include "collect.h"
#include "netns.h"

/*
 * Puts the socket of @ns with @cookie into @slot of the map @sockets; -1: into
 * a map that ends with this call, to see whether the kernel takes it. Returns 1
 * and what came of it, 0 where @ns has no such socket. Failures are reported:
 * -ENOTSUP (kernel too old for @protocol, or without BTF), -EPERM.
 */
int kernel_collect(const struct netns *ns, int protocol, uint64_t cookie, int sockets,
		   uint32_t slot, struct collect_record *ret, struct anybind_report *report);

/*
 * All TCP listeners or unconnected UDP sockets of @ns on @port (host order).
 * Those that nobody asked for their cookie may have 0. @ret is to be freed.
 */
int kernel_list_port(const struct netns *ns, int protocol, uint16_t port,
		     struct collect_record **ret, size_t *ret_n, struct anybind_report *report);

#endif
