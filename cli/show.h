/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets as documents and as text, the same in every command that shows one. */
#ifndef ANYBIND_CLI_SHOW_H
#define ANYBIND_CLI_SHOW_H

#include "output.h"

json_t *socket_document(const struct anybind_socket_info *socket);

/* The same of one that is registered, with its share, its state and who registered it. */
json_t *member_document(const struct anybind_socket_info *socket);

/* @seconds of CLOCK_REALTIME in local time. */
#define TIME_TEXT_MAX 64
const char *time_text(json_int_t seconds, char buf[TIME_TEXT_MAX]);

/* "tcp 192.0.2.1:80, nginx (pid 812)"; returns the columns taken. */
size_t socket_print(const json_t *socket);

/* "tcp" or "udp". */
const char *protocol_name(int protocol);

#endif
