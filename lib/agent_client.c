/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A program's side of an agent: needs no privilege and no BPF. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "agent_wire.h"
#include "cleanup.h"
#include "error.h"
#include "text.h"

#define HINT_START "`systemctl enable --now anybind-agent.socket` has one started on demand."

static int check_arguments(const char *path, const char *service, size_t n_fds,
			   struct anybind_report *report)
{
	char quoted[QUOTED_MAX];

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return report_error(report, -ENAMETOOLONG, NULL,
				    "'%s' is too long for the path of a socket",
				    text_quote(path, strlen(path), quoted));
	if (strlen(service) > ANYBIND_NAME_MAX)
		return report_error(report, -EINVAL, NULL,
				    "'%s' is too long for a service's name",
				    text_quote(service, strlen(service), quoted));
	if (n_fds < 1 || n_fds > ANYBIND_AGENT_FDS_MAX)
		return report_error(report, n_fds ? -E2BIG : -EINVAL, NULL,
				    "%zu sockets were given; an agent takes 1 to %d at once", n_fds,
				    ANYBIND_AGENT_FDS_MAX);
	return 0;
}

static int connect_failed(int code, const char *path, struct anybind_report *report)
{
	switch (code) {
	case -ENOENT:
	case -ECONNREFUSED:
		return report_error(report, code, HINT_START, "no agent listens at %s", path);
	case -EAGAIN: /* of SO_SNDTIMEO */
		return report_error(report, -ETIMEDOUT, NULL,
				    "the agent at %s is busy and does not take connections", path);
	case -EPROTOTYPE:
		return report_error(report, code, "Its socket has the type SOCK_SEQPACKET.",
				    "%s is the socket of something else than an agent", path);
	default:
		return report_error(report, code, NULL, "cannot connect to the agent at %s: %s",
				    path, strerrordesc_np(-code));
	}
}

/* Every wait has an end: the agent's own, and some more. */
static int set_timeouts(int fd)
{
	const struct timeval wait = {.tv_sec = AGENT_CLIENT_SECONDS + AGENT_REQUEST_SECONDS};

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		return -errno;
	return 0;
}

static int connect_to(const char *path, struct anybind_report *report)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int r = fd < 0 ? -errno : set_timeouts(fd);

	if (r < 0)
		return report_error(report, r, NULL, "cannot make a unix socket: %s",
				    strerrordesc_np(-r));
	strcpy(address.sun_path, path); /* check_arguments() has measured it */
	do {
		r = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	} while (r == -EINTR);
	return r < 0 ? connect_failed(r, path, report) : take_fd(&fd);
}

static int send_request(int fd, const char *service, const int fds[], size_t n_fds)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int) * ANYBIND_AGENT_FDS_MAX)];
	} control = {0};
	struct agent_request request = {
		.magic = {AGENT_MAGIC[0], AGENT_MAGIC[1], AGENT_MAGIC[2], AGENT_MAGIC[3]},
		.version = AGENT_VERSION,
		.command = AGENT_REGISTER,
	};
	struct iovec data = {&request, sizeof(request)};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds),
	};

	memcpy(request.service, service, strlen(service));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
	memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
	return TEMP_FAILURE_RETRY(sendmsg(fd, &message, MSG_NOSIGNAL)) < 0 ? -errno : 0;
}

static int send_failed(int code, size_t n_fds, struct anybind_report *report)
{
	if (code == -EBADF)
		return report_error(report, code, NULL, "one of the %zu descriptors is not open",
				    n_fds);
	if (code == -ETOOMANYREFS)
		return report_error(report, code, "Raise RLIMIT_NOFILE, or send fewer at once.",
				    "too many descriptors of this user are on their way");
	return report_error(report, code, NULL, "cannot send to the agent: %s",
			    strerrordesc_np(-code));
}

/*
 * An agent that refuses a client without reading what it sent leaves both an
 * error and an answer; the error comes first, and once.
 */
static ssize_t receive(int fd, void *buf, size_t size)
{
	ssize_t n = TEMP_FAILURE_RETRY(recv(fd, buf, size, MSG_TRUNC));

	if (n < 0 && errno == ECONNRESET)
		n = TEMP_FAILURE_RETRY(recv(fd, buf, size, MSG_TRUNC));
	return n < 0 ? -errno : n;
}

static int no_answer(int code, struct anybind_report *report)
{
	if (code == -EAGAIN)
		return report_error(report, -ETIMEDOUT, "Its log may say more.",
				    "the agent gave no answer within %d s",
				    AGENT_CLIENT_SECONDS + AGENT_REQUEST_SECONDS);
	return report_error(report, -ECONNRESET, "Its log may say more.",
			    "the agent hung up without an answer");
}

/* The agent's words as ours; @fds lets the descriptor be named as the caller knows it. */
static int take_answer(const char *buf, size_t size, const int fds[], size_t n_fds,
		       struct anybind_report *report)
{
	char descriptor[32] = "", hint[AGENT_TEXT_MAX + 1] = "";
	struct agent_answer answer;
	const char *words = buf + sizeof(answer);

	if (size < sizeof(answer))
		return report_error(report, -EBADMSG, NULL, "the agent's answer is cut short");
	memcpy(&answer, buf, sizeof(answer));
	if (memcmp(answer.magic, AGENT_MAGIC, sizeof(answer.magic)) != 0)
		return report_error(report, -EBADMSG, NULL, "what answers there is no agent");
	if (size != sizeof(answer) + answer.text_len + answer.hint_len || answer.code > 0 ||
	    answer.text_len > AGENT_TEXT_MAX || answer.hint_len > AGENT_TEXT_MAX)
		return report_error(report, -EBADMSG,
				    answer.version == AGENT_VERSION
					    ? NULL
					    : "Use the library and the agent of one release.",
				    "the agent's answer, of version %u, cannot be read",
				    answer.version);
	if (answer.code == 0)
		return answer.sockets;
	memcpy(hint, words + answer.text_len, answer.hint_len);
	if (answer.descriptor >= 0 && (size_t)answer.descriptor < n_fds)
		snprintf(descriptor, sizeof(descriptor), "fd %d: ", fds[answer.descriptor]);
	return report_error(report, answer.code, *hint ? hint : NULL, "%s%.*s", descriptor,
			    answer.text_len, words);
}

int anybind_agent_register(const char *socket_path, const char *service, const int fds[],
			   size_t n_fds, struct anybind_report *report)
{
	const char *path = socket_path ? socket_path : ANYBIND_AGENT_SOCKET;
	_cleanup_close_ int fd = -1;
	char answer[AGENT_ANSWER_MAX];
	ssize_t n;
	int r = check_arguments(path, service, n_fds, report);

	if (r < 0)
		return r;
	fd = connect_to(path, report);
	if (fd < 0)
		return fd;
	r = send_request(fd, service, fds, n_fds);
	/* On a connection that is closed already an answer may wait all the same. */
	if (r < 0 && r != -EPIPE)
		return send_failed(r, n_fds, report);
	n = receive(fd, answer, sizeof(answer));
	if (n <= 0)
		return no_answer((int)n, report);
	if ((size_t)n > sizeof(answer))
		return report_error(report, -EBADMSG, NULL, "the agent's answer is too long");
	return take_answer(answer, (size_t)n, fds, n_fds, report);
}
