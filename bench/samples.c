// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void samples_add(struct samples *samples, double value)
{
	if (samples->n < ROUNDS_MAX)
		samples->v[samples->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double samples_quantile(const struct samples *samples, double q)
{
	double sorted[ROUNDS_MAX], at;
	unsigned int below;

	if (!samples->n)
		return NAN;
	memcpy(sorted, samples->v, samples->n * sizeof(*sorted));
	qsort(sorted, samples->n, sizeof(*sorted), compare);
	at = q * (samples->n - 1);
	below = at;
	if (below + 1 == samples->n)
		return sorted[below];
	return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

double samples_median(const struct samples *samples)
{
	return samples_quantile(samples, 0.5);
}

struct samples samples_ratio(const struct samples *a, const struct samples *base_a,
			     const struct samples *b, const struct samples *base_b)
{
	struct samples ratio = { 0 };

	for (unsigned int i = 0; i < a->n && i < b->n; i++)
		samples_add(&ratio, (a->v[i] - (base_a ? base_a->v[i] : 0)) /
					    (b->v[i] - (base_b ? base_b->v[i] : 0)));
	return ratio;
}

json_t *samples_json(const struct samples *samples)
{
	if (!samples->n)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "median", samples_median(samples), "q1",
			 samples_quantile(samples, 0.25), "q3", samples_quantile(samples, 0.75),
			 "min", samples_quantile(samples, 0), "max", samples_quantile(samples, 1));
}
