// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_mixed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"

#define LINE_MAX_BYTES 160
/* Prefixes of /8 (/16) among all. */
#define WIDEST_EVERY 1000

static uint32_t mix(uint32_t x)
{
	x = (x ^ x >> 16) * 0x85ebca6b;
	x = (x ^ x >> 13) * 0xc2b2ae35;
	return x ^ x >> 16;
}

static unsigned int bits_of(size_t i, bool v6)
{
	static const uint8_t bits4[] = { 32, 32, 32, 32, 32, 32, 24, 24, 20, 16 };
	static const uint8_t bits6[] = { 128, 128, 128, 128, 128, 128, 64, 64, 48, 32 };

	if (i % WIDEST_EVERY == WIDEST_EVERY - 1)
		return v6 ? 16 : 8;
	return v6 ? bits6[i % 10] : bits4[i % 10];
}

/* The lowest and the highest port; which of the kinds does not depend on the length. */
static void ports_of(size_t i, uint16_t *low, uint16_t *high)
{
	uint32_t random = mix(i ^ 0x517cc1b7);

	*low = 1 + random % 32768;
	switch (random >> 30) {
	case 0:
		*high = *low + (random >> 16) % 4096;
		break;
	case 1:
		*low = 1;
		*high = 65535;
		break;
	default:
		*high = *low;
	}
}

/* One for each prefix: rules for the same one then cannot contradict each other. */
static unsigned int service_of(const struct host_rule *to, unsigned int bits)
{
	return mix(ntohl(to->addr[0]) & (bits < 32 ? ~0u << (32 - bits) : ~0u)) % MIXED_SERVICES;
}

static size_t print_rule(char *line, const struct host_rule *to, unsigned int bits, size_t i,
			 bool v6, bool tcp)
{
	char addr[INET6_ADDRSTRLEN], ports[16];
	uint16_t low, high;

	ports_of(i, &low, &high);
	inet_ntop(v6 ? AF_INET6 : AF_INET, to->addr, addr, sizeof(addr));
	snprintf(ports, sizeof(ports), low == high ? "%u" : "%u-%u", low, high);
	return snprintf(line, LINE_MAX_BYTES, "bind s%u %s %s/%u %s%s\n",
			service_of(to, bits), tcp ? "tcp" : "udp", addr, bits, ports,
			i % 5 ? "" : v6 ? " from fd01::/65" : " from 10.128.0.0/10");
}

int mixed_rules_new(char **ret, size_t *ret_size, struct host_rules *ret_destinations, size_t n,
		    bool v6, bool tcp)
{
	_cleanup_free_ char *text = malloc((n + 1) * LINE_MAX_BYTES);
	struct host_rules to;
	size_t size = 0;
	int r;

	if (!text)
		return -ENOMEM;
	r = host_rules_new(&to, n, v6, false);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		uint16_t low, high;

		ports_of(i, &low, &high);
		to.v[i].port = low + mix(i) % (high - low + 1);
		size += print_rule(text + size, &to.v[i], bits_of(i, v6), i, v6, tcp);
	}
	size += snprintf(text + size, LINE_MAX_BYTES, "bind s0 %s any any\n", tcp ? "tcp" : "udp");
	*ret_destinations = to;
	*ret_size = size;
	*ret = take_ptr(text);
	return 0;
}
