/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the lookup benchmark found, for people and for programs. */
#ifndef ANYBIND_BENCH_LOOKUP_REPORT_H
#define ANYBIND_BENCH_LOOKUP_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "programs.h"
#include "samples.h"

/* One set of rules, and what each program took with it, in ns. */
struct lookup_case {
	size_t rules;
	bool v6, ports_differ;
	struct samples hot[PROGRAMS], spread[PROGRAMS];
};

void lookup_print_heading(void);
void lookup_print_case(const struct lookup_case *c);
json_t *lookup_case_json(const struct lookup_case *c);

#endif
