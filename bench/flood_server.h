/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A server that answers its clients, and throws away what the flood sends it. */
#ifndef ANYBIND_BENCH_FLOOD_SERVER_H
#define ANYBIND_BENCH_FLOOD_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* What clients send and get back. The flood's payload is zeroes. */
struct request {
	uint64_t magic;
	uint64_t number;
};
#define REQUEST_MAGIC 0x616e7962696e6421ull

struct server {
	int fd;
	bool tcp;
	unsigned int cpu;
	int stop; /* eventfd */
	pthread_t thread;
	uint64_t served;
};

/*
 * A socket for one, in the caller's namespace: on @addr (network order; NULL:
 * any) and @port, with a queue and a buffer as servers have.
 */
int server_socket(bool v6, bool tcp, const uint32_t *addr, uint16_t port);

/* Serves @fd, which stays the caller's, on @cpu until server_stop(). */
int server_start(struct server *server, int fd, bool tcp, unsigned int cpu);
void server_stop(struct server *server);

#endif
