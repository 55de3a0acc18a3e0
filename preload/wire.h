/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What `anybind run` and the library that it preloads say to each other.
 *
 * The library connects anew for each socket, sends one struct run_request with
 * the descriptor (SCM_RIGHTS) and waits until the connection is closed: then
 * the socket is registered, or the supervisor has said why not.
 *
 * The meeting place is an abstract address in the namespace that the program
 * was started in, told in the environment. So nothing stays open in the
 * program: a daemon that closes all descriptors loses nothing, exec passes
 * nothing on, and neither a chroot nor another user nor another mount
 * namespace stands in the way. Anybody may connect to such an address:
 * the supervisor knows its own by the secret, which is readable only for who
 * could trace the program, and the library looks whose the listener is.
 */
#ifndef ANYBIND_PRELOAD_WIRE_H
#define ANYBIND_PRELOAD_WIRE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define RUN_VERSION 1

/* How long the library waits at most, in all, before the program goes on. */
#define RUN_TIMEOUT_MS 1000

/* Lowercase hexadecimal digits, without a NUL. */
#define RUN_NAME_LEN 16
#define RUN_SECRET_LEN 32

/* The variable's value: version, effective user id of the supervisor, name, secret. */
#define RUN_ENVIRONMENT "ANYBIND_RUN"
#define RUN_ENVIRONMENT_PRINT "%d:%u:%.16s:%.32s"
#define RUN_ENVIRONMENT_SCAN "%d:%u:%16[0-9a-f]:%32[0-9a-f]%n"

enum run_flags {
	/* UDP, bound to whatever port was free, as clients do. */
	RUN_ANY_PORT = 1 << 0,
};

/* In the byte order of the machine, which is one. */
struct run_request {
	uint32_t version;
	uint32_t flags; /* enum run_flags; unknown ones are refused */
	int32_t fd;	/* the descriptor's number in the program, for messages */
	char secret[RUN_SECRET_LEN];
};

static_assert(sizeof(struct run_request) == 44, "no padding, the same for every compiler");
static_assert(offsetof(struct run_request, secret) == 12, "no padding");

/* The address of the supervisor @name; returns its length. */
static inline socklen_t run_address(struct sockaddr_un *ret, const char name[RUN_NAME_LEN])
{
	static const char prefix[] = "anybind-run-";
	const size_t used = 1 + sizeof(prefix) - 1 + RUN_NAME_LEN;

	static_assert(1 + sizeof(prefix) - 1 + RUN_NAME_LEN <= sizeof(ret->sun_path), "it fits");
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path + 1, prefix, sizeof(prefix) - 1);
	memcpy(ret->sun_path + sizeof(prefix), name, RUN_NAME_LEN);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + used);
}

#endif
