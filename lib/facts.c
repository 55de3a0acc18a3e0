/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets of a namespace, from sock_diag. */
#include "facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "cleanup.h"
#include "dump.h"

void facts_sockaddr(int family, const void *addr, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	*ret = (struct sockaddr_storage){.ss_family = family};
	if (family == AF_INET) {
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, addr, sizeof(in->sin_addr));
	} else {
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, addr, sizeof(in6->sin6_addr));
	}
}

static int read_attr_listener(const struct nlattr *attr, void *data)
{
	struct listener *l = data;

	switch (mnl_attr_get_type(attr)) {
	case INET_DIAG_SKV6ONLY:
		if (mnl_attr_validate(attr, MNL_TYPE_U8) < 0)
			return MNL_CB_ERROR;
		l->v6only = mnl_attr_get_u8(attr);
		break;
	case INET_DIAG_CGROUP_ID:
		if (mnl_attr_validate(attr, MNL_TYPE_U64) < 0)
			return MNL_CB_ERROR;
		l->cgroup = mnl_attr_get_u64(attr);
		break;
	}
	return MNL_CB_OK;
}

static uint64_t cookie_of(const struct inet_diag_msg *msg)
{
	return msg->id.idiag_cookie[0] | (uint64_t)msg->id.idiag_cookie[1] << 32;
}

struct listener_dump {
	struct list list;
	int protocol;
};

static int read_listener(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = dump_body(nlh, sizeof(*msg));
	struct listener_dump *dump = data;
	struct listener *l;

	if (!msg)
		return dump_bad_message();
	if (msg->idiag_family != AF_INET && msg->idiag_family != AF_INET6)
		return MNL_CB_OK;
	l = list_push(&dump->list);
	if (!l)
		return MNL_CB_ERROR;
	l->family = msg->idiag_family;
	l->protocol = dump->protocol;
	memcpy(l->addr, msg->id.idiag_src, facts_address_size(l->family));
	l->port = ntohs(msg->id.idiag_sport);
	l->ifindex = msg->id.idiag_if;
	l->inode = msg->idiag_inode;
	l->uid = msg->idiag_uid;
	l->queued = msg->idiag_rqueue;
	l->cookie = cookie_of(msg);
	return mnl_attr_parse(nlh, sizeof(*msg), read_attr_listener, l);
}

int facts_listeners(const struct netns *ns, struct listener **ret_listeners, size_t *ret_n)
{
	static const struct {
		uint8_t family, protocol;
		uint32_t states;
	} kinds[] = {
		{AF_INET, IPPROTO_TCP, 1 << TCP_LISTEN},
		{AF_INET6, IPPROTO_TCP, 1 << TCP_LISTEN},
		/* What UDP calls closed is: bound, not connected. */
		{AF_INET, IPPROTO_UDP, 1 << TCP_CLOSE},
		{AF_INET6, IPPROTO_UDP, 1 << TCP_CLOSE},
	};
	struct listener_dump found = {.list.item_size = sizeof(struct listener)};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct inet_diag_req_v2 req = {
			.sdiag_family = kinds[i].family,
			.sdiag_protocol = kinds[i].protocol,
			.idiag_states = kinds[i].states,
		};
		const struct dump dump = {
			.bus = NETLINK_SOCK_DIAG,
			.type = SOCK_DIAG_BY_FAMILY,
			.body = &req,
			.body_size = sizeof(req),
			.read = read_listener,
			.data = &found,
		};
		int r;

		found.protocol = kinds[i].protocol;
		r = dump_run(ns, &dump, &found.list);
		if (r < 0) {
			list_clear(&found.list);
			return r;
		}
	}
	*ret_listeners = (struct listener *)found.list.items;
	*ret_n = found.list.n;
	return 0;
}

