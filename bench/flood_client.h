/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Real clients, who want an answer while the flood goes on. */
#ifndef ANYBIND_BENCH_FLOOD_CLIENT_H
#define ANYBIND_BENCH_FLOOD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules.h"

/* Requests that are under way at once. */
#define CLIENT_BATCH 16
/* After so long a request counts as lost. */
#define CLIENT_TIMEOUT_MS 250

struct client {
	const struct host_rules *addresses; /* asked in turn */
	bool tcp;
	int fd; /* of UDP */
	uint64_t next;

	uint64_t asked, refused, lost;
	size_t n, room;
	double *us; /* how long each answer took */
};

/* In the caller's namespace: the clients'. */
int client_new(struct client *ret, const struct host_rules *addresses, bool tcp);
void client_free(struct client *client);
/* Asks CLIENT_BATCH times and waits for what comes of it. */
int client_ask(struct client *client);

/* The time that the share @q of the answers took at most, in us; NAN without any. Sorts them. */
double client_quantile(struct client *client, double q);

#endif
