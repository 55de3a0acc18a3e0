/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the parts of the flood benchmark share. */
#ifndef ANYBIND_BENCH_FLOOD_BENCH_H
#define ANYBIND_BENCH_FLOOD_BENCH_H

#include <jansson.h>

#include "flood_field.h"

/* Rules that take the kernel long to free. */
#define LARGE 100000

struct flood_options {
	unsigned int rounds, turns;  /* turns of each competitor in a round */
	unsigned int cpu, cpu_other; /* of the flood and the servers; of the clients */
	unsigned int changes;	     /* of the rules, to be made beside a flood */
	uint32_t packets;	     /* in a block */
	struct field_options field;
	const char *only, *part, *json;
};

struct bench {
	struct flood_options options;
	struct injector injector;
	struct worlds worlds;
	json_t *cells, *clients, *changes;
};

/* The three parts. Each adds to its array. */
void run_cells(struct bench *b);
void run_clients(struct bench *b);
void run_changes(struct bench *b);

/* Prints why and ends the program; @code: a negative errno, or 0. */
__attribute__((noreturn, format(printf, 2, 3))) void die(int code, const char *format, ...);
/* The first of the report's messages, for die(). */
const char *first_message(const struct anybind_report *report);

/* Whether --only and --part leave this in: "UDP IPv4 /24". */
bool is_wanted(const struct bench *b, const char *part, enum flood_kind kind, bool v6,
	       const char *what);

/* In all namespaces; leaves the caller in WORLD_MAIN. */
void use_syncookies(struct bench *b, bool on);

#endif
