/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A world for tests that need the kernel: own network and mount namespaces, so
 * that nothing on the host changes and nothing is left behind. Everything here
 * fails the running test if it does not work.
 */
#ifndef ANYBIND_TESTS_WORLD_H
#define ANYBIND_TESTS_WORLD_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "anybind.h"

/*
 * First thing in main(), before cmocka: moves the process into new namespaces
 * with lo up and an empty /run/netns. Returns false, after saying so in TAP,
 * where that is not allowed; the caller then returns 0.
 */
bool world_enter(void);

/* Runs a shell command, which must succeed. */
void world_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A namespace under /run/netns, with lo up; goes with the mount namespace. */
void world_add_netns(const char *name);

/* A socket bound to @endpoint ("10.0.0.1:80", "[::]:53"), TCP listening. */
enum world_flags {
	WORLD_REUSEPORT = 1,
	WORLD_V6ONLY = 2,
	WORLD_NO_LISTEN = 4,
	WORLD_REUSEADDR = 8
};
int world_socket(int protocol, const char *endpoint, unsigned int flags);
/* The same, by socket(2)'s type too (for MPTCP and UDP-Lite). */
int world_socket_of_type(int type, int protocol, const char *endpoint, unsigned int flags);
/* A connection to @endpoint; a UDP socket is connected only. */
int world_connect(int protocol, const char *endpoint);
uint64_t world_cookie(int fd);
uint16_t world_port(int fd);

/*
 * A child that calls @setup and then waits to be ended. Returns when @setup
 * has: it sees the child's sockets in place. Children die with the test.
 */
pid_t world_child(void (*setup)(void *data), void *data);
void world_end_child(pid_t pid);

/* A REUSEPORT_SOCKARRAY map with the socket in it, which no SOCKMAP then takes. */
int world_sockarray(int fd);

size_t world_count_fds(void);

/* Tests' reports: the message @i must be there and hold each of the texts up to NULL. */
void world_assert_message(const struct anybind_report *report, size_t i, ...)
	__attribute__((sentinel));
void world_assert_hint(const struct anybind_report *report, size_t i, ...)
	__attribute__((sentinel));
void world_print_report(const struct anybind_report *report);

#endif
