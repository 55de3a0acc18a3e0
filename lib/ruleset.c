/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "ruleset.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "clash.h"
#include "cleanup.h"
#include "fallback.h"
#include "names.h"
#include "text.h"

int anybind_ruleset_new(struct anybind_ruleset **ret_ruleset)
{
	struct anybind_ruleset *rs = calloc(1, sizeof(*rs));

	if (!rs)
		return -ENOMEM;
	*ret_ruleset = rs;
	return 0;
}

void ruleset_clear(struct anybind_ruleset *rs)
{
	free(rs->rules);
	free(rs->lines);
	free(rs->services);
	free(rs->declarations);
	free(rs->devices);
	free(rs->source);
	*rs = (struct anybind_ruleset){0};
}

void anybind_ruleset_free(struct anybind_ruleset *ruleset)
{
	if (!ruleset)
		return;
	ruleset_clear(ruleset);
	free(ruleset);
}

size_t anybind_ruleset_count(const struct anybind_ruleset *ruleset)
{
	return ruleset->n_rules;
}

size_t anybind_ruleset_services(const struct anybind_ruleset *ruleset)
{
	return ruleset->n_services;
}

int ruleset_find_service(const struct anybind_ruleset *rs, const char *name)
{
	return names_find(rs->services, rs->n_services, sizeof(struct service), name);
}

int ruleset_find_device(const struct anybind_ruleset *rs, const char *name)
{
	return names_find(rs->devices, rs->n_devices, sizeof(struct device), name);
}

/* Of an array that may be NULL: then the copy is, too. False: out of memory. */
static bool copy_array(void *ret, const void *array, size_t n, size_t size)
{
	void *copy;

	if (!array)
		return true;
	copy = malloc(n * size + 1);
	if (!copy)
		return false;
	memcpy(copy, array, n * size);
	*(void **)ret = copy;
	return true;
}

static void ruleset_freep(struct anybind_ruleset **rs)
{
	anybind_ruleset_free(*rs);
}

int ruleset_copy(struct anybind_ruleset **ret, const struct anybind_ruleset *rs)
{
	_cleanup_(ruleset_freep) struct anybind_ruleset *copy = NULL;
	int r = anybind_ruleset_new(&copy);

	if (r < 0)
		return r;
	if (!copy_array(&copy->rules, rs->rules, rs->n_rules, sizeof(*rs->rules)) ||
	    !copy_array(&copy->lines, rs->lines, rs->n_rules, sizeof(*rs->lines)) ||
	    !copy_array(&copy->services, rs->services, rs->n_services, sizeof(*rs->services)) ||
	    !copy_array(&copy->declarations, rs->declarations, rs->n_services,
			sizeof(*rs->declarations)) ||
	    !copy_array(&copy->devices, rs->devices, rs->n_devices, sizeof(*rs->devices)) ||
	    !copy_array(&copy->source, rs->source, rs->source ? strlen(rs->source) + 1 : 0, 1))
		return -ENOMEM;
	copy->n_rules = copy->cap_rules = rs->n_rules;
	copy->n_services = copy->cap_services = rs->n_services;
	copy->n_devices = copy->cap_devices = rs->n_devices;
	*ret = take_ptr(copy);
	return 0;
}

static bool is_zero(const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((const char *)bytes)[i])
			return false;
	return true;
}

static bool valid_services(const struct anybind_ruleset *rs)
{
	for (size_t i = 0; i < rs->n_services; i++) {
		const struct service *service = &rs->services[i];
		size_t len = strnlen(service->name, sizeof(service->name));

		if (!text_is_name(service->name, len) ||
		    !is_zero(service->name + len, sizeof(service->name) - len) ||
		    service->missing_pass > 1)
			return false;
		if (i > 0 && strcmp(rs->services[i - 1].name, service->name) >= 0)
			return false;
	}
	return fallbacks_are_valid(rs);
}

static bool valid_devices(const struct anybind_ruleset *rs)
{
	for (size_t i = 0; i < rs->n_devices; i++) {
		const struct device *device = &rs->devices[i];
		size_t len = strnlen(device->name, sizeof(device->name));

		if (!text_is_device(device->name, len) ||
		    !is_zero(device->name + len, sizeof(device->name) - len))
			return false;
		if (i > 0 && strcmp(rs->devices[i - 1].name, device->name) >= 0)
			return false;
	}
	return true;
}

/* Length within the family's, host bits zero, not IPv4-mapped. */
static bool valid_prefix(uint8_t family, const uint8_t addr[16], uint8_t len)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t bits = family == 4 ? 32 : 128;

	if (len > bits)
		return false;
	if (len % 8 && addr[len / 8] & 0xff >> len % 8)
		return false;
	if (!is_zero(addr + (len + 7) / 8, 16 - (len + 7u) / 8))
		return false;
	return family == 4 || len < 96 || memcmp(addr, mapped, sizeof(mapped)) != 0;
}

static bool valid_rule(const struct anybind_ruleset *rs, const struct rule *rule)
{
	if (rule->family != 4 && rule->family != 6)
		return false;
	if (rule->proto != IPPROTO_TCP && rule->proto != IPPROTO_UDP)
		return false;
	if (!valid_prefix(rule->family, rule->dst, rule->dst_len) ||
	    !valid_prefix(rule->family, rule->src, rule->src_len))
		return false;
	if (rule->port_lo > rule->port_hi || rule->dev > rs->n_devices || rule->zero)
		return false;
	if (rule->action == ANYBIND_BIND)
		return rule->service < rs->n_services;
	return (rule->action == ANYBIND_PASS || rule->action == ANYBIND_DROP) && rule->service == 0;
}

static bool all_devices_used(const struct anybind_ruleset *rs, const bool *used)
{
	for (size_t i = 0; i < rs->n_devices; i++)
		if (!used[i + 1])
			return false;
	return true;
}

int ruleset_validate(const struct anybind_ruleset *rs)
{
	_cleanup_(clashes_free) struct clashes clashes = {0};
	_cleanup_free_ bool *used = NULL;

	if (rs->n_rules > RULESET_RULES_MAX || rs->n_services > ANYBIND_SERVICES_MAX ||
	    rs->n_devices > RULESET_DEVICES_MAX || !valid_services(rs) || !valid_devices(rs))
		return -EUCLEAN;
	used = calloc(rs->n_devices + 1, sizeof(*used));
	if (!used)
		return -ENOMEM;
	for (size_t i = 0; i < rs->n_rules; i++) {
		if (!valid_rule(rs, &rs->rules[i]) ||
		    (i > 0 && rule_compare(&rs->rules[i - 1], &rs->rules[i]) >= 0))
			return -EUCLEAN;
		used[rs->rules[i].dev] = true;
	}
	if (!all_devices_used(rs, used))
		return -EUCLEAN;
	if (clashes_in_all(rs->rules, rs->n_rules, &clashes) < 0)
		return -ENOMEM;
	return clashes.n > 0 ? -EUCLEAN : 0;
}

ssize_t ruleset_match(const struct anybind_ruleset *rs, uint8_t family, uint8_t proto,
		      const uint8_t dst[16], uint16_t port, const uint8_t src[16], uint16_t dev)
{
	ssize_t best = -1;

	for (size_t i = 0; i < rs->n_rules; i++) {
		if (!rule_matches(&rs->rules[i], family, proto, dst, port, src, dev))
			continue;
		if (best < 0 || rule_precedence(&rs->rules[i], &rs->rules[best]) < 0)
			best = (ssize_t)i;
	}
	return best;
}
