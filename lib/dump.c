/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

/* Kernel dumps fill at most 32 KiB at a time. */
#define DUMP_BUFFER ((size_t)32 << 10)
/* A dump that a change interrupted is begun anew; a namespace so busy is not believed. */
#define DUMP_TRIES 10

void *list_push(struct list *list)
{
	void *item;

	if (list->n == list->cap) {
		const size_t cap = list->cap ? 2 * list->cap : 64;
		char *items = reallocarray(list->items, cap, list->item_size);

		if (!items)
			return NULL;
		list->items = items;
		list->cap = cap;
	}
	item = list->items + list->n++ * list->item_size;
	return memset(item, 0, list->item_size);
}

void list_clear(struct list *list)
{
	free(list->items);
	list->items = NULL;
	list->n = list->cap = 0;
}

static void cleanup_mnlp(struct mnl_socket **nl)
{
	if (*nl)
		mnl_socket_close(*nl);
}

static int open_netlink(const struct netns *ns, int bus, struct mnl_socket **ret)
{
	_cleanup_close_ int fd = netns_socket(ns, AF_NETLINK, SOCK_RAW, bus);
	_cleanup_(cleanup_mnlp) struct mnl_socket *nl = NULL;
	int on = 1;

	if (fd < 0)
		return fd;
	nl = mnl_socket_fdopen(fd);
	if (!nl)
		return -errno;
	take_fd(&fd);
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	/* Lets the kernel filter routes by type. Without it we get all of them, as slow. */
	if (bus == NETLINK_ROUTE)
		mnl_socket_setsockopt(nl, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	*ret = take_ptr(nl);
	return 0;
}

/* The end of a dump carries its error, which libmnl leaves unread. */
static int read_done(const struct nlmsghdr *nlh, void *data)
{
	const int *code = dump_body(nlh, sizeof(*code));

	(void)data;
	if (!code || *code >= 0)
		return MNL_CB_STOP;
	errno = -*code;
	return MNL_CB_ERROR;
}

static int dump_once(const struct netns *ns, const struct dump *dump)
{
	mnl_cb_t control[NLMSG_DONE + 1] = {0};
	_cleanup_(cleanup_mnlp) struct mnl_socket *nl = NULL;
	_cleanup_free_ char *buf = malloc(DUMP_BUFFER);
	struct nlmsghdr *nlh;
	ssize_t size;
	int r;

	if (!buf)
		return -ENOMEM;
	r = open_netlink(ns, dump->bus, &nl);
	if (r < 0)
		return r;
	control[NLMSG_DONE] = read_done;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = dump->type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	memcpy(mnl_nlmsg_put_extra_header(nlh, dump->body_size), dump->body, dump->body_size);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		size = TEMP_FAILURE_RETRY(mnl_socket_recvfrom(nl, buf, DUMP_BUFFER));
		if (size < 0)
			return -errno;
		/* Fails with EINTR on NLM_F_DUMP_INTR. */
		r = mnl_cb_run2(buf, (size_t)size, 1, mnl_socket_get_portid(nl), dump->read,
				dump->data, control, ARRAY_SIZE(control));
		if (r < 0)
			return -errno;
	} while (r > MNL_CB_STOP);
	return 0;
}

int dump_run(const struct netns *ns, const struct dump *dump, struct list *list)
{
	const size_t kept = list ? list->n : 0;
	int r = -EINTR;

	for (unsigned int i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
		if (list)
			list->n = kept;
		r = dump_once(ns, dump);
	}
	return r == -EINTR ? -EBUSY : r;
}

const void *dump_body(const struct nlmsghdr *nlh, size_t size)
{
	if (mnl_nlmsg_get_payload_len(nlh) < size)
		return NULL;
	return mnl_nlmsg_get_payload(nlh);
}

int dump_bad_message(void)
{
	errno = EBADMSG;
	return MNL_CB_ERROR;
}
