/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a flood found, for people and for programs. */
#ifndef ANYBIND_BENCH_FLOOD_REPORT_H
#define ANYBIND_BENCH_FLOOD_REPORT_H

#include <jansson.h>

#include "flood_client.h"
#include "flood_field.h"

void flood_print(const struct field *field, const struct place *place, const struct flood *flood);
json_t *flood_json(const struct field *field, const struct place *place,
		   const struct flood *flood);

/* Clients. @astray: requests that came to a socket that no rule names. */
void clients_print_heading(const char *what, enum flood_kind kind, bool v6);
void clients_print(const char *name, struct client *client, uint64_t astray);
json_t *clients_json(const char *name, struct client *client, uint64_t astray);

#endif
