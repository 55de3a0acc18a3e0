/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who connected to the agent, as the kernel says. */
#ifndef ANYBIND_CLI_AGENT_PEER_H
#define ANYBIND_CLI_AGENT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct peer {
	uid_t uid;
	pid_t pid;     /* 0: in a process namespace that is not seen from here */
	int pidfd;     /* -1: it is gone, or ->pid is 0 */
	gid_t *groups; /* primary and supplementary, owned */
	size_t n_groups;
	char program[32]; /* "nginx", as the process calls itself; "?" if not known */
};

/* Only the uid: what the limits need. */
int peer_uid(int connection, uid_t *ret);

/* Of the process that connected, at that time. -ENOMEM, or what the kernel says. */
int peer_read(int connection, struct peer *ret);
void peer_release(struct peer *peer);

/* Does it still run? Nobody else can have its pid while this is true. */
bool peer_is_alive(const struct peer *peer);

#endif
