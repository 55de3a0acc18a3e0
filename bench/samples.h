/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Series of measurements, one for each round. */
#ifndef ANYBIND_BENCH_SAMPLES_H
#define ANYBIND_BENCH_SAMPLES_H

#include <jansson.h>

#define ROUNDS_MAX 1000

struct samples {
	unsigned int n;
	double v[ROUNDS_MAX]; /* in the order of the rounds */
};

void samples_add(struct samples *samples, double value);
/* The value that the share @q (0 to 1) of the samples lies below; NAN if there are none. */
double samples_quantile(const struct samples *samples, double q);
double samples_median(const struct samples *samples);

/* Round by round (@a - @base_a) / (@b - @base_b); a base may be NULL: 0. */
struct samples samples_ratio(const struct samples *a, const struct samples *base_a,
			     const struct samples *b, const struct samples *base_b);

/* {median, q1, q3, min, max}; null if there are none. */
json_t *samples_json(const struct samples *samples);

#endif
