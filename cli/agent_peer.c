// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "agent_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "cleanup.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

static int read_credentials(int connection, struct ucred *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, ret, &len) < 0 ? -errno : 0;
}

int peer_uid(int connection, uid_t *ret)
{
	struct ucred credentials;
	int r = read_credentials(connection, &credentials);

	if (r < 0)
		return r;
	*ret = credentials.uid;
	return 0;
}

/* The primary group, then what SO_PEERGROUPS lists. */
static int read_groups(int connection, gid_t primary, struct peer *peer)
{
	_cleanup_free_ gid_t *groups = NULL;
	socklen_t len = 0;

	/* Asked without room it says how much there has to be. */
	if (getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) < 0 && errno != ERANGE)
		return -errno;
	groups = malloc(sizeof(*groups) + len);
	if (!groups)
		return -ENOMEM;
	groups[0] = primary;
	if (len && getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups + 1, &len) < 0)
		return -errno;
	peer->n_groups = 1 + len / sizeof(*groups);
	peer->groups = take_ptr(groups);
	return 0;
}

/*
 * Older kernels know the pid only. It may have been given to another process
 * before it is opened here; that concerns the log, as rights go by uid and gid.
 */
static int open_process(int connection, pid_t pid)
{
	socklen_t len = sizeof(int);
	int fd;

	if (!getsockopt(connection, SOL_SOCKET, SO_PEERPIDFD, &fd, &len))
		return fd;
	return errno == ENOPROTOOPT && pid > 0 ? pidfd_open(pid, 0) : -1;
}

static void read_program(pid_t pid, char *buf, size_t size)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (n <= 0)
		return;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

int peer_read(int connection, struct peer *ret)
{
	struct peer peer = {.pidfd = -1, .program = "?"};
	struct ucred credentials;
	int r = read_credentials(connection, &credentials);

	if (r < 0)
		return r;
	r = read_groups(connection, credentials.gid, &peer);
	if (r < 0)
		return r;
	peer.uid = credentials.uid;
	peer.pid = credentials.pid;
	peer.pidfd = open_process(connection, peer.pid);
	read_program(peer.pid, peer.program, sizeof(peer.program));
	/* Else it may be the name of whoever got the pid next. */
	if (!peer_is_alive(&peer))
		strcpy(peer.program, "?");
	*ret = peer;
	return 0;
}

void peer_release(struct peer *peer)
{
	free(peer->groups);
	if (peer->pidfd >= 0)
		close(peer->pidfd);
}

bool peer_is_alive(const struct peer *peer)
{
	struct pollfd exited = {.fd = peer->pidfd, .events = POLLIN};

	return peer->pidfd >= 0 && poll(&exited, 1, 0) == 0;
}
