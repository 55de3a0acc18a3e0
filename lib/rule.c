/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "rule.h"

#include <endian.h>
#include <string.h>

/* Ports of a rule, less one. */
static int width(const struct rule *rule)
{
	return rule->port_hi - rule->port_lo;
}

/* memcmp() of addresses, without the call. */
static int compare_addresses(const uint8_t a[16], const uint8_t b[16])
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	if (x[0] != y[0])
		return be64toh(x[0]) < be64toh(y[0]) ? -1 : 1;
	if (x[1] != y[1])
		return be64toh(x[1]) < be64toh(y[1]) ? -1 : 1;
	return 0;
}

int rule_compare(const struct rule *a, const struct rule *b)
{
	int d;

	if (a->family != b->family)
		return a->family - b->family;
	d = compare_addresses(a->dst, b->dst);
	if (d)
		return d;
	if (a->dst_len != b->dst_len)
		return a->dst_len - b->dst_len;
	if (a->proto != b->proto)
		return a->proto - b->proto;
	if (width(a) != width(b))
		return width(a) - width(b);
	if (a->port_lo != b->port_lo)
		return a->port_lo - b->port_lo;
	if (a->src_len != b->src_len)
		return b->src_len - a->src_len;
	d = compare_addresses(a->src, b->src);
	if (d)
		return d;
	/* No device, 0, wraps to the greatest. */
	return (uint16_t)(a->dev - 1) - (uint16_t)(b->dev - 1);
}

bool prefix_equal(const uint8_t a[16], const uint8_t b[16], unsigned int len)
{
	unsigned int bytes = len / 8, bits = len % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return bits == 0 || (a[bytes] ^ b[bytes]) >> (8 - bits) == 0;
}

bool rule_matches(const struct rule *rule, uint8_t family, uint8_t proto, const uint8_t dst[16],
		  uint16_t port, const uint8_t src[16], uint16_t dev)
{
	return rule->family == family && rule->proto == proto &&
	       prefix_equal(rule->dst, dst, rule->dst_len) && rule->port_lo <= port &&
	       port <= rule->port_hi && prefix_equal(rule->src, src, rule->src_len) &&
	       (rule->dev == 0 || rule->dev == dev);
}

int rule_precedence(const struct rule *a, const struct rule *b)
{
	if (a->dst_len != b->dst_len)
		return b->dst_len - a->dst_len;
	if (width(a) != width(b))
		return width(a) - width(b);
	if (a->src_len != b->src_len)
		return b->src_len - a->src_len;
	return (b->dev != 0) - (a->dev != 0);
}
