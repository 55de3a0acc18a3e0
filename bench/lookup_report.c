// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "lookup_report.h"

#include <stdio.h>

/*
 * Ratios are taken round by round and their median reported, so that a change
 * of the machine's speed between rounds cancels out.
 */
struct ratios {
	struct samples hot;	     /* anybind / fixed */
	struct samples spread_fixed; /* (lpm - fixed) / (anybind - fixed) */
	struct samples spread_pass;  /* the same with pass as the base */
};

static struct ratios ratios_of(const struct lookup_case *c)
{
	const struct samples *s = c->spread;

	return (struct ratios){
		samples_ratio(&c->hot[ANYBIND], NULL, &c->hot[FIXED], NULL),
		samples_ratio(&s[LPM], &s[FIXED], &s[ANYBIND], &s[FIXED]),
		samples_ratio(&s[LPM], &s[PASS], &s[ANYBIND], &s[PASS]),
	};
}

void lookup_print_heading(void)
{
	printf("Medians over the rounds, CPU ns; (q1-q3). hot: one destination, one program run.\n"
	       "spread: random destinations among the rules, one whole lookup of a UDP socket.\n"
	       "gain: time that lpm adds to fixed / time that anybind adds to fixed.\n\n"
	       "                        |-------------- hot --------------|"
	       "------------------- spread ------------------|\n"
	       "  rules family ports    | pass fixed  lpm anybind  /fixed |"
	       " pass fixed    lpm        anybind       gain   |\n");
}

static void print_number(int width, const struct samples *samples)
{
	if (samples->n)
		printf(" %*.0f", width, samples_median(samples));
	else
		printf(" %*s", width, "-");
}

void lookup_print_case(const struct lookup_case *c)
{
	struct ratios r = ratios_of(c);

	printf("%7zu %-6s %-8s |", c->rules, c->v6 ? "IPv6" : "IPv4",
	       c->ports_differ ? "differ" : "alike");
	print_number(4, &c->hot[PASS]);
	print_number(5, &c->hot[FIXED]);
	print_number(4, &c->hot[LPM]);
	print_number(7, &c->hot[ANYBIND]);
	printf("  %6.3f |", samples_median(&r.hot));
	print_number(4, &c->spread[PASS]);
	print_number(5, &c->spread[FIXED]);
	print_number(6, &c->spread[LPM]);
	print_number(5, &c->spread[ANYBIND]);
	printf(" (%.0f-%.0f)", samples_quantile(&c->spread[ANYBIND], 0.25),
	       samples_quantile(&c->spread[ANYBIND], 0.75));
	if (r.spread_fixed.n)
		printf("  %5.2f (%.1f-%.1f)", samples_median(&r.spread_fixed),
		       samples_quantile(&r.spread_fixed, 0.25),
		       samples_quantile(&r.spread_fixed, 0.75));
	printf("\n");
	fflush(stdout);
}

static json_t *series_json(const struct samples samples[PROGRAMS])
{
	json_t *object = json_object();

	for (enum program p = 0; p < PROGRAMS; p++)
		json_object_set_new(object, program_names[p], samples_json(&samples[p]));
	return object;
}

json_t *lookup_case_json(const struct lookup_case *c)
{
	struct ratios r = ratios_of(c);

	return json_pack("{s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "rules",
			 (json_int_t)c->rules, "family", c->v6 ? "ipv6" : "ipv4", "ports",
			 c->ports_differ ? "differ" : "alike", "hot_ns", series_json(c->hot),
			 "spread_ns", series_json(c->spread), "hot_to_fixed", samples_json(&r.hot),
			 "spread_gain_over_fixed", samples_json(&r.spread_fixed),
			 "spread_gain_over_pass", samples_json(&r.spread_pass));
}
