/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who may register sockets for which service. Pure: names are looked up by the caller. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "statement.h"
#include "text.h"

#define USAGE "Usage: allow user|group|uid|gid WHO service PATTERN[,PATTERN…]"

#define GRANTS_MAX 65536
/* One less than LOGIN_NAME_MAX. */
#define WHO_MAX 255
/* (uid_t)-1 and (gid_t)-1 are nobody's: they mean "no change" in system calls. */
#define ID_MAX (UINT32_MAX - 1)

/* One pattern of one statement. */
struct grant {
	uint32_t id;
	bool is_group;
	bool is_prefix; /* whatever follows ->name will do */
	uint8_t len;
	char name[ANYBIND_NAME_MAX]; /* not terminated */
};

struct anybind_policy {
	struct grant *grants;
	size_t n, cap;
};

struct reader {
	const char *next, *end;
	struct word last; /* the word read before */
	struct place place;
	anybind_id_fn id_of;
	void *data;
	struct anybind_policy *policy;
};

#define fail(reader, code, hint, ...)                                                              \
	report_error_at((reader)->place.report, (reader)->place.source, (reader)->place.line,      \
			code, hint, __VA_ARGS__)

/* @word between the quotes of a message. */
#define quote(word) text_quote((word).text, (word).len, (char[QUOTED_MAX]){0})

static bool is_word(struct word word, const char *text)
{
	return word.len == strlen(text) && !memcmp(word.text, text, word.len);
}

/* False at the end of the statement, which a comment may follow. */
static bool next_word(struct reader *reader, struct word *ret)
{
	const char *p = reader->next;

	while (p < reader->end && (*p == ' ' || *p == '\t'))
		p++;
	ret->text = p;
	while (p < reader->end && *p != ' ' && *p != '\t')
		p++;
	ret->len = (size_t)(p - ret->text);
	if (ret->len == 0 || *ret->text == '#') {
		reader->next = reader->end;
		return false;
	}
	reader->next = p;
	reader->last = *ret;
	return true;
}

static int need_word(struct reader *reader, const char *what, struct word *ret)
{
	if (next_word(reader, ret))
		return 0;
	return fail(reader, -EINVAL, USAGE, "%s is missing after \"%s\"", what,
		    quote(reader->last));
}

/* Reads the word as one of @list: its index. */
static int need_keyword(struct reader *reader, const char *what, const char *const list[], size_t n)
{
	const char *near;
	struct word word;
	int r = need_word(reader, what, &word);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (is_word(word, list[i]))
			return (int)i;
	near = text_suggest(word.text, word.len, list, n);
	if (near)
		return fail(reader, -EINVAL, USAGE, "\"%s\" stands where %s belongs; did you mean "
			    "\"%s\"?", quote(word), what, near);
	return fail(reader, -EINVAL, USAGE, "\"%s\" stands where %s belongs", quote(word), what);
}

/* ---- who ---- */

enum { USER, GROUP, UID, GID };

static const char *const kinds[] = {
	[USER] = "user",
	[GROUP] = "group",
	[UID] = "uid",
	[GID] = "gid",
};

static int read_number(struct reader *reader, const char *kind, struct word word, uint32_t *ret)
{
	uint64_t number;

	if (text_number(word.text, word.len, ID_MAX, &number) < 0)
		return fail(reader, -EINVAL, NULL, "\"%s\" is no %s: a number from 0 to %u",
			    quote(word), kind, ID_MAX);
	*ret = (uint32_t)number;
	return 0;
}

static int read_name(struct reader *reader, bool is_group, struct word word, uint32_t *ret)
{
	const char *kind = kinds[is_group ? GROUP : USER], *number = kinds[is_group ? GID : UID];
	char name[WHO_MAX + 1], hint[80];
	int r;

	if (word.len > WHO_MAX || memchr(word.text, '\0', word.len))
		return fail(reader, -EINVAL, NULL, "\"%s\" is no name of a %s", quote(word), kind);
	memcpy(name, word.text, word.len);
	name[word.len] = '\0';
	r = reader->id_of(is_group, name, ret, reader->data);
	if (r == -ENOENT) {
		snprintf(hint, sizeof(hint),
			 "One that is still to come can be given by its number: allow %s N", number);
		return fail(reader, r, hint, "there is no %s \"%s\"", kind, quote(word));
	}
	if (r < 0)
		return fail(reader, r, NULL, "cannot look up %s \"%s\": %s", kind, quote(word),
			    strerrordesc_np(-r));
	return 0;
}

static int read_who(struct reader *reader, struct grant *grant)
{
	struct word word;
	int r = need_keyword(reader, "user, group, uid or gid", kinds, ARRAY_SIZE(kinds));
	int kind = r;

	if (r < 0)
		return r;
	r = need_word(reader, kind == USER || kind == GROUP ? "a name" : "a number", &word);
	if (r < 0)
		return r;
	grant->is_group = kind == GROUP || kind == GID;
	if (kind == UID || kind == GID)
		return read_number(reader, kinds[kind], word, &grant->id);
	return read_name(reader, grant->is_group, word, &grant->id);
}

/* ---- what ---- */

