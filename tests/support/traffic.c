/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "traffic.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "text.h"
#include "world.h"

#define DEADLINE 30000 /* ms */

/* Closing resets the connection: no TIME-WAIT keeps the server's port busy. */
static void forget_quickly(int fd)
{
	const struct linger reset = { 1, 0 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
}

int traffic_dial(int protocol, const char *endpoint)
{
	struct sockaddr_storage address;
	int type = protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM, fd;

	assert_int_equal(text_endpoint(endpoint, &address), 0);
	fd = socket(address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	assert_true(fd >= 0);
	forget_quickly(fd);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		assert_true(errno == EINPROGRESS || errno == ECONNREFUSED);
	if (protocol == IPPROTO_UDP)
		assert_int_equal(send(fd, "ping", 4, 0), 4);
	return fd;
}

static void wait_for(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	assert_int_equal(poll(&pollfd, 1, DEADLINE), 1);
}

/* The address that the client dialled, as the server sees it, is @endpoint. */
static void expect_name(const struct sockaddr_storage *name, const char *endpoint)
{
	struct sockaddr_storage want, got = *name;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&got;

	assert_int_equal(text_endpoint(endpoint, &want), 0);
	if (want.ss_family == AF_INET && got.ss_family == AF_INET6) {
		struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = v6->sin6_port };

		assert_true(IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr));
		memcpy(&v4.sin_addr, v6->sin6_addr.s6_addr + 12, 4);
		memset(&got, 0, sizeof(got));
		memcpy(&got, &v4, sizeof(v4));
	}
	assert_memory_equal(&got, &want, want.ss_family == AF_INET ? sizeof(struct sockaddr_in)
								    : sizeof(struct sockaddr_in6));
}

int traffic_accept(int listener, const char *endpoint)
{
	struct sockaddr_storage name = { 0 };
	socklen_t len = sizeof(name);
	int fd;

	wait_for(listener, POLLIN);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	forget_quickly(fd);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	expect_name(&name, endpoint);
	return fd;
}

void traffic_receive(int fd)
{
	char data[16];

	wait_for(fd, POLLIN);
	assert_int_equal(recv(fd, data, sizeof(data), MSG_DONTWAIT), 4);
	assert_memory_equal(data, "ping", 4);
}

void traffic_expect_arrival(int protocol, const char *endpoint, int server)
{
	_cleanup_close_ int client = traffic_dial(protocol, endpoint);
	_cleanup_close_ int accepted = -1;

	assert_true(client >= 0);
	if (protocol == IPPROTO_TCP)
		accepted = traffic_accept(server, endpoint);
	else
		traffic_receive(server);
}

void traffic_expect_refusal(int protocol, const char *endpoint)
{
	_cleanup_close_ int client = traffic_dial(protocol, endpoint);
	socklen_t len = sizeof(int);
	int error;

	wait_for(client, protocol == IPPROTO_TCP ? POLLOUT : POLLERR);
	assert_int_equal(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	assert_int_equal(error, ECONNREFUSED);
}

void traffic_talk(int from, int to)
{
	assert_int_equal(send(from, "ping", 4, 0), 4);
	traffic_receive(to);
}
