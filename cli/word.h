/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Strict readers of single words of the command line; -EINVAL or -ERANGE. */
#ifndef ANYBIND_CLI_WORD_H
#define ANYBIND_CLI_WORD_H

#include <sys/socket.h>

/* Decimal digits only, from @min to @max. */
int word_number(const char *word, int min, int max, int *ret);

/* "tcp" or "udp" as IPPROTO_TCP or IPPROTO_UDP. */
int word_protocol(const char *word, int *ret);

/* "192.0.2.1:53" or "[2001:db8::1]:53"; the port is required. */
int word_endpoint(const char *word, struct sockaddr_storage *ret);

/*
 * How far apart two words are: characters to add, drop, change or swap with
 * their neighbour. For "did you mean", so words longer than 31 are far from all.
 */
unsigned int word_distance(const char *a, const char *b);

#endif
