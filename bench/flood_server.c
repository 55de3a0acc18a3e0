// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "flood_sockets.h"
#include "flood_thread.h"

#define BATCH 64
/* Bytes that may wait for the server, with what the kernel needs around them. */
#define ROOM (8 << 20)

int server_socket(bool v6, bool tcp, const uint32_t *addr, uint16_t port)
{
	_cleanup_close_ int fd = socket(v6 ? AF_INET6 : AF_INET,
					(tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC |
						SOCK_NONBLOCK,
					0);
	int one = 1, room = ROOM, r;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (v6 && (setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0 ||
		    setsockopt(fd, SOL_IPV6, IPV6_FREEBIND, &one, sizeof(one)) < 0)) ||
	    setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &one,
		       sizeof(one)) < 0)
		return -errno;
	/* What the flood leaves no room for would be lost whoever dispatches. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		return -errno;
	r = flood_bind(fd, v6, addr, port);
	if (r < 0 || (tcp && listen(fd, SOMAXCONN) < 0))
		return r < 0 ? r : -errno;
	return take_fd(&fd);
}

/* Says one byte. The client answers the end by a reset, so that no TIME-WAIT is left. */
static void serve_tcp(struct server *s)
{
	int fd;

	while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (write(fd, "!", 1) == 1)
			s->served++;
		close(fd);
	}
}

/* Answers come from where the question went: what IP_PKTINFO brought goes back. */
static void answer(struct server *s, struct msghdr *message)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);

	if (c && c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(c);

		info->ipi_spec_dst = info->ipi_addr;
		info->ipi_ifindex = 0;
	} else if (c && c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_ifindex = 0;
	}
	message->msg_flags = 0;
	if (sendmsg(s->fd, message, 0) >= 0)
		s->served++;
}

static void serve_udp(struct server *s)
{
	struct sockaddr_in6 from[BATCH];
	struct request requests[BATCH];
	struct iovec iov[BATCH];
	struct mmsghdr messages[BATCH];
	char control[BATCH][CMSG_SPACE(sizeof(struct in6_pktinfo))]
		__attribute__((aligned(sizeof(struct cmsghdr))));
	int n = BATCH;

	while (n == BATCH) {
		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ &requests[i], sizeof(requests[i]) };
			messages[i].msg_hdr = (struct msghdr){
				.msg_name = &from[i],
				.msg_namelen = sizeof(from[i]),
				.msg_iov = &iov[i],
				.msg_iovlen = 1,
				.msg_control = control[i],
				.msg_controllen = sizeof(control[i]),
			};
		}
		n = recvmmsg(s->fd, messages, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			if (messages[i].msg_len >= sizeof(requests[i]) &&
			    requests[i].magic == REQUEST_MAGIC)
				answer(s, &messages[i].msg_hdr);
	}
}

static void *serve(void *arg)
{
	struct server *s = arg;
	struct pollfd fds[] = { { .fd = s->fd, .events = POLLIN },
				{ .fd = s->stop, .events = POLLIN } };

	pin_thread(s->cpu, NICE_FIRST);
	while (poll(fds, 2, -1) >= 0 && !fds[1].revents) {
		if (s->tcp)
			serve_tcp(s);
		else
			serve_udp(s);
	}
	return NULL;
}

int server_start(struct server *server, int fd, bool tcp, unsigned int cpu)
{
	int r;

	*server = (struct server){ .fd = fd, .tcp = tcp, .cpu = cpu };
	server->stop = eventfd(0, EFD_CLOEXEC);
	if (server->stop < 0)
		return -errno;
	r = pthread_create(&server->thread, NULL, serve, server);
	if (r)
		close(server->stop);
	return -r;
}

void server_stop(struct server *server)
{
	eventfd_write(server->stop, 1);
	pthread_join(server->thread, NULL);
	close(server->stop);
}
