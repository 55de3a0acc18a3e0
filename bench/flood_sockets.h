/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets that take a flood and keep nothing of it. */
#ifndef ANYBIND_BENCH_FLOOD_SOCKETS_H
#define ANYBIND_BENCH_FLOOD_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flood_sockets {
	size_t n;
	int *fd;
};
#define FLOOD_SOCKETS_NONE ((struct flood_sockets){ 0 })

struct flood_socket_options {
	bool v6, tcp;
	bool transparent; /* may be TPROXY's target */
};

/*
 * Adds one in the caller's namespace. @addr: network order, NULL: any. @port 0:
 * the kernel chooses.
 *
 * A UDP socket has the smallest buffer that there is: once the first datagram
 * is in it each other one is looked up, found its socket, and is dropped.
 * A TCP listener has room for one half-open connection: every other SYN is
 * dropped or, where SYN cookies are on, answered with one.
 */
int flood_sockets_add(struct flood_sockets *sockets, const struct flood_socket_options *options,
		      const uint32_t *addr, uint16_t port);
void flood_sockets_close(struct flood_sockets *sockets);

/* What all of them have dropped so far: shows where a flood went. */
int flood_sockets_drops(const struct flood_sockets *sockets, uint64_t *ret);

/* bind(2); @addr and @port as above. */
int flood_bind(int fd, bool v6, const uint32_t *addr, uint16_t port);

#endif