static int read_handshake(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = dump_body(nlh, sizeof(*msg));
	uint64_t *cookie;

	if (!msg)
		return dump_bad_message();
	if (msg->idiag_retrans)
		return MNL_CB_OK;
	cookie = list_push(data);
	if (!cookie)
		return MNL_CB_ERROR;
	*cookie = cookie_of(msg);
	return MNL_CB_OK;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int facts_handshakes(const struct netns *ns, uint64_t **ret_cookies, size_t *ret_n)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct list found = {.item_size = sizeof(uint64_t)};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct inet_diag_req_v2 req = {
			.sdiag_family = families[i],
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = 1 << TCP_SYN_RECV,
		};
		const struct dump dump = {
			.bus = NETLINK_SOCK_DIAG,
			.type = SOCK_DIAG_BY_FAMILY,
			.body = &req,
			.body_size = sizeof(req),
			.read = read_handshake,
			.data = &found,
		};
		int r = dump_run(ns, &dump, &found);

		if (r < 0) {
			list_clear(&found);
			return r;
		}
	}
	if (found.n)
		qsort(found.items, found.n, found.item_size, by_number);
	*ret_cookies = (uint64_t *)found.items;
	*ret_n = found.n;
	return 0;
}

/* An IPv4 address as IPv4-mapped IPv6, so that both kinds of socket compare alike. */
struct endpoint {
	struct in6_addr addr;
	uint16_t port; /* network order */
};

static struct endpoint endpoint_of(int family, const void *addr, uint16_t port)
{
	struct endpoint end = {.port = port};

	if (family == AF_INET) {
		end.addr.s6_addr[10] = end.addr.s6_addr[11] = 0xff;
		memcpy(end.addr.s6_addr + 12, addr, 4);
	} else {
		memcpy(&end.addr, addr, 16);
	}
	return end;
}

static int endpoint_of_sockaddr(const struct sockaddr *sa, struct endpoint *ret)
{
	const struct sockaddr_in6 *in6 = (const void *)sa;
	const struct sockaddr_in *in = (const void *)sa;

	if (sa->sa_family == AF_INET)
		*ret = endpoint_of(AF_INET, &in->sin_addr, in->sin_port);
	else if (sa->sa_family == AF_INET6)
		*ret = endpoint_of(AF_INET6, &in6->sin6_addr, in6->sin6_port);
	else
		return -EAFNOSUPPORT;
	return 0;
}

static bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

struct connection {
	struct endpoint local, remote;
	bool found;
};

static int read_connection(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = dump_body(nlh, sizeof(*msg));
	struct connection *wanted = data;
	struct endpoint local, remote;

	if (!msg)
		return dump_bad_message();
	if (msg->idiag_family != AF_INET && msg->idiag_family != AF_INET6)
		return MNL_CB_OK;
	local = endpoint_of(msg->idiag_family, msg->id.idiag_src, msg->id.idiag_sport);
	remote = endpoint_of(msg->idiag_family, msg->id.idiag_dst, msg->id.idiag_dport);
	wanted->found =
		endpoint_equal(&local, &wanted->local) && endpoint_equal(&remote, &wanted->remote);
	return wanted->found ? MNL_CB_STOP : MNL_CB_OK;
}

/*
 * A dump with the ports as filter, though the kernel can also look up one
 * connection: that lookup falls back to listeners, so it would run the
 * dispatcher and count, and it misses sockets bound to an interface, such as
 * those of link-local addresses.
 */
int facts_tcp_connected(const struct netns *ns, const struct sockaddr *local,
			const struct sockaddr *remote)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct connection wanted = {.found = false};

	if (endpoint_of_sockaddr(local, &wanted.local) < 0 ||
	    endpoint_of_sockaddr(remote, &wanted.remote) < 0)
		return -EAFNOSUPPORT;
	for (size_t i = 0; i < ARRAY_SIZE(families) && !wanted.found; i++) {
		const struct inet_diag_req_v2 req = {
			.sdiag_family = families[i],
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = 1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1 |
					1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT |
					1 << TCP_LAST_ACK | 1 << TCP_CLOSING,
			.id.idiag_sport = wanted.local.port,
			.id.idiag_dport = wanted.remote.port,
		};
		const struct dump dump = {
			.bus = NETLINK_SOCK_DIAG,
			.type = SOCK_DIAG_BY_FAMILY,
			.body = &req,
			.body_size = sizeof(req),
			.read = read_connection,
			.data = &wanted,
		};
		int r = dump_run(ns, &dump, NULL);

		if (r < 0)
			return r;
	}
	return wanted.found;
}
