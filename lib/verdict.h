/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A rule's verdict in the table's terms. */
#ifndef ANYBIND_VERDICT_H
#define ANYBIND_VERDICT_H

#include "abi.h"
#include "ruleset.h"

/* @rule: one of @rs, or NULL: none matches. Services have their ids. */
static inline uint32_t rule_verdict(const struct anybind_ruleset *rs, const struct rule *rule)
{
	const struct service *service;

	if (!rule || rule->action == ANYBIND_PASS)
		return VERDICT_PASS;
	if (rule->action == ANYBIND_DROP)
		return VERDICT_DROP;
	service = &rs->services[rule->service];
	return VERDICT_SERVICE(service->id, service->missing_pass);
}

#endif
