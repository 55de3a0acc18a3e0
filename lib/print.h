/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Canonical statements of a ruleset. Pure. */
#ifndef ANYBIND_PRINT_H
#define ANYBIND_PRINT_H

#include "ruleset.h"

/*
 * anybind_ruleset_each() with only those services printed that are set in
 * @services (NULL: all). -ENOMEM.
 */
int print_statements(const struct anybind_ruleset *rs, const bool *services,
		     anybind_statement_fn fn, void *data);

#endif
