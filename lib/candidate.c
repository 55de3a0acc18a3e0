/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "candidate.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"
#include "text.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define HINT_KINDS "TCP listeners and bound UDP sockets over IPv4 or IPv6 can be registered."

int candidate_refuse(struct refusal *ret, int code, bool near, const char *hint, const char *format,
		     ...)
{
	va_list ap;

	ret->code = code;
	ret->near = near;
	snprintf(ret->hint, sizeof(ret->hint), "%s", hint);
	va_start(ap, format);
	vsnprintf(ret->text, sizeof(ret->text), format, ap);
	va_end(ap);
	return code;
}

void sock_settle(struct sock *sock)
{
	sock->info.address = sock->address[0] ? sock->address : NULL;
	sock->info.program = sock->program[0] ? sock->program : NULL;
}

static int get_int(int fd, int option, int *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(fd, SOL_SOCKET, option, ret, &len) < 0 ? -errno : 0;
}

static int get_u64(int fd, int option, uint64_t *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(fd, SOL_SOCKET, option, ret, &len) < 0 ? -errno : 0;
}

/* What the descriptor is if not a socket: "/dev/null", "pipe:[4711]". */
static int refuse_no_socket(int fd, int code, struct refusal *ret)
{
	char path[64], link[128], quoted[QUOTED_MAX];
	ssize_t len;

	if (code == -EBADF)
		return candidate_refuse(ret, code, false, HINT_KINDS, "is not open");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, link, sizeof(link));
	return candidate_refuse(ret, code, false, HINT_KINDS, "not a socket but '%s'",
				len < 0 ? "something else" : text_quote(link, (size_t)len, quoted));
}

static int refuse_family(int family, struct refusal *ret)
{
	switch (family) {
	case AF_UNIX:
		return candidate_refuse(ret, -EPROTONOSUPPORT, false, HINT_KINDS, "a unix socket");
	case AF_PACKET:
		return candidate_refuse(ret, -EPROTONOSUPPORT, false, HINT_KINDS,
					"a packet socket");
	case AF_NETLINK:
		return candidate_refuse(ret, -EPROTONOSUPPORT, false, HINT_KINDS,
					"a netlink socket");
	default:
		return candidate_refuse(ret, -EPROTONOSUPPORT, false, HINT_KINDS,
					"a socket of address family %d", family);
	}
}

/* Family, type and protocol: is it TCP or UDP over IP? */
static int check_kind(int fd, struct candidate *c, struct refusal *ret)
{
	int family, type, protocol, r;

	if ((r = get_int(fd, SO_DOMAIN, &family)) < 0)
		return refuse_no_socket(fd, r, ret);
	if (family != AF_INET && family != AF_INET6)
		return refuse_family(family, ret);
	if ((r = get_int(fd, SO_TYPE, &type)) < 0 || (r = get_int(fd, SO_PROTOCOL, &protocol)) < 0)
		return candidate_refuse(ret, r, true, "", "cannot ask for its protocol: %s",
					report_errno(r));
	c->sock.info.family = family;
	c->sock.info.protocol = protocol;
	if ((type == SOCK_STREAM && protocol == IPPROTO_TCP) ||
	    (type == SOCK_DGRAM && protocol == IPPROTO_UDP))
		return 0;
	if (type == SOCK_RAW)
		return candidate_refuse(ret, -EPROTONOSUPPORT, false, HINT_KINDS,
					"a raw socket of protocol %d", protocol);
	switch (protocol) {
	case IPPROTO_MPTCP:
		return candidate_refuse(ret, -EPROTONOSUPPORT, true,
					"Listen with plain TCP: run Go programs with "
					"GODEBUG=multipathtcp=0, in nginx drop `multipath` "
					"from `listen`.",
					"an MPTCP socket, to which the kernel cannot steer");
	case IPPROTO_UDPLITE:
		return candidate_refuse(ret, -EPROTONOSUPPORT, true, "Use plain UDP.",
					"a UDP-Lite socket, to which the kernel cannot steer");
	case IPPROTO_SCTP:
		return candidate_refuse(ret, -EPROTONOSUPPORT, true, HINT_KINDS, "an SCTP socket");
	default:
		return candidate_refuse(ret, -EPROTONOSUPPORT, false, HINT_KINDS,
					"a socket of protocol %d", protocol);
	}
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)address)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
}

