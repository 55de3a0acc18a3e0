/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* All rules and services of a dispatcher, in canonical order. Pure. */
#ifndef ANYBIND_RULESET_H
#define ANYBIND_RULESET_H

#include <net/if.h>

#include "anybind.h"
#include "rule.h"

struct service {
	char name[ANYBIND_NAME_MAX + 1]; /* unused bytes zero */
	uint8_t missing_pass;
	uint16_t fallback; /* 1 + index of the ruleset's service, 0: none */
	uint32_t id; /* the registry's; 0xffffffff until one is given */
};
static_assert(sizeof(struct service) == 72, "kept in the kernel");

struct device {
	char name[IFNAMSIZ]; /* unused bytes zero */
	uint32_t ifindex;    /* 0: not resolved, matches nothing */
};
static_assert(sizeof(struct device) == 20, "kept in the kernel");

/* Where a service was first declared by a `service` statement. */
struct declaration {
	bool is_explicit; /* not only named by a rule */
	uint32_t line;	  /* 0: unknown */
};

/* Rules that a ruleset holds at most. */
#define RULESET_RULES_MAX 8388608
/* Devices: rule.dev has 16 bits. */
#define RULESET_DEVICES_MAX 65535

/*
 * Sealed (as every ruleset outside ruleset.c is): rules in rule_compare()
 * order without duplicates or conflicts; services and devices by name, each
 * device in use by a rule; fallbacks as fallback.h says.
 */
struct anybind_ruleset {
	struct rule *rules;
	uint32_t *lines; /* line of rules[i] in the source, 0 unknown; or NULL */
	size_t n_rules, cap_rules;
	struct service *services;
	struct declaration *declarations; /* of services[i]; NULL: all are explicit */
	size_t n_services, cap_services;
	struct device *devices;
	size_t n_devices, cap_devices;
	char *source; /* name of the text, or NULL */
};

#define SERVICE_NO_ID 0xffffffffu

/* Indices into ->services and ->devices, or -1. */
int ruleset_find_service(const struct anybind_ruleset *rs, const char *name);
int ruleset_find_device(const struct anybind_ruleset *rs, const char *name);

/* Frees what @rs has, but not @rs. */
void ruleset_clear(struct anybind_ruleset *rs);

int ruleset_copy(struct anybind_ruleset **ret, const struct anybind_ruleset *rs);

/*
 * Checks that the arrays, however they came about, satisfy "sealed" (state
 * from the kernel is hostile until this has passed). -EUCLEAN if not. -ENOMEM.
 * Not checked: service ids and ifindexes.
 */
int ruleset_validate(const struct anybind_ruleset *rs);

/*
 * The plain reference for a whole lookup: index of the rule that decides, or
 * -1. Linear in the number of rules.
 */
ssize_t ruleset_match(const struct anybind_ruleset *rs, uint8_t family, uint8_t proto,
		      const uint8_t dst[16], uint16_t port, const uint8_t src[16], uint16_t dev);

/*
 * Calls @fn with the index in @after->rules of every rule that is not in
 * @before (same match, action and service name), in order.
 */
void ruleset_each_new(const struct anybind_ruleset *before, const struct anybind_ruleset *after,
		      void (*fn)(size_t index, void *data), void *data);

/* One rule as canonical text into @buf (for messages and explain). */
#define RULE_TEXT_MAX 320
const char *ruleset_rule_text(const struct anybind_ruleset *rs, const struct rule *rule,
			      char buf[RULE_TEXT_MAX]);

#endif
