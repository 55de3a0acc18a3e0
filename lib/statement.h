/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One statement of the rule language, read from text. Pure. */
#ifndef ANYBIND_STATEMENT_H
#define ANYBIND_STATEMENT_H

#include "anybind.h"
#include "ports.h"

/* Bytes of a statement, without the newline. */
#define STATEMENT_MAX 4096

struct word {
	const char *text; /* not terminated */
	size_t len;
};

/* Where a statement stands, for messages. */
struct place {
	struct anybind_report *report;
	const char *source; /* or NULL */
	unsigned int line;  /* or 0 */
};

struct statement {
	enum anybind_action action;
	struct word service; /* of bind and service */
	bool missing_pass;
	struct word fallback; /* of service; .text NULL: none */
	/* The rest: of bind, pass and drop. */
	bool tcp, udp;
	bool v4, v6; /* families that it makes rules for; both: any destination */
	uint8_t dst[16], src[16];
	uint8_t dst_len, src_len;
	struct word dev; /* .text NULL: any */
	struct ports ports;
};

/*
 * Reads one line. Words point into @text. Returns 1 for a statement, 0 for an
 * empty line, -EINVAL with one error in the report.
 */
int statement_read(struct statement *ret, const char *text, size_t len, const struct place *place);

#endif
