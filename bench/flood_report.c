// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_report.h"

#include <math.h>
#include <stdio.h>

/* Half the width, as a share of the samples, in which their median lies in 95 of 100 runs. */
static double confidence(const struct samples *samples)
{
	return samples->n ? fmin(0.5, 0.98 / sqrt(samples->n)) : 0;
}

static double low(const struct samples *samples)
{
	return samples_quantile(samples, 0.5 - confidence(samples));
}

static double high(const struct samples *samples)
{
	return samples_quantile(samples, 0.5 + confidence(samples));
}

void flood_print(const struct field *field, const struct place *place, const struct flood *flood)
{
	printf("\n%s flood, %s, %s: %s is 1, %.0f ns a packet\n", flood_names[flood->kind],
	       flood->v6 ? "IPv6" : "IPv4", place->name, field->reference.name,
	       samples_median(&field->reference.ns));
	printf("  %-28s %6s  %-15s  %-15s %6s %7s\n", "", "ratio", "(95 %)", "(q1-q3)", "ns",
	       "added");
	for (unsigned int i = 0; i < field->n; i++) {
		const struct competitor *c = &field->competitors[i];

		printf("  %-28s %6.3f  (%.3f-%.3f)    (%.3f-%.3f)   %6.0f %+7.0f\n", c->name,
		       samples_median(&c->ratio), low(&c->ratio), high(&c->ratio),
		       samples_quantile(&c->ratio, 0.25), samples_quantile(&c->ratio, 0.75),
		       samples_median(&c->ns), samples_median(&c->added));
	}
	fflush(stdout);
}

static json_t *with_interval(const struct samples *samples)
{
	json_t *json = samples_json(samples);

	json_object_set_new(json, "low", json_real(low(samples)));
	json_object_set_new(json, "high", json_real(high(samples)));
	return json;
}

json_t *flood_json(const struct field *field, const struct place *place, const struct flood *flood)
{
	json_t *competitors = json_array();

	for (unsigned int i = 0; i < field->n; i++) {
		const struct competitor *c = &field->competitors[i];

		json_array_append_new(competitors,
				      json_pack("{s:s, s:o, s:o, s:o}", "name", c->name, "ratio",
						with_interval(&c->ratio), "ns",
						with_interval(&c->ns), "added_ns",
						with_interval(&c->added)));
	}
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:o, s:o}", "flood", flood_names[flood->kind],
			 "family", flood->v6 ? "IPv6" : "IPv4", "place", place->name, "n",
			 (json_int_t)place->n, "reference", field->reference.name,
			 "reference_ns", with_interval(&field->reference.ns), "competitors",
			 competitors);
}

/* ---- clients ---- */

void clients_print_heading(const char *what, enum flood_kind kind, bool v6)
{
	printf("\n%s, %s flood, %s: microseconds until the answer\n", what, flood_names[kind],
	       v6 ? "IPv6" : "IPv4");
	printf("  %-30s %7s %8s %7s %6s %6s %7s %7s %7s %8s\n", "", "asked", "answered",
	       "refused", "lost", "astray", "p50", "p99", "p99.9", "max");
}

void clients_print(const char *name, struct client *c, uint64_t astray)
{
	printf("  %-30s %7llu %8zu %7llu %6llu %6llu %7.0f %7.0f %7.0f %8.0f\n", name,
	       (unsigned long long)c->asked, c->n, (unsigned long long)c->refused,
	       (unsigned long long)c->lost, (unsigned long long)astray, client_quantile(c, 0.5),
	       client_quantile(c, 0.99), client_quantile(c, 0.999), client_quantile(c, 1));
	fflush(stdout);
}

json_t *clients_json(const char *name, struct client *c, uint64_t astray)
{
	json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "name", name, "asked",
				 (json_int_t)c->asked, "answered", (json_int_t)c->n, "refused",
				 (json_int_t)c->refused, "lost", (json_int_t)c->lost, "astray",
				 (json_int_t)astray);

	if (c->n)
		json_object_set_new(json, "us",
				    json_pack("{s:f, s:f, s:f, s:f, s:f}", "p50",
					      client_quantile(c, 0.5), "p90",
					      client_quantile(c, 0.9), "p99",
					      client_quantile(c, 0.99), "p999",
					      client_quantile(c, 0.999), "max",
					      client_quantile(c, 1)));
	return json;
}
