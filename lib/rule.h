/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One rule: a match and a verdict, for one family, protocol and port range. */
#ifndef ANYBIND_RULE_H
#define ANYBIND_RULE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Also the record kept in the kernel beside the compiled table, so its layout
 * is part of the state's version: no padding, no pointers, unused bytes zero.
 */
struct rule {
	uint8_t dst[16];     /* network order; IPv4 in the first 4, the rest zero */
	uint8_t src[16];     /* likewise; all zero without `from` */
	uint8_t dst_len;     /* prefix length, 0 to 32 or 128 */
	uint8_t src_len;     /* 0: any source */
	uint8_t family;	     /* 4 or 6 */
	uint8_t proto;	     /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port_lo;    /* host order, inclusive; any port is 0 to 65535 */
	uint16_t port_hi;
	uint16_t dev;	     /* 1 + index of the ruleset's device, 0: any */
	uint8_t action;	     /* ANYBIND_PASS, ANYBIND_DROP or ANYBIND_BIND */
	uint8_t zero;
	uint32_t service;    /* ANYBIND_BIND: index of the ruleset's service; else 0 */
};
static_assert(sizeof(struct rule) == 48, "kept in the kernel");

/*
 * Canonical order: family, destination, prefix length (so that a prefix comes
 * right before those inside it), protocol; then precedence, strongest first:
 * narrower port range, lower port, longer source prefix, source, a device
 * before none. Action and service are not compared: 0 means the same match.
 */
int rule_compare(const struct rule *a, const struct rule *b);

/* Bits of a prefix: the first @len bits of @a and @b agree. */
bool prefix_equal(const uint8_t a[16], const uint8_t b[16], unsigned int len);

/*
 * The plain reference: does @rule match a packet? @dst, @src: as in struct
 * rule. @dev: as in struct rule, 0 where the packet's device is none of the
 * ruleset's.
 */
bool rule_matches(const struct rule *rule, uint8_t family, uint8_t proto, const uint8_t dst[16],
		  uint16_t port, const uint8_t src[16], uint16_t dev);

/* Precedence of two rules that match the same packet: < 0 if @a comes first. */
int rule_precedence(const struct rule *a, const struct rule *b);

#endif
