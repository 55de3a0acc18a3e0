/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Text to ruleset. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "fallback.h"
#include "names.h"
#include "ruleset.h"
#include "seal.h"
#include "statement.h"
#include "text.h"

struct parser {
	struct anybind_ruleset *rs;
	struct names_index services, devices;
	struct place place;
	bool failed;
};

static void parser_done(struct parser *parser)
{
	names_index_free(&parser->services);
	names_index_free(&parser->devices);
	anybind_ruleset_free(parser->rs);
}

#define fail(parser, code, hint, ...)                                                              \
	report_error_at((parser)->place.report, (parser)->place.source, (parser)->place.line,      \
			code, hint, __VA_ARGS__)

/*
 * Makes room for one more element in an array of @n, and in one beside it that
 * shares its @cap (@second_size 0: there is none).
 */
static int grow(void *first, size_t first_size, void *second, size_t second_size, size_t n,
		size_t *cap)
{
	size_t larger = *cap + *cap / 2 + 32;
	void *array;

	if (n < *cap)
		return 0;
	array = reallocarray(*(void **)first, larger, first_size);
	if (!array)
		return -ENOMEM;
	*(void **)first = array;
	if (second_size) {
		array = reallocarray(*(void **)second, larger, second_size);
		if (!array)
			return -ENOMEM;
		*(void **)second = array;
	}
	*cap = larger;
	return 0;
}

/* The index of a service, new or not. */
static int intern_service(struct parser *parser, struct word name, uint32_t *ret)
{
	struct anybind_ruleset *rs = parser->rs;
	int i = names_index_find(&parser->services, rs->services, sizeof(struct service), name.text,
				 name.len);
	struct service *service;

	if (i >= 0) {
		*ret = (uint32_t)i;
		return 0;
	}
	if (rs->n_services == ANYBIND_SERVICES_MAX)
		return fail(parser, -E2BIG, NULL, "more than %d services", ANYBIND_SERVICES_MAX);
	if (grow(&rs->services, sizeof(*service), &rs->declarations, sizeof(*rs->declarations),
		 rs->n_services, &rs->cap_services) < 0)
		return report_oom(parser->place.report);
	service = &rs->services[rs->n_services];
	*service = (struct service){.id = SERVICE_NO_ID};
	memcpy(service->name, name.text, name.len);
	rs->declarations[rs->n_services] = (struct declaration){0};
	*ret = (uint32_t)rs->n_services++;
	if (names_index_add(&parser->services, rs->services, rs->n_services, sizeof(*service)) < 0)
		return report_oom(parser->place.report);
	return 0;
}

/* rule.dev of a device, new or not. */
static int intern_device(struct parser *parser, struct word name, uint16_t *ret)
{
	struct anybind_ruleset *rs = parser->rs;
	struct device *device;
	int i;

	if (!name.text) {
		*ret = 0;
		return 0;
	}
	i = names_index_find(&parser->devices, rs->devices, sizeof(*device), name.text, name.len);
	if (i >= 0) {
		*ret = (uint16_t)(1 + i);
		return 0;
	}
	if (rs->n_devices == RULESET_DEVICES_MAX)
		return fail(parser, -E2BIG, NULL, "more than %d interfaces", RULESET_DEVICES_MAX);
	if (grow(&rs->devices, sizeof(*device), NULL, 0, rs->n_devices, &rs->cap_devices) < 0)
		return report_oom(parser->place.report);
	device = &rs->devices[rs->n_devices];
	*device = (struct device){0};
	memcpy(device->name, name.text, name.len);
	*ret = (uint16_t)++rs->n_devices;
	if (names_index_add(&parser->devices, rs->devices, rs->n_devices, sizeof(*device)) < 0)
		return report_oom(parser->place.report);
	return 0;
}

/* A service is declared once, or always alike. */
static void check_policy(struct parser *parser, size_t i, const struct service *wanted)
{
	struct anybind_ruleset *rs = parser->rs;
	const struct service old = rs->services[i];
	char text[2][POLICY_TEXT_MAX];

	if (old.missing_pass == wanted->missing_pass && old.fallback == wanted->fallback)
		return;
	fallback_policy_text(rs, i, text[0]);
	rs->services[i] = *wanted;
	fallback_policy_text(rs, i, text[1]);
	rs->services[i] = old;
	parser->failed = true;
	fail(parser, -EINVAL, "A service is declared once.",
	     "\"service %s %s\" conflicts with line %u: \"%s\"", old.name, text[1],
	     rs->declarations[i].line, text[0]);
}

static int add_service(struct parser *parser, const struct statement *st)
{
	struct declaration *declaration;
	uint32_t i = 0, fallback = 0;
	struct service wanted;
	int r;

	r = intern_service(parser, st->service, &i);
	if (r == 0 && st->fallback.text)
		r = intern_service(parser, st->fallback, &fallback);
	if (r < 0)
		return r;
	wanted = parser->rs->services[i];
	wanted.missing_pass = st->missing_pass;
	wanted.fallback = st->fallback.text ? (uint16_t)(1 + fallback) : 0;
	declaration = &parser->rs->declarations[i];
	if (declaration->is_explicit) {
		check_policy(parser, i, &wanted);
		return 0;
	}
	*declaration = (struct declaration){true, parser->place.line};
	parser->rs->services[i] = wanted;
	return 0;
}

