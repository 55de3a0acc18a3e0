/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The agent: registers sockets for programs without privilege.
 *
 * A client cannot hurt others. Each connection is served by a process of its
 * own, forked from the one that accepts, because a descriptor from a stranger
 * can stop whoever closes it: close(2) waits for SO_LINGER of a connection, or
 * for the client's own FUSE server. A process that ends does not linger, one
 * that hangs can be killed, and its descriptors end with it. The accepting
 * process never receives a descriptor and holds only the policy and the limits.
 */
#ifndef ANYBIND_CLI_AGENT_H
#define ANYBIND_CLI_AGENT_H

#include <stdbool.h>
#include <stddef.h>

#include "anybind.h"
#include "output.h"

/* Clients served at once, in all and of one user. */
#define AGENT_CLIENTS_MAX 64
#define AGENT_CLIENTS_OF_USER_MAX 16

struct agent {
	struct anybind *anybind;
	struct anybind_policy *policy;
	const char *policy_file;
	int listener;
	size_t registered, refused; /* clients so far */
};

/*
 * The socket to serve: the one that a service manager passed, or a new one at
 * @path (NULL: ANYBIND_AGENT_SOCKET), where *ret_made is set: to be unlinked.
 * -EADDRINUSE: another agent has it. -EINVAL: what was passed will not do.
 */
int agent_listen(const char *path, int *ret_listener, bool *ret_made, struct output *out);

/* Serves until SIGTERM or SIGINT; reads the policy anew on SIGHUP. */
int agent_serve(struct agent *agent, struct output *out);

/*
 * Serves one client, in a process of its own; @is_busy: refuses it, without
 * reading what it sent. 0: registered; else it was refused. All is logged.
 */
int agent_session(const struct agent *agent, int connection, bool is_busy);

#endif