static int check_connected(int fd, const char *name, bool is_tcp, struct refusal *ret)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	char text[ENDPOINT_TEXT_MAX];

	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return 0;
	text_of_endpoint((struct sockaddr *)&peer, text);
	if (is_tcp)
		return candidate_refuse(ret, -EISCONN, false,
					"Give the listening socket; connections need no rule.",
					"%s is a connection to %s", name, text);
	return candidate_refuse(ret, -EISCONN, false,
				"A service's socket must take packets from everyone: do not "
				"call connect() on it.",
				"%s is connected to %s", name, text);
}

/* Bound, listening and not connected? */
static int check_state(int fd, struct candidate *c, struct refusal *ret)
{
	const bool is_tcp = c->sock.info.protocol == IPPROTO_TCP;
	socklen_t len = sizeof(c->address);
	char name[CANDIDATE_TEXT_MAX];
	int listens = 0, r;

	if (getsockname(fd, (struct sockaddr *)&c->address, &len) < 0)
		return candidate_refuse(ret, -errno, true, "", "cannot ask for its address: %m");
	candidate_text(c, name);
	r = is_tcp ? get_int(fd, SO_ACCEPTCONN, &listens) : 0;
	if (r < 0)
		return candidate_refuse(ret, r, true, "", "%s: cannot ask whether it listens: %s",
					name, report_errno(r));
	if (is_tcp && listens)
		return 0;
	r = check_connected(fd, name, is_tcp, ret);
	if (r < 0)
		return r;
	if (is_tcp)
		return candidate_refuse(ret, -EINVAL, true, "It must listen() first.",
					"%s does not listen", name);
	if (!port_of(&c->address))
		return candidate_refuse(ret, -EINVAL, true, "It must be bound to a port first.",
					"%s is not bound", name);
	return 0;
}

/* "'blue'", or by inode where it has no name. */
static void describe_netns(uint32_t inode, char *buf, size_t size)
{
	_cleanup_free_ char *name = inode ? netns_name_of(inode) : NULL;

	if (name)
		snprintf(buf, size, "'%s'", name);
	else if (inode)
		snprintf(buf, size, "net:[%u]", inode);
	else
		snprintf(buf, size, "another one");
}

static int refuse_netns(const struct netns *ns, int fd, const struct candidate *c,
			struct refusal *ret)
{
	_cleanup_close_ int other = ioctl(fd, SIOCGSKNS);
	char name[CANDIDATE_TEXT_MAX], here[280], there[280];
	struct stat st;

	describe_netns(ns->inode, here, sizeof(here));
	describe_netns(other >= 0 && !fstat(other, &st) ? (uint32_t)st.st_ino : 0, there,
		       sizeof(there));
	return candidate_refuse(ret, -EXDEV, true,
				"Choose the socket's namespace with `anybind -n`: a name, or "
				"pid:N of the process.",
				"%s is in network namespace %.90s, not in %.90s",
				candidate_text(c, name), there, here);
}

int candidate_examine(const struct netns *ns, int fd, struct candidate *ret,
		      struct refusal *ret_refusal)
{
	struct candidate c = {.sock.fd = -1, .sock.info.members = 1};
	int reuseport = 0, ifindex = 0, r;
	uint64_t netns_cookie;

