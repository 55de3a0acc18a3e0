/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who holds which socket, and who is asking: /proc, read as hostile text. */
#ifndef ANYBIND_PROCESS_H
#define ANYBIND_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct owner {
	uint32_t inode; /* in: the socket's inode */
	pid_t pid;	/* out: lowest pid that holds it, 0: none seen */
	char program[32]; /* out: its comm; control characters as '?' */
};

/* Fills in pid and program of all @n owners in one pass over /proc. */
int process_find_owners(struct owner *owners, size_t n);

/*
 * The ssh connection that the caller types in: SSH_CONNECTION of its own
 * environment or, since sudo drops it, of its nearest ancestor that has it.
 * 0: found, -ENOENT: none.
 */
int process_ssh_connection(struct sockaddr_storage *ret_client, struct sockaddr_storage *ret_server);

#endif
