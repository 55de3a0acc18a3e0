// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "peers.h"

#define LINE_MAX_BYTES 80

/* Finalisers of MurmurHash3: bijections, so what differs before differs after. */
static uint32_t mix32(uint32_t x)
{
	x = (x ^ x >> 16) * 0x85ebca6b;
	x = (x ^ x >> 13) * 0xc2b2ae35;
	return x ^ x >> 16;
}

static uint64_t mix64(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
	return x ^ x >> 33;
}

/* Unicast addresses only, and none of the clients'; @next runs through the candidates. */
static void random_host4(uint32_t *next, struct host_rule *rule)
{
	uint32_t addr;

	do
		addr = mix32((*next)++ ^ 0x5bd1e995);
	while (addr >> 24 == 0 || addr >> 24 == 10 || addr >> 24 == 127 || addr >> 24 >= 224);
	rule->addr[0] = htonl(addr);
}

static void random_host6(uint64_t i, struct host_rule *rule)
{
	uint64_t hi = mix64(i ^ 0x9747b28c) >> 3 | 1ull << 61, lo = mix64(i);

	rule->addr[0] = htonl(hi >> 32);
	rule->addr[1] = htonl(hi);
	rule->addr[2] = htonl(lo >> 32);
	rule->addr[3] = htonl(lo);
}

int host_rules_new(struct host_rules *ret, size_t n, bool v6, bool ports_differ)
{
	struct host_rules rules = { .n = n, .v6 = v6, .bits = v6 ? 128 : 32 };
	uint32_t next = 0;

	rules.v = calloc(n, sizeof(*rules.v));
	if (!rules.v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (v6)
			random_host6(i, &rules.v[i]);
		else
			random_host4(&next, &rules.v[i]);
		rules.v[i].port = ports_differ ? 1 + mix64(~i) % 65535 : 443;
		rules.v[i].service = i % SERVICES;
	}
	*ret = rules;
	return 0;
}

void host_rules_free(struct host_rules *rules)
{
	free(rules->v);
	rules->v = NULL;
}

static size_t print_rule(char *line, const struct host_rules *rules, const struct host_rule *rule)
{
	char addr[INET6_ADDRSTRLEN], port[8] = "any";

	inet_ntop(rules->v6 ? AF_INET6 : AF_INET, rule->addr, addr, sizeof(addr));
	if (rule->port)
		snprintf(port, sizeof(port), "%u", rule->port);
	return snprintf(line, LINE_MAX_BYTES, "bind s%u %s %s/%u %s\n", rule->service,
			rules->tcp ? "tcp" : "udp", addr, rules->bits, port);
}

int host_rules_text(const struct host_rules *rules, char **ret, size_t *ret_size)
{
	char *text = malloc(rules->n * LINE_MAX_BYTES + 1);
	size_t size = 0;

	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < rules->n; i++)
		size += print_rule(text + size, rules, &rules->v[i]);
	*ret = text;
	*ret_size = size;
	return 0;
}

int host_rules_parse(const struct host_rules *rules, struct anybind_ruleset **ret,
		     struct anybind_report *report)
{
	_cleanup_free_ char *text = NULL;
	struct anybind_ruleset *rs;
	size_t size;
	int r = host_rules_text(rules, &text, &size);

	if (!r)
		r = anybind_ruleset_parse(&rs, text, size, "random rules", report);
	if (r < 0)
		return r;
	for (size_t i = 0; i < rs->n_services; i++)
		rs->services[i].id = strtoul(rs->services[i].name + 1, NULL, 10);
	*ret = rs;
	return 0;
}

void host_rules_draw(const struct host_rules *rules, const uint16_t ports[],
		     union destinations *to)
{
	for (uint64_t i = 0; i < DESTINATIONS; i++) {
		const struct host_rule *rule = &rules->v[mix64(i + 1) % rules->n];

		if (rules->v6) {
			memcpy(to->v6[i].addr, rule->addr, sizeof(rule->addr));
			to->v6[i].port = htons(rule->port);
			to->v6[i].expect = ports[rule->service];
		} else {
			to->v4[i].addr = rule->addr[0];
			to->v4[i].port = htons(rule->port);
			to->v4[i].expect = ports[rule->service];
		}
	}
}
