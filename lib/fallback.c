/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fallback.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "cleanup.h"
#include "error.h"

/* Services that a message names; of a circle there may be thousands. */
#define NAMED_MAX (FALLBACKS_MAX + 2)

const char *fallback_name(const struct anybind_ruleset *rs, size_t i)
{
	unsigned int fallback = rs->services[i].fallback;

	return fallback ? rs->services[fallback - 1].name : NULL;
}

bool fallback_same_policy(const struct anybind_ruleset *a, size_t i,
			  const struct anybind_ruleset *b, size_t j)
{
	const char *x = fallback_name(a, i), *y = fallback_name(b, j);

	return a->services[i].missing_pass == b->services[j].missing_pass &&
	       (x && y ? strcmp(x, y) == 0 : x == y);
}

const char *fallback_policy_text(const struct anybind_ruleset *rs, size_t i,
				 char buf[POLICY_TEXT_MAX])
{
	const char *fallback = fallback_name(rs, i);

	snprintf(buf, POLICY_TEXT_MAX, "missing %s%s%s",
		 rs->services[i].missing_pass ? "pass" : "drop", fallback ? " fallback " : "",
		 fallback ? fallback : "");
	return buf;
}

/*
 * Steps from @i to the end of its chain, at most FALLBACKS_MAX + 1, which a
 * circle always comes to.
 */
static unsigned int steps(const struct anybind_ruleset *rs, size_t i)
{
	unsigned int n = 0;

	while (rs->services[i].fallback && n <= FALLBACKS_MAX) {
		i = rs->services[i].fallback - 1u;
		n++;
	}
	return n;
}

bool fallbacks_are_valid(const struct anybind_ruleset *rs)
{
	for (size_t i = 0; i < rs->n_services; i++) {
		unsigned int fallback = rs->services[i].fallback;

		if (fallback > rs->n_services ||
		    (fallback && !strcmp(rs->services[fallback - 1].name, FALLBACK_NONE)))
			return false;
	}
	for (size_t i = 0; i < rs->n_services; i++)
		if (steps(rs, i) > FALLBACKS_MAX)
			return false;
	return true;
}

/* How many services are in the circle that leads from @i to itself; 0: none does. */
static size_t circle_length(const struct anybind_ruleset *rs, size_t i)
{
	size_t at = i, n = 0;

	while (rs->services[at].fallback && n < rs->n_services) {
		at = rs->services[at].fallback - 1u;
		n++;
		if (at == i)
			return n;
	}
	return 0;
}

/* "a (line 1), b (line 3), a": @n services from @i on. To be freed; NULL: out of memory. */
static char *chain_text(const struct anybind_ruleset *rs, const uint32_t *lines, size_t i, size_t n)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	for (size_t k = 0; k < n && k < NAMED_MAX; k++) {
		fprintf(stream, "%s\"%s\"", k ? ", " : "", rs->services[i].name);
		if (lines[i])
			fprintf(stream, " (line %u)", lines[i]);
		i = rs->services[i].fallback - 1u;
	}
	if (n > NAMED_MAX)
		fprintf(stream, " and so on");
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

/* The last line of @n services from @i on, which completes them. */
static uint32_t last_line(const struct anybind_ruleset *rs, const uint32_t *lines, size_t i,
			  size_t n)
{
	uint32_t last = 0;

	for (; n > 0; n--, i = rs->services[i].fallback - 1u)
		last = lines[i] > last ? lines[i] : last;
	return last;
}

/* Once for all in it: at the one with the least index. */
static bool is_first_of_circle(const struct anybind_ruleset *rs, size_t i)
{
	for (size_t at = rs->services[i].fallback - 1u; at != i;
	     at = rs->services[at].fallback - 1u)
		if (at < i)
			return false;
	return true;
}

static void say_circle(const struct anybind_ruleset *rs, const uint32_t *lines, const char *source,
		       size_t i, size_t n, struct anybind_report *report)
{
	_cleanup_free_ char *text = chain_text(rs, lines, i, n + 1);

	report_error_at(report, source, last_line(rs, lines, i, n), -EINVAL,
			"One of them must do without a fallback, or have another.",
			"the fallbacks of services run in a circle: %s", text ? text : "…");
}

static void say_long(const struct anybind_ruleset *rs, const uint32_t *lines, const char *source,
		     size_t i, struct anybind_report *report)
{
	_cleanup_free_ char *text = chain_text(rs, lines, i, FALLBACKS_MAX + 2);

	report_error_at(report, source, last_line(rs, lines, i, FALLBACKS_MAX + 1), -EINVAL,
			"Let some of them fall back to one further down.",
			"a chain of more than %d fallbacks: %s", FALLBACKS_MAX, text ? text : "…");
}

int fallbacks_check(const struct anybind_ruleset *rs, const uint32_t *lines, const char *source,
		    struct anybind_report *report)
{
	int r = 0;

	for (size_t i = 0; i < rs->n_services; i++) {
		size_t circle;

		if (steps(rs, i) <= FALLBACKS_MAX)
			continue;
		r = -EINVAL;
		circle = circle_length(rs, i);
		if (circle && is_first_of_circle(rs, i))
			say_circle(rs, lines, source, i, circle, report);
		/* Of a long chain the first one too many; those before it need no word. */
		else if (!circle && steps(rs, rs->services[i].fallback - 1u) == FALLBACKS_MAX)
			say_long(rs, lines, source, i, report);
	}
	return r;
}
