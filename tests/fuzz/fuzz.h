/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What fuzzers share: a check that ends the process, and oracles. */
#ifndef ANYBIND_TESTS_FUZZ_H
#define ANYBIND_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "ruleset.h"

/* The fuzzer: libFuzzer calls it with what it makes up, replay.c with files. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

void must_equal(const struct anybind_ruleset *a, const struct anybind_ruleset *b);

/* Printed and read again, @rs (without ids and ifindexes) must be the same. */
void must_read_back(const struct anybind_ruleset *rs);

#endif
