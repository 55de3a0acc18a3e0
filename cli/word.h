/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Strict readers of single words of the command line; -EINVAL or -ERANGE. */
#ifndef ANYBIND_CLI_WORD_H
#define ANYBIND_CLI_WORD_H

#include <stdint.h>
#include <sys/socket.h>

/* Decimal digits only, from @min to @max. */
int word_number(const char *word, int min, int max, int *ret);

/* "tcp" or "udp" as IPPROTO_TCP or IPPROTO_UDP. */
int word_protocol(const char *word, int *ret);

/* "192.0.2.1:53" or "[2001:db8::1]:53"; the port is required. */
int word_endpoint(const char *word, struct sockaddr_storage *ret);

/* The same in two words, as tubular takes it: "2001:db8::1" and "53". */
int word_address(const char *address, const char *port, struct sockaddr_storage *ret);

/* A socket's cookie: decimal, or "0x" and hexadecimal as ss(8) shows it; never 0. */
int word_cookie(const char *word, uint64_t *ret);

/*
 * How far apart two words are: characters to add, drop, change or swap with
 * their neighbour. For "did you mean", so words longer than 31 are far from all.
 */
unsigned int word_distance(const char *a, const char *b);

#endif
