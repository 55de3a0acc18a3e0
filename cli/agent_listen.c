// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "cleanup.h"

/* accept() must not wait for a client that has gone away meanwhile. */
static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static int take_passed(int n, int *ret_listener, struct output *out)
{
	const char *hint = "The socket unit needs one ListenSequentialPacket= and nothing else.";
	int fd = SD_LISTEN_FDS_START, r;

	if (n > 1)
		return output_error(out, -EINVAL, hint,
				    "%d sockets were passed to the agent, which serves one", n);
	r = sd_is_socket(fd, AF_UNIX, SOCK_SEQPACKET, 1);
	if (r == 0)
		return output_error(out, -EINVAL, hint,
				    "what was passed to the agent is no unix socket of type "
				    "SOCK_SEQPACKET that listens");
	if (r > 0)
		r = set_nonblocking(fd);
	if (r < 0)
		return output_error(out, r, NULL, "cannot use the socket that was passed: %s",
				    strerror(-r));
	*ret_listener = fd;
	return 0;
}

/* The folder of @path, if it is missing. Only the last one: the rest is not ours. */
static int make_folder(const char *path, struct output *out)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!folder)
		out_of_memory();
	if (!slash || slash == folder)
		return 0;
	*slash = '\0';
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return output_error(out, -errno, NULL, "cannot make the folder \"%s\": %s", folder,
				    strerror(errno));
	return 0;
}

/* Takes away the socket of an agent that was killed; refuses anything else. */
static int clear_path(const struct sockaddr_un *address, struct output *out)
{
	_cleanup_close_ int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const char *path = address->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : output_error(out, -errno, NULL, "cannot look at \"%s\": %s",
						      path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return output_error(out, -EEXIST, "Choose another path with --socket.",
				    "\"%s\" is there already and is no socket", path);
	if (probe < 0)
		return output_error(out, -errno, NULL, "cannot make a unix socket: %s",
				    strerror(errno));
	if (!connect(probe, (const struct sockaddr *)address, sizeof(*address)) ||
	    errno != ECONNREFUSED)
		return output_error(out, -EADDRINUSE,
				    "Stop it (`systemctl stop anybind-agent.socket`), or choose "
				    "another path with --socket.",
				    "a program listens at \"%s\" already", path);
	if (unlink(path) < 0)
		return output_error(out, -errno, NULL, "cannot remove \"%s\": %s", path,
				    strerror(errno));
	return 0;
}

/* Everyone may connect: who may register is the policy's to say. */
static int bind_and_listen(int fd, const struct sockaddr_un *address)
{
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (chmod(address->sun_path, 0666) < 0 || listen(fd, SOMAXCONN) < 0) {
		int r = -errno;

		unlink(address->sun_path);
		return r;
	}
	return 0;
}

static int make_socket(const char *path, int *ret_listener, struct output *out)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return output_error(out, -ENAMETOOLONG, NULL,
				    "\"%s\" is too long for the path of a socket", path);
	strcpy(address.sun_path, path);
	r = make_folder(path, out);
	if (r < 0)
		return r;
	r = clear_path(&address, out);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : bind_and_listen(fd, &address);
	if (r < 0)
		return output_error(out, r, NULL, "cannot listen at \"%s\": %s", path,
				    strerror(-r));
	*ret_listener = take_fd(&fd);
	return 0;
}

int agent_listen(const char *path, int *ret_listener, bool *ret_made, struct output *out)
{
	int n = sd_listen_fds(true), r;

	if (n < 0)
		return output_error(out, n, NULL,
				    "cannot take over descriptors from LISTEN_FDS: %s",
				    strerror(-n));
	if (n > 0 && path)
		return output_error(out, -EINVAL, "Leave out --socket; the socket unit names the "
						  "path.",
				    "a socket was passed to the agent, and --socket names another");
	r = n > 0 ? take_passed(n, ret_listener, out)
		  : make_socket(path ? path : ANYBIND_AGENT_SOCKET, ret_listener, out);
	if (r < 0)
		return r;
	*ret_made = !n;
	return 0;
}
