/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "cleanup.h"
#include "dump.h"
#include "text.h"

static uint8_t version_of(int family)
{
	return family == AF_INET ? 4 : 6;
}

static size_t address_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* ---- sockets ---- */

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
	memcpy(l->addr, msg->id.idiag_src, address_size(l->family));
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

/* ---- routes and addresses ---- */

struct address_attr {
	uint16_t wanted; /* attribute's type */
	size_t size;
	const void *value; /* NULL until seen */
};

static int read_attr_address(const struct nlattr *attr, void *data)
{
	struct address_attr *address = data;

	if (mnl_attr_get_type(attr) != address->wanted)
		return MNL_CB_OK;
	if (mnl_attr_validate2(attr, MNL_TYPE_BINARY, address->size) < 0 ||
	    mnl_attr_get_payload_len(attr) != address->size)
		return dump_bad_message();
	address->value = mnl_attr_get_payload(attr);
	return MNL_CB_OK;
}

static int read_local_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *route = dump_body(nlh, sizeof(*route));
	struct address_attr dst = {.wanted = RTA_DST};
	struct prefix *prefix;

	if (!route)
		return dump_bad_message();
	if (nlh->nlmsg_type != RTM_NEWROUTE || route->rtm_type != RTN_LOCAL ||
	    (route->rtm_flags & RTM_F_CLONED) ||
	    (route->rtm_family != AF_INET && route->rtm_family != AF_INET6))
		return MNL_CB_OK;
	dst.size = address_size(route->rtm_family);
	if (route->rtm_dst_len > 8 * dst.size)
		return dump_bad_message();
	if (mnl_attr_parse(nlh, sizeof(*route), read_attr_address, &dst) < 0)
		return MNL_CB_ERROR;
	prefix = list_push(data);
	if (!prefix)
		return MNL_CB_ERROR;
	if (dst.value) /* else the default route */
		memcpy(prefix->addr, dst.value, dst.size);
	prefix->len = route->rtm_dst_len;
	prefix->family = version_of(route->rtm_family);
	return MNL_CB_OK;
}

static int compare_prefixes(const void *left, const void *right)
{
	const struct prefix *a = left, *b = right;
	int diff;

	if (a->family != b->family)
		return a->family - b->family;
	diff = memcmp(a->addr, b->addr, sizeof(a->addr));
	return diff ? diff : a->len - b->len;
}

/* The same prefix may stand in several tables. Sorted before. */
static size_t unique_prefixes(struct prefix *prefixes, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!kept || compare_prefixes(&prefixes[kept - 1], &prefixes[i]))
			prefixes[kept++] = prefixes[i];
	return kept;
}

int facts_local_prefixes(const struct netns *ns, struct prefix **ret_prefixes, size_t *ret_n)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct list list = {.item_size = sizeof(struct prefix)};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct rtmsg req = {.rtm_family = families[i], .rtm_type = RTN_LOCAL};
		const struct dump dump = {
			.bus = NETLINK_ROUTE,
			.type = RTM_GETROUTE,
			.body = &req,
			.body_size = sizeof(req),
			.read = read_local_route,
			.data = &list,
		};
		int r = dump_run(ns, &dump, &list);

		if (r < 0) {
			list_clear(&list);
			return r;
		}
	}
	if (list.n)
		qsort(list.items, list.n, list.item_size, compare_prefixes);
	*ret_prefixes = (struct prefix *)list.items;
	*ret_n = unique_prefixes(*ret_prefixes, list.n);
	return 0;
}

static int read_address(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *ifa = dump_body(nlh, sizeof(*ifa));
	struct address_attr value = {.wanted = IFA_LOCAL};
	struct address *address;

	if (!ifa)
		return dump_bad_message();
	if (nlh->nlmsg_type != RTM_NEWADDR ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return MNL_CB_OK;
	value.size = address_size(ifa->ifa_family);
	if (mnl_attr_parse(nlh, sizeof(*ifa), read_attr_address, &value) < 0)
		return MNL_CB_ERROR;
	if (!value.value) {
		/* IPv6 has IFA_LOCAL only on point-to-point links; IFA_ADDRESS is the peer there.
		 */
		value.wanted = IFA_ADDRESS;
		if (mnl_attr_parse(nlh, sizeof(*ifa), read_attr_address, &value) < 0)
			return MNL_CB_ERROR;
	}
	if (!value.value)
		return dump_bad_message();
	address = list_push(data);
	if (!address)
		return MNL_CB_ERROR;
	memcpy(address->addr, value.value, value.size);
	address->family = version_of(ifa->ifa_family);
	address->ifindex = ifa->ifa_index;
	return MNL_CB_OK;
}

int facts_addresses(const struct netns *ns, struct address **ret_addresses, size_t *ret_n)
{
	struct list list = {.item_size = sizeof(struct address)};
	const struct ifaddrmsg req = {.ifa_family = AF_UNSPEC};
	const struct dump dump = {
		.bus = NETLINK_ROUTE,
		.type = RTM_GETADDR,
		.body = &req,
		.body_size = sizeof(req),
		.read = read_address,
		.data = &list,
	};
	int r = dump_run(ns, &dump, &list);

	if (r < 0) {
		list_clear(&list);
		return r;
	}
	*ret_addresses = (struct address *)list.items;
	*ret_n = list.n;
	return 0;
}

/* ---- the rest ---- */

int facts_ifindex(const struct netns *ns, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct ifreq req = {0};

	/* The ioctl takes "eth0:1", an alias of old, for eth0. */
	if (!*name || strlen(name) >= sizeof(req.ifr_name) || strchr(name, ':'))
		return 0;
	fd = netns_socket(ns, AF_UNIX, SOCK_DGRAM, 0);
	if (fd < 0)
		return fd;
	memcpy(req.ifr_name, name, strlen(name));
	if (ioctl(fd, SIOCGIFINDEX, &req) < 0)
		return errno == ENODEV ? 0 : -errno;
	return req.ifr_ifindex;
}

int facts_port_range(const struct netns *ns, uint16_t *ret_lo, uint16_t *ret_hi)
{
	_cleanup_close_ int fd = -1;
	uint64_t lo, hi;
	char text[32], *gap, *end;
	int saved = -1, r;
	ssize_t n;

	/* /proc/sys/net shows the namespace of the thread that opens it. */
	r = netns_enter(ns, &saved);
	if (r < 0)
		return r;
	fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : 0;
	netns_leave(saved);
	if (r < 0)
		return r;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	gap = strchr(text, '\t');
	end = strchr(text, '\n');
	if (!gap || !end || gap > end ||
	    text_number(text, (size_t)(gap - text), UINT16_MAX, &lo) < 0 ||
	    text_number(gap + 1, (size_t)(end - gap - 1), UINT16_MAX, &hi) < 0 || lo > hi)
		return -EBADMSG;
	*ret_lo = (uint16_t)lo;
	*ret_hi = (uint16_t)hi;
	return 0;
}
