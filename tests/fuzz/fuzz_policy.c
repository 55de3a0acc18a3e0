/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Any bytes as a policy. What is accepted must allow just what a second reader
 * allows, which knows nothing but sscanf() and fnmatch() and may be that plain
 * since the text is known to be right.
 */
#include "fuzz.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

/*
 * A name without white space that starts with a letter is there; its number
 * is its length. sscanf() ends words at more than blanks.
 */
static int id_of(bool is_group, const char *name, uint32_t *ret_id, void *data)
{
	(void)is_group;
	(void)data;
	if (!isalpha((unsigned char)name[0]))
		return -ENOENT;
	for (const char *p = name; *p; p++)
		if (isspace((unsigned char)*p))
			return -ENOENT;
	*ret_id = (uint32_t)strlen(name);
	return 0;
}

struct plain {
	bool is_group;
	uint32_t id;
	char patterns[4096];
};

/* One line of a text that is right; false: no statement. */
static bool read_plain(const char *line, size_t len, struct plain *ret)
{
	char text[4097], kind[8], who[300];

	memcpy(text, line, len);
	text[len] = '\0';
	if (sscanf(text, " allow %7s %299s service %4095s", kind, who, ret->patterns) != 3)
		return false;
	ret->is_group = kind[0] == 'g';
	ret->id = kind[1] == 'i' ? (uint32_t)strtoul(who, NULL, 10) : (uint32_t)strlen(who);
	return true;
}

static bool plain_allows(const char *text, size_t size, uid_t uid, gid_t gid, const char *service)
{
	const char *end = text + size;

	for (const char *line = text, *next; line < end; line = next) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		struct plain plain;
		char *save;

		next = newline ? newline + 1 : end;
		if (!read_plain(line, (size_t)((newline ? newline : end) - line), &plain) ||
		    plain.id != (plain.is_group ? gid : uid))
			continue;
		for (char *p = strtok_r(plain.patterns, ",", &save); p;
		     p = strtok_r(NULL, ",", &save))
			if (!fnmatch(p, service, 0))
				return true;
	}
	return false;
}

static void compare(const struct anybind_policy *policy, const char *text, size_t size)
{
	static const char *const services[] = {"web", "web-1", "dns", "a", "x@y:z"};
	static const uint32_t ids[] = {0, 3, 4, 8, 33};

	for (size_t i = 0; i < 5; i++)
		for (size_t u = 0; u < 5; u++) {
			gid_t gid = ids[(u + i) % 5];

			must(anybind_policy_allows(policy, ids[u], &gid, 1, services[i]) ==
			     plain_allows(text, size, ids[u], gid, services[i]));
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_policy *policy = NULL;
	const char *text = (const char *)data;
	int r;

	must(report);
	r = anybind_policy_parse(&policy, text, size, "input", id_of, NULL, report);
	must((r == 0) == (anybind_report_count(report) == 0));
	must((r == 0) == (policy != NULL));
	/* Comments may hold what sscanf() would take for the end. */
	if (r == 0 && !memchr(text, '\0', size) && !memchr(text, '\v', size) &&
	    !memchr(text, '\f', size))
		compare(policy, text, size);
	anybind_policy_free(policy);
	anybind_report_free(report);
	return 0;
}
