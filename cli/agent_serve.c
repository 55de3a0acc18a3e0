// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The process that accepts: limits, the policy, and a process for each client. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "agent_log.h"
#include "agent_peer.h"
#include "agent_policy.h"
#include "agent_wire.h"
#include "cleanup.h"

#define USEC_PER_SEC ((uint64_t)1000000)

struct client {
	struct server *server;
	bool in_use;
	bool is_busy; /* refused for its user's limit: it does not count for it */
	uid_t uid;
	pid_t pid; /* of the process that serves it */
	sd_event_source *exit, *timer;
};

struct server {
	struct agent *agent;
	sd_event *event;
	sd_event_source *accept, *pause;
	size_t n_clients;
	struct client clients[AGENT_CLIENTS_MAX];
};

/* ---- clients ---- */

static bool is_user_busy(const struct server *server, uid_t uid)
{
	size_t n = 0;

	for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
		const struct client *client = &server->clients[i];

		n += client->in_use && !client->is_busy && client->uid == uid;
	}
	return n >= AGENT_CLIENTS_OF_USER_MAX;
}

/* Where all places are taken, connections wait in the socket's queue. */
static int accept_more(struct server *server, bool more)
{
	return sd_event_source_set_enabled(server->accept, more ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void client_end(struct client *client)
{
	struct server *server = client->server;

	sd_event_source_disable_unref(client->exit);
	sd_event_source_disable_unref(client->timer);
	*client = (struct client){0};
	server->n_clients--;
	accept_more(server, true);
}

static int on_client_exit(sd_event_source *source, const siginfo_t *info, void *data)
{
	struct client *client = data;
	struct agent *agent = client->server->agent;

	(void)source;
	if (info->si_code != CLD_EXITED)
		agent_log(LOG_ERR, "the process that served uid %u was ended by signal %s",
			  client->uid, sigabbrev_np(info->si_status));
	if (info->si_code == CLD_EXITED && info->si_status == EXIT_SUCCESS)
		agent->registered++;
	else
		agent->refused++;
	client_end(client);
	return 0;
}

/* Until it is reaped, the pid is nobody else's. */
static int on_client_late(sd_event_source *source, uint64_t usec, void *data)
{
	struct client *client = data;

	(void)source;
	(void)usec;
	agent_log(LOG_WARNING, "uid %u was not done within %d s", client->uid,
		  AGENT_CLIENT_SECONDS);
	kill(client->pid, SIGKILL);
	return 0;
}

static int client_watch(struct server *server, struct client *client)
{
	int r = sd_event_add_child(server->event, &client->exit, client->pid, WEXITED,
				   on_client_exit, client);

	if (r < 0)
		return r;
	/* Places become free before new clients are accepted. */
	r = sd_event_source_set_priority(client->exit, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		return r;
	return sd_event_add_time_relative(server->event, &client->timer, CLOCK_MONOTONIC,
					  AGENT_CLIENT_SECONDS * USEC_PER_SEC, 0, on_client_late,
					  client);
}

/*
 * In the new process. It waits until the other has closed the connection
 * (@closed: the end of a pipe that goes with it): who closes it last must not
 * be the one that accepts, as descriptors may be in the queue. That the
 * listener is not held open matters if the agent is killed.
 */
_Noreturn static void client_run(const struct server *server, int connection, int closed,
				 bool is_busy)
{
	char byte;

	TEMP_FAILURE_RETRY(read(closed, &byte, 1));
	close(server->agent->listener);
	_exit(agent_session(server->agent, connection, is_busy) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static struct client *free_place(struct server *server)
{
	for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++)
		if (!server->clients[i].in_use)
			return &server->clients[i];
	return NULL;
}

/* Closes @connection, where it is served. */
static int client_start(struct server *server, int *connection, uid_t uid)
{
	_cleanup_close_ int closed = -1, closing = -1;
	struct client *client = free_place(server);
	bool is_busy = is_user_busy(server, uid);
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	closed = ends[0];
	closing = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(take_fd(&closing));
		client_run(server, *connection, closed, is_busy);
	}
	close(take_fd(connection));
	*client = (struct client){
		.server = server, .in_use = true, .is_busy = is_busy, .uid = uid, .pid = pid};
	if (++server->n_clients == AGENT_CLIENTS_MAX)
		accept_more(server, false);
	return client_watch(server, client);
}

/* ---- accepting ---- */

static int on_pause_over(sd_event_source *source, uint64_t usec, void *data)
{
	struct server *server = data;

	(void)source;
	(void)usec;
	return server->n_clients < AGENT_CLIENTS_MAX ? accept_more(server, true) : 0;
}

/* No descriptors or processes are left: trying again at once would only burn time. */
static int pause_accepting(struct server *server)
{
	int r = accept_more(server, false);

	if (r < 0)
		return r;
	r = sd_event_source_set_time_relative(server->pause, USEC_PER_SEC);
	return r < 0 ? r : sd_event_source_set_enabled(server->pause, SD_EVENT_ONESHOT);
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *data)
{
	_cleanup_close_ int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct server *server = data;
	uid_t uid = (uid_t)-1;
	int r;

	(void)source;
	(void)events;
	if (connection < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return 0;
	r = connection < 0 ? -errno : peer_uid(connection, &uid);
	if (r == 0)
		r = client_start(server, &connection, uid);
	if (r == 0)
		return 0;
	agent_log(LOG_ERR, "cannot serve a client: %s", strerror(-r));
	return pause_accepting(server);
}

/* ---- signals ---- */

static void read_policy_again(struct agent *agent)
{
	struct anybind_policy *policy;
	struct output out = {0};

	output_init(&out);
	if (agent_policy_read(agent->policy_file, &policy, &out) < 0) {
		agent_log_output(&out);
		agent_log(LOG_ERR, "%s has errors: the policy stays as it was",
			  agent->policy_file);
	} else {
		anybind_policy_free(agent->policy);
		agent->policy = policy;
		agent_log(LOG_NOTICE, "%s is in force", agent->policy_file);
	}
	output_release(&out);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	struct server *server = data;

	(void)source;
	(void)info;
	sd_notify(0, "RELOADING=1");
	read_policy_again(server->agent);
	sd_notify(0, "READY=1");
	return 0;
}

static int add_signals(struct server *server)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	r = sd_event_add_signal(server->event, NULL, SIGHUP, on_hangup, server);
	/* Without a function: they end the loop. */
	if (r >= 0)
		r = sd_event_add_signal(server->event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(server->event, NULL, SIGTERM, NULL, NULL);
	return r;
}

/* ---- the loop ---- */

static int add_sources(struct server *server)
{
	int r = add_signals(server);

	if (r < 0)
		return r;
	r = sd_event_add_io(server->event, &server->accept, server->agent->listener, EPOLLIN,
			    on_connection, server);
	if (r < 0)
		return r;
	r = sd_event_add_time(server->event, &server->pause, CLOCK_MONOTONIC, 0, 0, on_pause_over,
			      server);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(server->pause, SD_EVENT_OFF);
	return r < 0 ? r : sd_event_set_watchdog(server->event, true);
}

static void server_release(struct server *server)
{
	/* Clients that are being served are served to the end. */
	for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
		sd_event_source_disable_unref(server->clients[i].exit);
		sd_event_source_disable_unref(server->clients[i].timer);
	}
	sd_event_source_disable_unref(server->accept);
	sd_event_source_disable_unref(server->pause);
	sd_event_unref(server->event);
}

int agent_serve(struct agent *agent, struct output *out)
{
	struct server server = {.agent = agent};
	int r = sd_event_new(&server.event);

	if (r >= 0)
		r = add_sources(&server);
	if (r >= 0) {
		agent_log(LOG_INFO, "the agent is ready");
		sd_notify(0, "READY=1");
		r = sd_event_loop(server.event);
		sd_notify(0, "STOPPING=1");
	}
	server_release(&server);
	if (r < 0)
		return output_error(out, r, NULL, "the agent's event loop failed: %s",
				    strerror(-r));
	return 0;
}
