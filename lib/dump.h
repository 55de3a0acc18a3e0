/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Netlink dumps into growing arrays. */
#ifndef ANYBIND_DUMP_H
#define ANYBIND_DUMP_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "netns.h"

struct list {
	char *items;
	size_t n, cap;
	size_t item_size;
};

/* Room for one more, zeroed; NULL: out of memory. */
void *list_push(struct list *list);
void list_clear(struct list *list);

/* What one dump asks and who reads the answers. */
struct dump {
	int bus;       /* NETLINK_ROUTE or NETLINK_SOCK_DIAG */
	uint16_t type; /* of the request */
	const void *body;
	size_t body_size;
	mnl_cb_t read; /* one message; MNL_CB_STOP ends the dump, MNL_CB_ERROR with errno */
	void *data;
};

/*
 * @list: where the answers go, taken back before a new attempt; NULL: nowhere.
 * -EBUSY: every attempt was interrupted by a change.
 */
int dump_run(const struct netns *ns, const struct dump *dump, struct list *list);

/* The message's fixed part of @size bytes, NULL where it is shorter. */
const void *dump_body(const struct nlmsghdr *nlh, size_t size);

/* What a reader returns on a message that cannot be right. */
int dump_bad_message(void);

#endif