static int add_rule(struct parser *parser, const struct rule *rule)
{
	struct anybind_ruleset *rs = parser->rs;

	if (rs->n_rules == RULESET_RULES_MAX)
		return fail(parser, -E2BIG, "Join prefixes or port ranges.",
			    "more than %d rules (one for each family, protocol and port range)",
			    RULESET_RULES_MAX);
	if (grow(&rs->rules, sizeof(*rule), &rs->lines, sizeof(*rs->lines), rs->n_rules,
		 &rs->cap_rules) < 0)
		return report_oom(parser->place.report);
	rs->lines[rs->n_rules] = parser->place.line;
	rs->rules[rs->n_rules++] = *rule;
	return 0;
}

static int add_rules(struct parser *parser, const struct statement *st)
{
	struct rule rule = {
		.dst_len = st->dst_len,
		.src_len = st->src_len,
		.action = (uint8_t)st->action,
	};
	int r;

	memcpy(rule.dst, st->dst, sizeof(rule.dst));
	memcpy(rule.src, st->src, sizeof(rule.src));
	if (st->action == ANYBIND_BIND) {
		r = intern_service(parser, st->service, &rule.service);
		if (r < 0)
			return r;
	}
	r = intern_device(parser, st->dev, &rule.dev);
	for (int i = 0; i < 4 && r == 0; i++) {
		bool udp = i & 1, v6 = i & 2;

		if (!(udp ? st->udp : st->tcp) || !(v6 ? st->v6 : st->v4))
			continue;
		rule.proto = udp ? IPPROTO_UDP : IPPROTO_TCP;
		rule.family = v6 ? 6 : 4;
		for (size_t p = 0; p < st->ports.n && r == 0; p++) {
			rule.port_lo = st->ports.ranges[p].lo;
			rule.port_hi = st->ports.ranges[p].hi;
			r = add_rule(parser, &rule);
		}
	}
	return r;
}

/* One line. Bad text is noted in ->failed; only what must end the reading is returned. */
static int parse_line(struct parser *parser, const char *line, size_t len)
{
	struct statement st;
	int r = statement_read(&st, line, len, &parser->place);

	if (r < 0)
		parser->failed = true;
	if (r <= 0)
		return 0;
	return st.action == ANYBIND_SERVICE ? add_service(parser, &st) : add_rules(parser, &st);
}

static int parser_finish(struct parser *parser, struct anybind_ruleset **ret_ruleset)
{
	int r = ruleset_seal(parser->rs, parser->place.report);

	if (r < 0)
		return r;
	if (parser->failed)
		return -EINVAL;
	*ret_ruleset = take_ptr(parser->rs);
	return 0;
}

int anybind_ruleset_parse(struct anybind_ruleset **ret_ruleset, const char *text, size_t size,
			  const char *source, struct anybind_report *report)
{
	_cleanup_(parser_done) struct parser parser = {.place = {report, source, 0}};
	const char *end = size > 0 ? text + size : text;
	int r;

	r = anybind_ruleset_new(&parser.rs);
	if (r < 0)
		return report_oom(report);
	if (source && !(parser.rs->source = strdup(source)))
		return report_oom(report);
	for (const char *line = text, *next; line < end; line = next) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((newline ? newline : end) - line);

		next = newline ? newline + 1 : end;
		if (newline && len > 0 && line[len - 1] == '\r')
			len--;
		parser.place.line++;
		r = parse_line(&parser, line, len);
		if (r < 0)
			return r;
	}
	return parser_finish(&parser, ret_ruleset);
}

int anybind_ruleset_parse_words(struct anybind_ruleset **ret_ruleset, int argc, char *const argv[],
				struct anybind_report *report)
{
	_cleanup_(parser_done) struct parser parser = {.place = {report, NULL, 0}};
	char text[STATEMENT_MAX + 1];
	size_t len = 0;
	int r;

	for (int i = 0; i < argc; i++) {
		size_t n = strlen(argv[i]);

		if (n + 1 > sizeof(text) - len)
			return report_error(report, -EINVAL, "Split it into several statements.",
					    "the statement has more than %d bytes", STATEMENT_MAX);
		memcpy(text + len, argv[i], n);
		len += n;
		text[len++] = ' ';
	}
	r = anybind_ruleset_new(&parser.rs);
	if (r < 0)
		return report_oom(report);
	r = parse_line(&parser, text, len > 0 ? len - 1 : 0);
	if (r < 0)
		return r;
	if (!parser.failed && parser.rs->n_rules == 0 && parser.rs->n_services == 0)
		return report_error(report, -EINVAL,
				    "A statement starts with service, bind, pass or drop.",
				    "there is no statement");
	return parser_finish(&parser, ret_ruleset);
}
