/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Bringing a ruleset into the sealed state. Pure. */
#ifndef ANYBIND_SEAL_H
#define ANYBIND_SEAL_H

#include "ruleset.h"

/*
 * Sorts services, devices and rules, drops rules that are there twice and
 * reports rules that conflict and fallbacks in circles, by line. @rs has lines.
 * -EINVAL, -ENOMEM: @rs is then good for nothing but anybind_ruleset_free().
 */
int ruleset_seal(struct anybind_ruleset *rs, struct anybind_report *report);

/* Lets a service follow its fallback to another index. */
static inline void service_remap(struct service *service, const uint32_t *services)
{
	if (service->fallback)
		service->fallback = (uint16_t)(1 + services[service->fallback - 1]);
}

/* Lets a rule follow its service and device to other indices. */
static inline void rule_remap(struct rule *rule, const uint32_t *services, const uint32_t *devices)
{
	if (rule->action == ANYBIND_BIND)
		rule->service = services[rule->service];
	if (rule->dev)
		rule->dev = (uint16_t)(1 + devices[rule->dev - 1]);
}

#endif
