/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who holds which socket, and who is asking: /proc, read as hostile text. */
#ifndef ANYBIND_PROCESS_H
#define ANYBIND_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define PROGRAM_MAX 32

struct owner {
	uint32_t inode; /* in: the socket's inode */
	pid_t pid;	/* out: lowest pid that holds it, 0: none seen */
	int fd;		/* out: its number there */
	char program[PROGRAM_MAX]; /* out: its name, see process_program() */
};

/* @pid's comm, all but printable ASCII as '?'; "" where it cannot be read. */
void process_program(pid_t pid, char buf[PROGRAM_MAX]);

/* The inode in what a link of /proc/PID/fd says, "socket:[4711]"; 0: no socket. */
uint32_t process_socket_inode(int fd_dir, const char *fd_name);

/*
 * Fills in pid and program of all @n owners in one pass over /proc. Processes
 * that the caller may not read are passed over.
 */
int process_find_owners(struct owner *owners, size_t n);

/*
 * A duplicate of what is behind @owner's descriptor by now, which need not be
 * the socket any more; or negative errno.
 */
int process_descriptor(const struct owner *owner);

/*
 * The ssh connection that the caller types in: SSH_CONNECTION of its own
 * environment or, since sudo drops it, of its nearest ancestor that has it.
 * IPv4-mapped addresses come out as IPv4. 0: found, -ENOENT: none.
 */
int process_ssh_connection(struct sockaddr_storage *ret_client, struct sockaddr_storage *ret_server);

#endif
