/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cross.h"

#include <string.h>

int cross_compare(const struct anybind_ruleset *a, size_t i, const struct anybind_ruleset *b,
		  size_t j)
{
	struct rule x = a->rules[i], y = b->rules[j];
	int d;

	x.dev = y.dev = 0;
	d = rule_compare(&x, &y);
	if (d)
		return d;
	if (!a->rules[i].dev || !b->rules[j].dev)
		return (a->rules[i].dev == 0) - (b->rules[j].dev == 0);
	return strcmp(a->devices[a->rules[i].dev - 1].name, b->devices[b->rules[j].dev - 1].name);
}

bool cross_same_verdict(const struct anybind_ruleset *a, size_t i, const struct anybind_ruleset *b,
			size_t j)
{
	const struct rule *x = &a->rules[i], *y = &b->rules[j];

	if (x->action != y->action)
		return false;
	return x->action != ANYBIND_BIND ||
	       strcmp(a->services[x->service].name, b->services[y->service].name) == 0;
}

size_t cross_seek(const struct anybind_ruleset *a, size_t start, const struct anybind_ruleset *b,
		  size_t j)
{
	size_t n = a->n_rules, low = start, high = start, step = 1;

	/* In growing steps past it, then by halves back to it. */
	while (high < n && cross_compare(a, high, b, j) < 0) {
		low = high + 1;
		high = n - high > step ? high + step : n;
		step *= 2;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cross_compare(a, middle, b, j) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool cross_is_at(const struct anybind_ruleset *a, size_t i, const struct anybind_ruleset *b,
		 size_t j)
{
	return i < a->n_rules && cross_compare(a, i, b, j) == 0 && cross_same_verdict(a, i, b, j);
}