static int add_grant(struct reader *reader, const struct grant *grant)
{
	struct anybind_policy *policy = reader->policy;

	if (policy->n == GRANTS_MAX)
		return fail(reader, -E2BIG, "A pattern such as web-* stands for many names.",
			    "more than %d patterns", GRANTS_MAX);
	if (policy->n == policy->cap) {
		size_t cap = policy->cap + policy->cap / 2 + 16;
		struct grant *larger = reallocarray(policy->grants, cap, sizeof(*larger));

		if (!larger)
			return report_oom(reader->place.report);
		policy->grants = larger;
		policy->cap = cap;
	}
	policy->grants[policy->n++] = *grant;
	return 0;
}

/* "web", "web-*" or "*". */
static int read_pattern(struct reader *reader, struct word item, struct grant *grant)
{
	size_t len = item.len;

	grant->is_prefix = len > 0 && item.text[len - 1] == '*';
	len -= grant->is_prefix;
	if (!(grant->is_prefix && len == 0) && !text_is_name(item.text, len))
		return fail(reader, -EINVAL,
			    "A name is 1 to 64 of letters, digits, '.', '_', '-', '@', ':'; "
			    "'*' may stand at its end.",
			    "\"%s\" is no service's name or pattern", quote(item));
	memcpy(grant->name, item.text, len);
	grant->len = (uint8_t)len;
	return add_grant(reader, grant);
}

static int read_patterns(struct reader *reader, struct grant *grant)
{
	static const char *const service[] = {"service"};
	const char *item, *end;
	struct word list;
	int r = need_keyword(reader, "\"service\"", service, ARRAY_SIZE(service));

	if (r < 0)
		return r;
	r = need_word(reader, "a service's name or pattern", &list);
	if (r < 0)
		return r;
	end = list.text + list.len;
	for (item = list.text; r == 0 && item <= end;) {
		const char *comma = memchr(item, ',', (size_t)(end - item));
		const char *stop = comma ? comma : end;

		r = read_pattern(reader, (struct word){item, (size_t)(stop - item)}, grant);
		item = stop + 1;
	}
	return r;
}

/* ---- lines ---- */

static int read_line(struct reader *reader, const char *line, size_t len)
{
	static const char *const allow[] = {"allow"};
	struct grant grant = {0};
	struct word word;
	int r;

	if (len > STATEMENT_MAX)
		return fail(reader, -EINVAL, "Split it into several statements.",
			    "the line has more than %d bytes", STATEMENT_MAX);
	reader->next = line;
	reader->end = line + len;
	if (!next_word(reader, &word))
		return 0;
	reader->next = line;
	r = need_keyword(reader, "\"allow\"", allow, ARRAY_SIZE(allow));
	if (r < 0)
		return r;
	r = read_who(reader, &grant);
	if (r < 0)
		return r;
	r = read_patterns(reader, &grant);
	if (r < 0)
		return r;
	if (next_word(reader, &word))
		return fail(reader, -EINVAL, USAGE, "\"%s\" is not expected here", quote(word));
	return 0;
}

static int read_lines(struct reader *reader, const char *text, size_t size)
{
	const char *end = size > 0 ? text + size : text;
	int failed = 0;

	for (const char *line = text, *next; line < end; line = next) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((newline ? newline : end) - line);
		int r;

		next = newline ? newline + 1 : end;
		if (newline && len > 0 && line[len - 1] == '\r')
			len--;
		reader->place.line++;
		r = read_line(reader, line, len);
		if (r == -ENOMEM || r == -E2BIG)
			return r;
		if (r < 0)
			failed = -EINVAL;
	}
	return failed;
}

int anybind_policy_parse(struct anybind_policy **ret_policy, const char *text, size_t size,
			 const char *source, anybind_id_fn id_of, void *data,
			 struct anybind_report *report)
{
	struct reader reader = {
		.place = {report, source, 0},
		.id_of = id_of,
		.data = data,
		.policy = calloc(1, sizeof(struct anybind_policy)),
	};
	int r;

	if (!reader.policy)
		return report_oom(report);
	r = read_lines(&reader, text, size);
	if (r < 0) {
		anybind_policy_free(reader.policy);
		return r;
	}
	*ret_policy = reader.policy;
	return 0;
}

void anybind_policy_free(struct anybind_policy *policy)
{
	if (!policy)
		return;
	free(policy->grants);
	free(policy);
}

size_t anybind_policy_count(const struct anybind_policy *policy)
{
	return policy->n;
}

static bool is_member(gid_t group, const gid_t groups[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (groups[i] == group)
			return true;
	return false;
}

bool anybind_policy_allows(const struct anybind_policy *policy, uid_t uid, const gid_t groups[],
			   size_t n_groups, const char *service)
{
	size_t len = strlen(service);

	if (!text_is_name(service, len))
		return false;
	for (size_t i = 0; i < policy->n; i++) {
		const struct grant *grant = &policy->grants[i];

		if (grant->is_group ? !is_member(grant->id, groups, n_groups) : grant->id != uid)
			continue;
		if ((grant->is_prefix ? len >= grant->len : len == grant->len) &&
		    !memcmp(grant->name, service, grant->len))
			return true;
	}
	return false;
}
