// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* One client: its request, the decision, the answer. */
#include "agent.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "agent_log.h"
#include "agent_peer.h"
#include "agent_wire.h"
#include "context.h"
#include "show.h"

/*
 * The kernel's SCM_MAX_FD. All of a message are received, also where they are
 * too many: those that found no room would be closed by the kernel, unseen.
 */
#define RECEIVED_MAX 253

struct session {
	const struct agent *agent;
	int connection;
	struct peer peer;
	char service[ANYBIND_NAME_MAX + 1]; /* "": not known yet */
	int fds[RECEIVED_MAX];
	size_t n_fds;
};

/* What is said to the client; the descriptor counts from 0, -1: none in particular. */
struct verdict {
	int code;
	int sockets;
	int descriptor;
	const char *text, *hint; /* or NULL */
};

/* ---- answers ---- */

/* Bytes of @text that fit, without half a character at the end. */
static size_t fitting(const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len <= AGENT_TEXT_MAX)
		return len;
	for (len = AGENT_TEXT_MAX; len && ((unsigned char)text[len] & 0xc0) == 0x80;)
		len--;
	return len;
}

/* Does not wait: there is room for one answer, unless the client is up to something. */
static void answer(const struct session *s, const struct verdict *verdict)
{
	size_t text_len = fitting(verdict->text), hint_len = fitting(verdict->hint);
	struct agent_answer head = {
		.magic = {AGENT_MAGIC[0], AGENT_MAGIC[1], AGENT_MAGIC[2], AGENT_MAGIC[3]},
		.version = AGENT_VERSION,
		.sockets = (uint16_t)verdict->sockets,
		.code = verdict->code,
		.descriptor = (int16_t)verdict->descriptor,
		.text_len = (uint16_t)text_len,
		.hint_len = (uint16_t)hint_len,
	};
	char message[AGENT_ANSWER_MAX];

	memcpy(message, &head, sizeof(head));
	if (verdict->text && text_len)
		memcpy(message + sizeof(head), verdict->text, text_len);
	if (verdict->hint && hint_len)
		memcpy(message + sizeof(head) + text_len, verdict->hint, hint_len);
	if (send(s->connection, message, sizeof(head) + text_len + hint_len,
		 MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    verdict->code == 0)
		agent_log(LOG_NOTICE, "%s: uid %u, pid %d (%s) did not wait for the answer",
			  s->service, s->peer.uid, s->peer.pid, s->peer.program);
}

/* Says it to the client and in the log; returns the code. */
static int refuse(const struct session *s, const struct verdict *verdict)
{
	char place[32] = "";

	if (verdict->descriptor >= 0)
		snprintf(place, sizeof(place), "descriptor %d of %zu: ", verdict->descriptor + 1,
			 s->n_fds);
	agent_log(LOG_WARNING, "%s%srefused to uid %u, pid %d (%s): %s%s", s->service,
		  *s->service ? ": " : "", s->peer.uid, s->peer.pid, s->peer.program, place,
		  verdict->text);
	answer(s, verdict);
	return verdict->code;
}

static int refuse_for(const struct session *s, int code, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse_for(const struct session *s, int code, const char *hint, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	struct verdict verdict = {.code = code, .descriptor = -1, .hint = hint};
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	verdict.text = n < 0 ? "out of memory" : text;
	return refuse(s, &verdict);
}

/* ---- the request ---- */

static void keep_descriptors(struct session *s, struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n && s->n_fds < RECEIVED_MAX; i++)
			memcpy(&s->fds[s->n_fds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

/* Waits for one message; its size, of which no more than @size bytes are in @buf. */
static ssize_t receive(struct session *s, void *buf, size_t size, bool *ret_lost)
{
	const struct timeval wait = {.tv_sec = AGENT_REQUEST_SECONDS};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int) * RECEIVED_MAX)];
	} control;
	struct iovec data = {buf, size};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	if (setsockopt(s->connection, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		return -errno;
	n = TEMP_FAILURE_RETRY(recvmsg(s->connection, &message, MSG_CMSG_CLOEXEC | MSG_TRUNC));
	if (n < 0)
		return -errno;
	keep_descriptors(s, &message);
	*ret_lost = message.msg_flags & MSG_CTRUNC;
	return n;
}

/* What is in it is repeated in messages. Whether it is a name is the policy's to say. */
static int take_service(struct session *s, const char service[ANYBIND_NAME_MAX])
{
	size_t len = strnlen(service, ANYBIND_NAME_MAX);

	for (size_t i = len; i < ANYBIND_NAME_MAX; i++)
		if (service[i])
			return refuse_for(s, -EBADMSG, NULL,
					  "something stands behind the service's name");
	for (size_t i = 0; i < len; i++)
		if (service[i] <= ' ' || service[i] >= 0x7f)
			return refuse_for(s, -EINVAL, NULL,
					  "no service's name has the byte 0x%02x in it",
					  (unsigned char)service[i]);
	memcpy(s->service, service, len);
	return 0;
}

static int check_request(struct session *s, const struct agent_request *request, ssize_t size)
{
	if (size < (ssize_t)sizeof(request->magic) + (ssize_t)sizeof(request->version) ||
	    memcmp(request->magic, AGENT_MAGIC, sizeof(request->magic)) != 0)
		return refuse_for(s, -EBADMSG, "anybind-agent(8) says what it takes.",
				  "a message of %zd bytes is no request", size);
	if (request->version != AGENT_VERSION)
		return refuse_for(s, -EPROTONOSUPPORT,
				  "Use the library and the agent of one release.",
				  "a request of version %u; this agent knows version %d",
				  request->version, AGENT_VERSION);
	if (size != (ssize_t)sizeof(*request))
		return refuse_for(s, -EBADMSG, NULL, "a request of %zd bytes instead of %zu", size,
				  sizeof(*request));
	if (request->command != AGENT_REGISTER)
		return refuse_for(s, -EBADMSG, NULL, "an unknown command, %u", request->command);
	return take_service(s, request->service);
}

static int read_request(struct session *s, bool *ret_lost)
{
	struct agent_request request = {0};
	ssize_t n = receive(s, &request, sizeof(request), ret_lost);

	if (n == -EAGAIN)
		return refuse_for(s, -ETIMEDOUT, NULL, "no request within %d s",
				  AGENT_REQUEST_SECONDS);
	if (n < 0)
		return refuse_for(s, (int)n, NULL, "cannot receive the request: %s",
				  strerror((int)-n));
	if (n == 0)
		return refuse_for(s, -EBADMSG, NULL, "hung up without a request");
	return check_request(s, &request, n);
}

static int check_number(const struct session *s, bool lost)
{
	if (lost)
		return refuse_for(s, -EMFILE, "Raise LimitNOFILE= of the agent.",
				  "not all descriptors could be received");
	if (!s->n_fds)
		return refuse_for(s, -EINVAL, "Send them as SCM_RIGHTS, in the same message.",
				  "no sockets came with the request");
	if (s->n_fds > ANYBIND_AGENT_FDS_MAX)
		return refuse_for(s, -E2BIG, NULL, "%zu descriptors at once; at most %d are taken",
				  s->n_fds, ANYBIND_AGENT_FDS_MAX);
	return 0;
}

/* ---- the decision ---- */

static int check_peer(const struct session *s)
{
	char hint[200];

	if (s->peer.pid && !peer_is_alive(&s->peer))
		return refuse_for(s, -ESRCH, "Wait for the answer.",
				  "the process that connected has ended");
	if (anybind_policy_allows(s->agent->policy, s->peer.uid, s->peer.groups, s->peer.n_groups,
				  s->service))
		return 0;
	snprintf(hint, sizeof(hint), "A line in it such as: allow uid %u service %s", s->peer.uid,
		 *s->service ? s->service : "NAME");
	return refuse_for(s, -EACCES, hint, "the policy (%s) does not let uid %u register \"%s\"",
			  s->agent->policy_file, s->peer.uid, s->service);
}

/*
 * Hints that are for whoever types `anybind register` are of no use to a
 * program, and numbers of descriptors in them are this process's own.
 */
static const char *hint_for_program(const struct anybind_message *message)
{
	switch (message->code) {
	case -EXDEV:
		return "An agent serves one network namespace: start one for the socket's, with "
		       "`anybind -n NETNS agent`.";
	case -ENOTUNIQ:
		return "Send one of each family and protocol, or members of one reuseport group.";
	default:
		return message->hint;
	}
}

/* The first error of the library; @descriptor: the one that was looked at, or -1. */
static int refuse_by_report(const struct session *s, const struct anybind_report *report, int code,
			    int descriptor)
{
	struct verdict verdict = {.code = code, .descriptor = descriptor, .text = strerror(-code)};
	char prefix[32];

	for (size_t i = 0; i < anybind_report_count(report); i++) {
		const struct anybind_message *message = anybind_report_get(report, i);

		if (message->severity != ANYBIND_ERROR)
			continue;
		verdict.text = message->text;
		verdict.hint = hint_for_program(message);
		break;
	}
	if (descriptor >= 0) {
		snprintf(prefix, sizeof(prefix), "fd %d: ", s->fds[descriptor]);
		if (!strncmp(verdict.text, prefix, strlen(prefix)))
			verdict.text += strlen(prefix);
	}
	return refuse(s, &verdict);
}

/* First each for itself, so that the one at fault can be named. */
static int find_sockets(const struct session *s, struct anybind_sockets **ret,
			struct anybind_report *report)
{
	int r;

	for (size_t i = 0; i < s->n_fds; i++) {
		struct anybind_sockets *one = NULL;

		r = anybind_sockets_of_fds(s->agent->anybind, &one, &s->fds[i], 1, report);
		anybind_sockets_free(one);
		if (r < 0)
			return refuse_by_report(s, report, r, (int)i);
	}
	r = anybind_sockets_of_fds(s->agent->anybind, ret, s->fds, s->n_fds, report);
	return r < 0 ? refuse_by_report(s, report, r, -1) : 0;
}

static void log_registered(const struct session *s, const struct anybind_sockets *sockets,
			   const struct anybind_report *report)
{
	_cleanup_free_ char *list = NULL;
	size_t size;
	FILE *stream = open_memstream(&list, &size);

	if (!stream)
		out_of_memory();
	for (size_t i = 0; i < anybind_sockets_count(sockets); i++) {
		const struct anybind_socket_info *socket = anybind_sockets_get(sockets, i);

		fprintf(stream, "%s%s %s", i ? ", " : "", protocol_name(socket->protocol),
			socket->address);
	}
	if (fclose(stream))
		out_of_memory();
	agent_log(LOG_INFO, "%s: registered %s for uid %u, pid %d (%s)", s->service, list,
		  s->peer.uid, s->peer.pid, s->peer.program);
	for (size_t i = 0; i < anybind_report_count(report); i++)
		agent_log(LOG_WARNING, "%s: %s", s->service, anybind_report_get(report, i)->text);
}

static void sockets_freep(struct anybind_sockets **sockets)
{
	anybind_sockets_free(*sockets);
}

static int serve(struct session *s)
{
	_cleanup_report_ struct anybind_report *report = anybind_report_new();
	_cleanup_(sockets_freep) struct anybind_sockets *sockets = NULL;
	struct verdict verdict = {.descriptor = -1};
	bool lost = false;
	int r;

	if (!report)
		out_of_memory();
	r = read_request(s, &lost);
	if (r < 0)
		return r;
	/* Who may not register is told no more than that. */
	r = check_peer(s);
	if (r < 0)
		return r;
	r = check_number(s, lost);
	if (r < 0)
		return r;
	r = find_sockets(s, &sockets, report);
	if (r < 0)
		return r;
	r = anybind_register(s->agent->anybind, s->service, sockets,
			     &(struct anybind_register_options){
				     .size = sizeof(struct anybind_register_options),
				     .how = "agent",
				     .uid = s->peer.uid,
				     .on_behalf = true,
			     },
			     report);
	if (r < 0)
		return refuse_by_report(s, report, r, -1);
	log_registered(s, sockets, report);
	verdict.sockets = (int)anybind_sockets_count(sockets);
	answer(s, &verdict);
	return 0;
}

int agent_session(const struct agent *agent, int connection, bool is_busy)
{
	struct session s = {.agent = agent, .connection = connection};
	int r = peer_read(connection, &s.peer);

	if (r < 0) {
		agent_log(LOG_ERR, "cannot tell who connected: %s", strerror(-r));
		return r;
	}
	if (is_busy)
		r = refuse_for(&s, -EBUSY, "Try again when they are done.",
			       "uid %u has %d connections to the agent already", s.peer.uid,
			       AGENT_CLIENTS_OF_USER_MAX);
	else
		r = serve(&s);
	peer_release(&s.peer);
	return r;
}
