/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "ports.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define PORT_MAX 65535

/* One item of a list. */
static int read_range(const char *word, size_t len, struct port_range *ret)
{
	const char *dash = memchr(word, '-', len);
	uint64_t lo, hi;
	int r;

	if (len == 3 && memcmp(word, "any", 3) == 0) {
		*ret = (struct port_range){0, PORT_MAX};
		return 0;
	}
	if (!dash) {
		r = text_number(word, len, PORT_MAX, &lo);
		if (r < 0)
			return r;
		*ret = (struct port_range){(uint16_t)lo, lo == 0 ? PORT_MAX : (uint16_t)lo};
		return 0;
	}
	r = text_number(word, (size_t)(dash - word), PORT_MAX, &lo);
	if (r < 0)
		return r;
	r = text_number(dash + 1, len - (size_t)(dash + 1 - word), PORT_MAX, &hi);
	if (r < 0)
		return r;
	if (hi < lo)
		return -EDOM;
	*ret = (struct port_range){(uint16_t)lo, (uint16_t)hi};
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct port_range *x = a, *y = b;

	return x->lo != y->lo ? x->lo - y->lo : x->hi - y->hi;
}

static void normalise(struct ports *ports)
{
	size_t n = 0;

	if (ports->n < 2)
		return;
	qsort(ports->ranges, ports->n, sizeof(ports->ranges[0]), compare_ranges);
	for (size_t i = 1; i < ports->n; i++) {
		struct port_range *last = &ports->ranges[n], *range = &ports->ranges[i];

		if (range->lo <= last->hi + 1)
			last->hi = range->hi > last->hi ? range->hi : last->hi;
		else
			ports->ranges[++n] = *range;
	}
	ports->n = n + 1;
}

int ports_read(const char *word, size_t len, struct ports *ret, struct ports_error *ret_error)
{
	const char *end = word + len;

	ret->n = 0;
	for (const char *item = word;; item++) {
		const char *comma = memchr(item, ',', (size_t)(end - item));
		size_t item_len = (size_t)((comma ? comma : end) - item);
		int r = ret->n == PORTS_MAX ? -E2BIG
					    : read_range(item, item_len, &ret->ranges[ret->n]);

		if (r < 0) {
			*ret_error = (struct ports_error){item, item_len};
			return r;
		}
		ret->n++;
		if (!comma)
			break;
		item = comma;
	}
	normalise(ret);
	return 0;
}

int ports_subtract(const struct ports *from, const struct ports *except, struct ports *ret)
{
	size_t n = 0, e = 0;

	for (size_t i = 0; i < from->n; i++) {
		/* An int, as the port after the last one is 65536. */
		int lo = from->ranges[i].lo, hi = from->ranges[i].hi;

		while (e < except->n && except->ranges[e].hi < lo)
			e++;
		/* The last one looked at may reach into the next range: e stays. */
		for (size_t j = e; j < except->n && except->ranges[j].lo <= hi; j++) {
			if (except->ranges[j].lo > lo) {
				if (n == PORTS_MAX)
					return -E2BIG;
				ret->ranges[n++] = (struct port_range){
					(uint16_t)lo, (uint16_t)(except->ranges[j].lo - 1)};
			}
			lo = except->ranges[j].hi + 1;
		}
		if (lo > hi)
			continue;
		if (n == PORTS_MAX)
			return -E2BIG;
		ret->ranges[n++] = (struct port_range){(uint16_t)lo, (uint16_t)hi};
	}
	ret->n = n;
	return 0;
}

static char *put_number(char *p, unsigned int value)
{
	char digits[8];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while (value /= 10);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

static char *put_range(char *p, unsigned int lo, unsigned int hi)
{
	p = put_number(p, lo);
	if (hi == lo)
		return p;
	*p++ = '-';
	return put_number(p, hi);
}

static char *put_list(char *p, const struct port_range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			*p++ = ',';
		p = put_range(p, ranges[i].lo, ranges[i].hi);
	}
	return p;
}

/* The gaps between the ranges. */
static char *put_complement(char *p, const struct port_range *ranges, size_t n)
{
	const char *start = p;
	unsigned int next = 0; /* first port not yet dealt with */

	for (size_t i = 0; i < n; i++) {
		if (ranges[i].lo > next) {
			if (p != start)
				*p++ = ',';
			p = put_range(p, next, ranges[i].lo - 1u);
		}
		next = ranges[i].hi + 1u;
	}
	if (next <= PORT_MAX) {
		if (p != start)
			*p++ = ',';
		p = put_range(p, next, PORT_MAX);
	}
	return p;
}

const char *ports_text(const struct port_range *ranges, size_t n, char *buf)
{
	bool from_0 = ranges[0].lo == 0, to_end = ranges[n - 1].hi == PORT_MAX;
	bool only_port_0 = from_0 && ranges[0].hi == 0;
	char *p = buf;

	if (n == 1 && from_0 && to_end) {
		p = stpcpy(p, "any");
	} else if (only_port_0 || (from_0 && to_end)) {
		/* From 0 to the end the gaps are one fewer; a list with port 0 would mean any. */
		p = stpcpy(p, "any except ");
		p = put_complement(p, ranges, n);
	} else {
		p = put_list(p, ranges, n);
	}
	*p = '\0';
	return buf;
}
