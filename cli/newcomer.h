/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets that a running program shows: registered, or the reason why not on standard error. */
#ifndef ANYBIND_CLI_NEWCOMER_H
#define ANYBIND_CLI_NEWCOMER_H

#include <sys/socket.h>

#include "context.h"
#include "intake.h"

/* Things said once; when so many have been said, nothing more is. */
#define NEWCOMERS_SAID 100

struct newcomers {
	struct context *context; /* argv[0] is the service */
	struct anybind *anybind;
	struct only {
		int protocol;
		struct sockaddr_storage address; /* AF_UNSPEC: any */
	} *only; /* of --only; one for each */
	size_t seen, registered, refused;
	char *said[NEWCOMERS_SAID];
	size_t n_said;
};

/* Reads --only. The command line is at fault if it fails. */
int newcomers_read_only(struct newcomers *newcomers);
void newcomers_release(struct newcomers *newcomers);

/* An intake_fn; @data: struct newcomers. */
void newcomers_register(const struct intake_socket *socket, void *data);

/* Says something now, since the program may run for years. */
void newcomers_say(struct newcomers *newcomers, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