	r = check_kind(fd, &c, ret_refusal);
	if (r < 0)
		return r;
	r = check_state(fd, &c, ret_refusal);
	if (r < 0)
		return r;
	if ((r = get_u64(fd, SO_COOKIE, &c.sock.info.cookie)) < 0 ||
	    (r = get_int(fd, SO_REUSEPORT, &reuseport)) < 0 ||
	    (r = get_int(fd, SO_BINDTOIFINDEX, &ifindex)) < 0 ||
	    (r = get_u64(fd, SO_NETNS_COOKIE, &netns_cookie)) < 0)
		return candidate_refuse(ret_refusal, r, true, "",
					"cannot ask for the socket's options: %s", report_errno(r));
	c.sock.info.reuseport = reuseport;
	c.ifindex = (uint32_t)ifindex;
	text_of_endpoint((struct sockaddr *)&c.address, c.sock.address);
	if (netns_cookie != ns->cookie)
		r = refuse_netns(ns, fd, &c, ret_refusal);
	*ret = c;
	return r;
}

/* IPv4-mapped as IPv4, as people write it. */
static struct sockaddr_storage unmapped(const struct sockaddr *address)
{
	const struct sockaddr_in6 *in6 = (const void *)address;
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_storage result = {0};

	if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		in.sin_port = in6->sin6_port;
		memcpy(&in.sin_addr, in6->sin6_addr.s6_addr + 12, 4);
		memcpy(&result, &in, sizeof(in));
	} else {
		memcpy(&result, address, address->sa_family == AF_INET ? sizeof(in) : sizeof(*in6));
	}
	return result;
}

static int compare_addresses(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	int diff;

	if (a->ss_family != b->ss_family)
		return a->ss_family < b->ss_family ? -1 : 1;
	if (port_of(a) != port_of(b))
		return port_of(a) < port_of(b) ? -1 : 1;
	if (a->ss_family == AF_INET)
		return memcmp(&a4->sin_addr, &b4->sin_addr, sizeof(a4->sin_addr));
	diff = memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr));
	if (diff)
		return diff;
	return (a6->sin6_scope_id > b6->sin6_scope_id) - (a6->sin6_scope_id < b6->sin6_scope_id);
}

static int compare_groups(const struct candidate *a, const struct candidate *b)
{
	const struct anybind_socket_info *x = &a->sock.info, *y = &b->sock.info;
	int diff;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	diff = compare_addresses(&a->address, &b->address);
	if (diff)
		return diff;
	return (a->ifindex > b->ifindex) - (a->ifindex < b->ifindex);
}

int candidate_compare(const struct candidate *a, const struct candidate *b)
{
	const uint64_t x = a->sock.info.cookie, y = b->sock.info.cookie;
	int diff = compare_groups(a, b);

	return diff ? diff : (x > y) - (x < y);
}

bool candidate_same_group(const struct candidate *a, const struct candidate *b)
{
	const struct anybind_socket_info *x = &a->sock.info, *y = &b->sock.info;

	return x->cookie == y->cookie || (x->reuseport && y->reuseport && !compare_groups(a, b));
}

bool candidate_is_bound_to(const struct candidate *c, const struct sockaddr *address)
{
	const struct sockaddr_storage mine = unmapped((const struct sockaddr *)&c->address);
	struct sockaddr_storage wanted = unmapped(address);

	/* Nobody types a scope; the link-local address alone must do. */
	if (wanted.ss_family == AF_INET6 && mine.ss_family == AF_INET6 &&
	    !((struct sockaddr_in6 *)&wanted)->sin6_scope_id)
		((struct sockaddr_in6 *)&wanted)->sin6_scope_id =
			((const struct sockaddr_in6 *)&mine)->sin6_scope_id;
	return !compare_addresses(&mine, &wanted);
}

const char *candidate_text(const struct candidate *c, char buf[CANDIDATE_TEXT_MAX])
{
	const struct sockaddr_storage address = unmapped((const struct sockaddr *)&c->address);
	char endpoint[ENDPOINT_TEXT_MAX];

	snprintf(buf, CANDIDATE_TEXT_MAX, "%s %s",
		 c->sock.info.protocol == IPPROTO_TCP ? "tcp" : "udp",
		 text_of_endpoint((const struct sockaddr *)&address, endpoint));
	return buf;
}
