// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Preloaded by `anybind run`: shows each TCP listener and each bound UDP socket
 * to the supervisor, which registers it. Runs inside programs that know nothing
 * of it, so:
 *
 *  - The call itself is done first, and its result is what the program gets,
 *    whatever happens after. errno is as the call left it.
 *  - No descriptor stays open, no memory is allocated, no lock is taken:
 *    listen() and bind() stay safe in signal handlers and after fork().
 *  - Nothing is printed: standard error is the program's. What goes wrong here
 *    shows as a socket that the supervisor did not see.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define EXPORT __attribute__((visibility("default")))

/* Written once, before main(): programs overwrite their environment to set their title. */
static struct {
	bool active;
	uid_t uid; /* the supervisor's */
	char name[RUN_NAME_LEN + 1], secret[RUN_SECRET_LEN + 1];
} run;

static int (*next_listen)(int, int);
static int (*next_bind)(int, const struct sockaddr *, socklen_t);

/* Another library's constructor may come before ours and listen already. */
static void find_next(void)
{
	if (!next_listen)
		next_listen = (typeof(next_listen))dlsym(RTLD_NEXT, "listen");
	if (!next_bind)
		next_bind = (typeof(next_bind))dlsym(RTLD_NEXT, "bind");
}

__attribute__((constructor)) static void start(void)
{
	const char *text = getenv(RUN_ENVIRONMENT);
	int saved = errno, version = 0, used = 0;

	find_next();
	run.active = text &&
		     sscanf(text, RUN_ENVIRONMENT_SCAN, &version, &run.uid, run.name, run.secret,
			    &used) == 4 &&
		     version == RUN_VERSION && !text[used] && strlen(run.name) == RUN_NAME_LEN &&
		     strlen(run.secret) == RUN_SECRET_LEN;
	errno = saved;
}

/* ---- showing a socket ---- */

static int64_t now_ms(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/*
 * Once the supervisor is gone its address is free for all, and the socket is
 * not for whoever sits there then.
 */
static bool is_supervisor(int conn)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &len) && peer.uid == run.uid;
}

static int connect_to_supervisor(void)
{
	const struct timeval timeout = {RUN_TIMEOUT_MS / 1000, RUN_TIMEOUT_MS % 1000 * 1000};
	struct sockaddr_un address;
	socklen_t len = run_address(&address, run.name);
	int conn = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (conn < 0)
		return -1;
	/* Its queue may be full. */
	if (!setsockopt(conn, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) &&
	    !connect(conn, (struct sockaddr *)&address, len) && is_supervisor(conn))
		return conn;
	close(conn);
	return -1;
}

static bool send_socket(int conn, int fd, uint32_t flags)
{
	struct run_request request = {.version = RUN_VERSION, .flags = flags, .fd = fd};
	struct iovec data = {&request, sizeof(request)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(fd))];
	} control = {0};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	memcpy(request.secret, run.secret, sizeof(request.secret));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(conn, &message, MSG_NOSIGNAL) == sizeof(request);
}

static void wait_until_closed(int conn, int64_t deadline)
{
	struct pollfd closed = {.fd = conn, .events = POLLIN};
	int64_t left;

	/* The C library has signals of its own, which nobody can hold back. */
	while ((left = deadline - now_ms()) > 0)
		if (poll(&closed, 1, (int)left) >= 0 || errno != EINTR)
			return;
}

/*
 * Signals wait meanwhile: a handler might listen, too, or leave by longjmp().
 * So do cancellations, since listen() and bind() are no cancellation points.
 */
static void show(int fd, uint32_t flags)
{
	int64_t deadline = now_ms() + RUN_TIMEOUT_MS;
	int conn, cancel;
	sigset_t all, before;

	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &before))
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	conn = connect_to_supervisor();
	if (conn >= 0) {
		if (send_socket(conn, fd, flags))
			wait_until_closed(conn, deadline);
		close(conn);
	}
	pthread_setcancelstate(cancel, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- the calls ---- */

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

static bool is_udp(int fd)
{
	int domain = option(fd, SO_DOMAIN);

	return (domain == AF_INET || domain == AF_INET6) && option(fd, SO_TYPE) == SOCK_DGRAM;
}

static bool is_any_port(const struct sockaddr *address)
{
	/* The port is at the same place in both families. */
	static_assert(offsetof(struct sockaddr_in, sin_port) ==
			      offsetof(struct sockaddr_in6, sin6_port), "one place");
	return !((const struct sockaddr_in *)address)->sin_port;
}

EXPORT int listen(int fd, int backlog)
{
	int result, saved;

	find_next();
	result = next_listen(fd, backlog);
	if (result < 0 || !run.active)
		return result;
	saved = errno;
	show(fd, 0);
	errno = saved;
	return result;
}

EXPORT int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
	int result, saved;

	find_next();
	result = next_bind(fd, address.__sockaddr__, len);
	if (result < 0 || !run.active)
		return result;
	saved = errno;
	if (is_udp(fd))
		show(fd, is_any_port(address.__sockaddr__) ? RUN_ANY_PORT : 0);
	errno = saved;
	return result;
}
