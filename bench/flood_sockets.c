// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"

int flood_bind(int fd, bool v6, const uint32_t *addr, uint16_t port)
{
	struct sockaddr_in6 addr6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in addr4 = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (addr) {
		memcpy(&addr6.sin6_addr, addr, sizeof(addr6.sin6_addr));
		addr4.sin_addr.s_addr = addr[0];
	}
	if (v6 ? bind(fd, (struct sockaddr *)&addr6, sizeof(addr6)) :
		 bind(fd, (struct sockaddr *)&addr4, sizeof(addr4)))
		return -errno;
	return 0;
}

static int open_socket(const struct flood_socket_options *o, const uint32_t *addr, uint16_t port)
{
	_cleanup_close_ int fd = socket(o->v6 ? AF_INET6 : AF_INET,
					(o->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	int one = 1, smallest = 0;

	if (fd < 0 ||
	    (o->v6 && (setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0 ||
		       /* A local route alone does not make an IPv6 address one to bind to. */
		       setsockopt(fd, SOL_IPV6, IPV6_FREEBIND, &one, sizeof(one)) < 0)) ||
	    (o->transparent &&
	     setsockopt(fd, o->v6 ? SOL_IPV6 : SOL_IP, o->v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT,
			&one, sizeof(one)) < 0) ||
	    (!o->tcp && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest)) < 0) ||
	    flood_bind(fd, o->v6, addr, port) < 0 || (o->tcp && listen(fd, 0) < 0))
		return -errno;
	return take_fd(&fd);
}

int flood_sockets_add(struct flood_sockets *sockets, const struct flood_socket_options *options,
		      const uint32_t *addr, uint16_t port)
{
	int *more, fd;

	/* Grows when the number of sockets reaches a power of two. */
	if (!(sockets->n & (sockets->n - 1))) {
		more = realloc(sockets->fd, (sockets->n ? 2 * sockets->n : 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		sockets->fd = more;
	}
	fd = open_socket(options, addr, port);
	if (fd < 0)
		return fd;
	sockets->fd[sockets->n++] = fd;
	return 0;
}

void flood_sockets_close(struct flood_sockets *sockets)
{
	for (size_t i = 0; i < sockets->n; i++)
		close(sockets->fd[i]);
	free(sockets->fd);
	*sockets = FLOOD_SOCKETS_NONE;
}

int flood_sockets_drops(const struct flood_sockets *sockets, uint64_t *ret)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sockets->n; i++) {
		uint32_t info[SK_MEMINFO_VARS];
		socklen_t size = sizeof(info);

		if (getsockopt(sockets->fd[i], SOL_SOCKET, SO_MEMINFO, info, &size) < 0)
			return -errno;
		sum += info[SK_MEMINFO_DROPS];
	}
	*ret = sum;
	return 0;
}
