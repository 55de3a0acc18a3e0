/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Naming, opening and entering network namespaces. */
#ifndef ANYBIND_NETNS_H
#define ANYBIND_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#include "anybind.h"

struct netns {
	int fd;		 /* nsfs descriptor, -1 when closed */
	uint64_t cookie; /* SO_NETNS_COOKIE: unique since boot */
	uint32_t inode;	 /* reused once the namespace is gone; for people only */
	bool own;	 /* the namespace of the calling process */
	char name[256];	 /* name under /run/netns, else the spec; may be "" where that is NULL */
};

/*
 * @spec: name under /run/netns, path (has a '/'), "pid:N", or NULL for the
 * caller's own. -ENOENT, -EPERM, -EINVAL (not a network namespace), each with
 * its way out.
 */
int netns_open(struct netns *ret, const char *spec, struct anybind_report *report);
void netns_close(struct netns *ns);

/* socket(2) in @ns; the calling thread is back in its own when this returns. */
int netns_socket(const struct netns *ns, int domain, int type, int protocol);

/*
 * Moves the calling thread into @ns; *ret_saved is what netns_leave() needs to
 * bring it back (which aborts the process if that fails: going on in the wrong
 * namespace would do harm).
 */
int netns_enter(const struct netns *ns, int *ret_saved);
void netns_leave(int saved);

/* "namespace blue" or "this namespace": in a message, after "in". Returns @buf. */
#define NETNS_TEXT_MAX 272
const char *netns_text(const struct netns *ns, char buf[NETNS_TEXT_MAX]);

/* The name under /run/netns of the namespace with @inode, or NULL. To be freed. */
char *netns_name_of(uint32_t inode);

#endif
