/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a namespace's kernel says of itself over netlink. Reads only. */
#ifndef ANYBIND_FACTS_H
#define ANYBIND_FACTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "netns.h"

/* Bytes of an address of @family, AF_INET or AF_INET6. */
static inline size_t facts_address_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* A TCP listener or an unconnected bound UDP socket. */
struct listener {
	int family;   /* AF_INET or AF_INET6 */
	int protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t addr[16]; /* network order, as in struct rule; all zero: any */
	uint16_t port;	  /* host order */
	bool v6only;	  /* of AF_INET6 */
	uint32_t ifindex; /* SO_BINDTODEVICE, 0: none */
	uint32_t inode;	  /* in sockfs: "socket:[inode]" */
	uint32_t uid;
	uint32_t queued; /* TCP: connections not accepted; UDP: bytes not read, with overhead */
	uint64_t cookie;
	uint64_t cgroup; /* id of that in which it was made; 0: not known */
};

/* All of @ns, by sock_diag. @ret_listeners is to be freed. */
int facts_listeners(const struct netns *ns, struct listener **ret_listeners, size_t *ret_n);

/*
 * Cookies of TCP handshakes whose last packet is awaited, sorted. Those whose
 * SYN-ACK had to be repeated are left out: their clients may not exist.
 * *ret_cookies is to be freed.
 */
int facts_handshakes(const struct netns *ns, uint64_t **ret_cookies, size_t *ret_n);

/* @addr: network order, as many bytes as @family has; @port: host order. */
void facts_sockaddr(int family, const void *addr, uint16_t port, struct sockaddr_storage *ret);

/*
 * Is there a TCP connection with exactly these ends? 1 yes, 0 no. An IPv4 pair
 * is also looked for among IPv4-mapped connections of IPv6 sockets.
 */
int facts_tcp_connected(const struct netns *ns, const struct sockaddr *local,
			const struct sockaddr *remote);

struct prefix {
	uint8_t addr[16]; /* network order, as in struct rule */
	uint8_t len;
	uint8_t family; /* 4 or 6 */
};

/*
 * Destinations that @ns delivers locally: routes of type local in any table
 * (so addresses and AnyIP prefixes), sorted by family, address and length.
 */
int facts_local_prefixes(const struct netns *ns, struct prefix **ret_prefixes, size_t *ret_n);

struct address {
	uint8_t addr[16]; /* network order, as in struct rule */
	uint8_t family;	  /* 4 or 6 */
	uint32_t ifindex; /* lo has 1 in every namespace */
};

/* Addresses set on @ns's interfaces; lo's too. */
int facts_addresses(const struct netns *ns, struct address **ret_addresses, size_t *ret_n);

/* The interface's index in @ns, 0 where there is none of that name; negative errno. */
int facts_ifindex(const struct netns *ns, const char *name);

/* net.ipv4.ip_local_port_range of @ns, host order. */
int facts_port_range(const struct netns *ns, uint16_t *ret_lo, uint16_t *ret_hi);

#endif
