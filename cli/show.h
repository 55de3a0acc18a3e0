/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets as documents and as text, the same in every command that shows one. */
#ifndef ANYBIND_CLI_SHOW_H
#define ANYBIND_CLI_SHOW_H

#include "output.h"

json_t *socket_document(const struct anybind_socket_info *socket);

/* "tcp 192.0.2.1:80, nginx (pid 812)"; returns the columns taken. */
size_t socket_print(const json_t *socket);

/* "tcp" or "udp". */
const char *protocol_name(int protocol);

#endif
