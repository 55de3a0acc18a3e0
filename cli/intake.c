// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "intake.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

static int random_hex(char *ret, size_t digits)
{
	unsigned char bytes[RUN_SECRET_LEN / 2];

	/* So few bytes come whole. */
	if (getrandom(bytes, digits / 2, 0) != (ssize_t)(digits / 2))
		return -errno;
	for (size_t i = 0; i < digits / 2; i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int watch(const struct intake *intake, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(intake->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int intake_open(struct intake *ret, int listener)
{
	struct intake intake = {.listener = listener, .epoll = epoll_create1(EPOLL_CLOEXEC)};
	struct sockaddr_un address;
	socklen_t len;
	int r = intake.epoll < 0 ? -errno : 0;

	if (!r)
		r = random_hex(intake.name, RUN_NAME_LEN);
	if (!r)
		r = random_hex(intake.secret, RUN_SECRET_LEN);
	if (!r) {
		len = run_address(&address, intake.name);
		if (bind(listener, (struct sockaddr *)&address, len) < 0 ||
		    listen(listener, SOMAXCONN) < 0)
			r = -errno;
	}
	if (!r)
		r = watch(&intake, listener);
	if (r < 0) {
		intake_close(&intake);
		return r;
	}
	*ret = intake;
	return 0;
}

void intake_close(struct intake *intake)
{
	for (unsigned int i = 0; i < intake->n; i++)
		close(intake->connections[i]);
	intake->n = 0;
	if (intake->epoll >= 0)
		close(intake->epoll);
	if (intake->listener >= 0)
		close(intake->listener);
	intake->epoll = intake->listener = -1;
}

char *intake_environment(const struct intake *intake)
{
	char *text;

	return asprintf(&text, RUN_ENVIRONMENT_PRINT, RUN_VERSION, geteuid(), intake->name,
			intake->secret) < 0 ? NULL : text;
}

/* ---- connections ---- */

static void drop(struct intake *intake, unsigned int i)
{
	close(intake->connections[i]);
	intake->n--;
	memmove(&intake->connections[i], &intake->connections[i + 1],
		(intake->n - i) * sizeof(intake->connections[0]));
}

static bool lacks_room(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* The descriptor that came with a message; -1: none. There is room for one only. */
static int passed_fd(struct msghdr *message)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static bool is_good(const struct intake *intake, const struct run_request *request)
{
	unsigned char wrong = 0;

	/* All of it, however early it differs: the time taken tells nothing. */
	for (size_t i = 0; i < RUN_SECRET_LEN; i++)
		wrong |= request->secret[i] ^ intake->secret[i];
	return !wrong && request->version == RUN_VERSION && !(request->flags & ~RUN_ANY_PORT);
}

/* -EAGAIN: nothing has come yet. Everything else ends the connection. */
static int receive(const struct intake *intake, int conn, intake_fn fn, void *data)
{
	struct run_request request;
	struct iovec part = {&request, sizeof(request)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int)), /* CMSG_SPACE() would hold two */
	};
	_cleanup_close_ int fd = -1;
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	ssize_t n = recvmsg(conn, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	fd = passed_fd(&message);
	if (n != sizeof(request) || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || fd < 0 ||
	    !is_good(intake, &request) || getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return -EBADMSG;
	fn(&(struct intake_socket){.fd = fd,
				   .number = request.fd,
				   .pid = peer.pid,
				   .any_port = request.flags & RUN_ANY_PORT},
	   data);
	return 0;
}

/* What has been sent is received at once, so only those who say nothing yet take room. */
static void accept_one(struct intake *intake, int conn, intake_fn fn, void *data)
{
	if (receive(intake, conn, fn, data) != -EAGAIN) {
		close(conn);
		return;
	}
	if (intake->n == INTAKE_CONNECTIONS)
		drop(intake, 0);
	if (watch(intake, conn) < 0)
		close(conn);
	else
		intake->connections[intake->n++] = conn;
}

static void accept_some(struct intake *intake, intake_fn fn, void *data)
{
	/* Not all: a flood must not keep signals waiting. */
	for (unsigned int i = 0; i < INTAKE_CONNECTIONS; i++) {
		int conn = accept4(intake->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (conn >= 0)
			accept_one(intake, conn, fn, data);
		else if (lacks_room(errno) && intake->n)
			drop(intake, 0);
		else if (lacks_room(errno))
			poll(NULL, 0, 10); /* nothing tells when there is room */
		else if (errno == EAGAIN)
			return;
	}
}

void intake_serve(struct intake *intake, intake_fn fn, void *data)
{
	struct epoll_event events[INTAKE_CONNECTIONS + 1];
	int n = epoll_wait(intake->epoll, events, INTAKE_CONNECTIONS + 1, 0);
	bool more = false;

	for (int e = 0; e < n; e++) {
		int fd = events[e].data.fd;

		if (fd == intake->listener) {
			more = true;
			continue;
		}
		for (unsigned int i = 0; i < intake->n; i++) {
			if (intake->connections[i] != fd)
				continue;
			if (receive(intake, fd, fn, data) != -EAGAIN)
				drop(intake, i);
			break;
		}
	}
	/* Last: numbers of descriptors that go here may come again. */
	if (more)
		accept_some(intake, fn, data);
}
