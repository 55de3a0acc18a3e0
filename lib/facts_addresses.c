// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Routes, addresses, interfaces and ports of a namespace. */
#include "facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
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
	dst.size = facts_address_size(route->rtm_family);
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
	value.size = facts_address_size(ifa->ifa_family);
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
