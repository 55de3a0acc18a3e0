/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What explain.c and explain_kernel.c share; only they use this. */
#ifndef ANYBIND_EXPLAIN_H
#define ANYBIND_EXPLAIN_H

#include "dispatcher.h"
#include "inspect.h"
#include "table.h"

#define CANDIDATES_MAX 16
#define REASON_MAX 200

struct explanation {
	struct anybind_explanation public;
	char rule[RULE_TEXT_MAX], reason[REASON_MAX], check_text[REASON_MAX];
	char service[ANYBIND_NAME_MAX + 1];
	char fallback_names[FALLBACKS_MAX][ANYBIND_NAME_MAX + 1];
	const char *fallbacks[FALLBACKS_MAX];
	struct anybind_socket_info socket;
	struct socket_text socket_text;
	struct anybind_candidate candidates[CANDIDATES_MAX];
	char texts[CANDIDATES_MAX][RULE_TEXT_MAX], reasons[CANDIDATES_MAX][REASON_MAX];
};

/* The question, and what is needed to answer it. */
struct question {
	const struct anybind *anybind;
	const struct anybind_ruleset *rs;
	const struct table *table;
	const struct generation *generation;
	const struct registry *registry;
	struct test_run run; /* addresses, ports, family and protocol */
	uint32_t ifindex;    /* 0: none given */
	uint16_t dev;	     /* of the ruleset, as rules were resolved; 0: none */
	const char *dev_name;
};

/*
 * Compares the rules' answer with the table's and the kernel's and fills in
 * what came of it, and the socket. Negative errno: the sockets cannot be seen.
 */
int explain_kernel(struct explanation *e, const struct question *q, const struct census *census);

#endif
