/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the commands that register sockets have in common; in cmd_register.c. */
#ifndef ANYBIND_CLI_REGISTER_H
#define ANYBIND_CLI_REGISTER_H

#include "context.h"

static inline void anybind_sockets_freep(struct anybind_sockets **sockets)
{
	anybind_sockets_free(*sockets);
}

#define _cleanup_sockets_ _cleanup_(anybind_sockets_freep)

/* Registers them and makes the result, for register_print(). */
int register_sockets(struct context *context, struct anybind *anybind, const char *service,
		     const struct anybind_sockets *sockets,
		     const struct anybind_register_options *registration);
void register_print(const json_t *result);

#endif
