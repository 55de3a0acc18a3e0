/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Where preloaded programs show their sockets: the supervisor's end of preload/wire.h. */
#ifndef ANYBIND_CLI_INTAKE_H
#define ANYBIND_CLI_INTAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire.h"

/* Connections that have said nothing yet; beyond that the oldest goes. */
#define INTAKE_CONNECTIONS 64

struct intake {
	int listener, epoll;
	char name[RUN_NAME_LEN + 1], secret[RUN_SECRET_LEN + 1];
	int connections[INTAKE_CONNECTIONS]; /* oldest first */
	unsigned int n;
};

struct intake_socket {
	int fd;	    /* the receiver's, closed when the function returns */
	int number; /* of the descriptor in the program */
	pid_t pid;  /* the program; 0: in a process namespace out of sight */
	bool any_port;
};

/* The program waits until this returns. */
typedef void (*intake_fn)(const struct intake_socket *socket, void *data);

/*
 * @listener: an unbound unix socket, SOCK_SEQPACKET and SOCK_NONBLOCK; taken,
 * even on failure.
 */
int intake_open(struct intake *ret, int listener);
void intake_close(struct intake *intake);

/* The value of the environment variable RUN_ENVIRONMENT. To be freed; NULL: no memory. */
char *intake_environment(const struct intake *intake);

/*
 * Serves what is there, without waiting. ->epoll is readable when there is
 * something. Who does not know the secret is not heard and not answered.
 */
void intake_serve(struct intake *intake, intake_fn fn, void *data);

#endif
