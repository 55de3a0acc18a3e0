/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "statement.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "fallback.h"
#include "text.h"

#define MATCH_USAGE " PROTO PREFIX PORTS [except PORTS] [from PREFIX] [dev IFNAME]"

static const char *const keywords[] = {
	[ANYBIND_PASS] = "pass",
	[ANYBIND_DROP] = "drop",
	[ANYBIND_BIND] = "bind",
	[ANYBIND_SERVICE] = "service",
};

static const char *const usages[] = {
	[ANYBIND_PASS] = "Usage: pass" MATCH_USAGE,
	[ANYBIND_DROP] = "Usage: drop" MATCH_USAGE,
	[ANYBIND_BIND] = "Usage: bind NAME" MATCH_USAGE,
	[ANYBIND_SERVICE] = "Usage: service NAME [missing drop|pass] [fallback NAME|none]",
};

struct reader {
	const char *next, *end;
	struct word last; /* the word read before */
	const struct place *place;
	const char *usage;
};

#define fail(reader, hint, ...)                                                                    \
	report_error_at((reader)->place->report, (reader)->place->source, (reader)->place->line,   \
			-EINVAL, hint, __VA_ARGS__)

/* @word between the quotes of a message. */
#define quote(word) text_quote((word).text, (word).len, (char[QUOTED_MAX]){0})

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline bool is_word(struct word word, const char *text)
{
	return word.text[0] == text[0] && word.len == strlen(text) &&
	       memcmp(word.text, text, word.len) == 0;
}

/* False at the end of the statement. */
static bool next_word(struct reader *reader, struct word *ret)
{
	const char *p = reader->next;

	while (p < reader->end && is_blank(*p))
		p++;
	ret->text = p;
	while (p < reader->end && !is_blank(*p))
		p++;
	ret->len = (size_t)(p - ret->text);
	reader->next = p;
	if (ret->len == 0)
		return false;
	reader->last = *ret;
	return true;
}

/* The next word, which must be there; @what names it in the message. */
static int need_word(struct reader *reader, const char *what, struct word *ret)
{
	if (next_word(reader, ret))
		return 0;
	return fail(reader, reader->usage, "%s is missing after \"%s\"", what, quote(reader->last));
}

static int read_name(struct reader *reader, struct word *ret)
{
	int r = need_word(reader, "a service name", ret);

	if (r < 0)
		return r;
	if (!text_is_name(ret->text, ret->len))
		return fail(reader,
			    "A name is 1 to 64 of letters, digits, '.', '_', '-', '@', ':'.",
			    "\"%s\" is not a service name", quote(*ret));
	return 0;
}

static int read_proto(struct reader *reader, struct statement *st)
{
	struct word word;
	int r = need_word(reader, "a protocol", &word);

	if (r < 0)
		return r;
	st->tcp = is_word(word, "tcp") || is_word(word, "tcp,udp");
	st->udp = is_word(word, "udp") || is_word(word, "tcp,udp");
	if (st->tcp || st->udp)
		return 0;
	return fail(reader, reader->usage,
		    "\"%s\" is not a protocol; allowed are tcp, udp and tcp,udp", quote(word));
}

static int bad_prefix(struct reader *reader, struct word word, int error)
{
	const char *colon = memchr(word.text, ':', word.len);

	if (error == -ERANGE)
		return fail(reader, NULL,
			    "in \"%s\" the prefix length is not a number from 0 to %d", quote(word),
			    colon ? 128 : 32);
	if (error == -EAFNOSUPPORT)
		return fail(reader, "Write the IPv4 address or prefix.",
			    "\"%s\" is IPv4-mapped IPv6, which stands for IPv4 and is in no packet",
			    quote(word));
	return fail(reader,
		    "Allowed: an IPv4 address (four numbers without leading zeros) or an IPv6\n"
		    "address, with /LENGTH for a prefix, or any.",
		    "\"%s\" is not an address or prefix", quote(word));
}

static int read_destination(struct reader *reader, struct statement *st, struct word *ret_word)
{
	uint8_t family;
	int r = need_word(reader, "a prefix", ret_word);

	if (r < 0)
		return r;
	st->v4 = st->v6 = true;
	if (is_word(*ret_word, "any"))
		return 0;
	r = text_prefix(ret_word->text, ret_word->len, st->dst, &st->dst_len, &family);
	if (r < 0)
		return bad_prefix(reader, *ret_word, r);
	st->v4 = family == 4;
	st->v6 = family == 6;
	return 0;
}

/* A source also says the family, where the destination leaves it open. */
static int read_source(struct reader *reader, struct statement *st, struct word destination)
{
	struct word word;
	uint8_t family;
	int r = need_word(reader, "a prefix", &word);

	if (r < 0)
		return r;
	if (is_word(word, "any"))
		return 0;
	r = text_prefix(word.text, word.len, st->src, &st->src_len, &family);
	if (r < 0)
		return bad_prefix(reader, word, r);
	st->v4 = st->v4 && family == 4;
	st->v6 = st->v6 && family == 6;
	if (!st->v4 && !st->v6)
		return fail(reader, "Source and destination must be of one family.",
			    "source \"%s\" is IPv%d, destination \"%s\" is IPv%d", quote(word),
			    family, quote(destination), 10 - family);
	return 0;
}

static int read_device(struct reader *reader, struct statement *st)
{
	int r = need_word(reader, "an interface name", &st->dev);

	if (r < 0)
		return r;
	if (!text_is_device(st->dev.text, st->dev.len))
		return fail(reader,
			    "A name has 1 to 15 bytes and no '/', ':', blank or control character.",
			    "\"%s\" cannot be the name of an interface", quote(st->dev));
	return 0;
}

static int read_ports(struct reader *reader, const char *what, struct ports *ret,
		      struct word *ret_word)
{
	struct ports_error error;
	struct word item;
	int r = need_word(reader, what, ret_word);

	if (r < 0)
		return r;
	r = ports_read(ret_word->text, ret_word->len, ret, &error);
	if (r == 0)
		return 0;
	item = (struct word){error.item, error.len};
	if (r == -EDOM)
		return fail(reader, "Write LOW-HIGH.", "port range \"%s\" runs backwards",
			    quote(item));
	if (r == -ERANGE)
		return fail(reader, NULL, "\"%s\" is beyond the last port, 65535", quote(item));
	if (r == -E2BIG)
		return fail(reader, "Split the statement.", "a list of more than %d port ranges",
			    PORTS_MAX);
	return fail(reader,
		    "Allowed: 443, 8000-8999, any, or a comma list of these without blanks.",
		    "\"%s\"%s%s%s is not a port or range", quote(item),
		    item.len < ret_word->len ? " in \"" : "",
		    item.len < ret_word->len ? quote(*ret_word) : "",
		    item.len < ret_word->len ? "\"" : "");
}

/* PORTS [except PORTS]; leaves the reader before the word after them. */
static int read_port_set(struct reader *reader, struct statement *st)
{
	struct ports given, except;
	struct word list, word;
	struct reader after;
	int r;

	r = read_ports(reader, "a port list", &st->ports, &list);
	if (r < 0)
		return r;
	after = *reader;
	if (!next_word(&after, &word) || !is_word(word, "except"))
		return 0;
	*reader = after;
	r = read_ports(reader, "a port list", &except, &word);
	if (r < 0)
		return r;
	given.n = st->ports.n;
	memcpy(given.ranges, st->ports.ranges, given.n * sizeof(given.ranges[0]));
	if (ports_subtract(&given, &except, &st->ports) < 0)
		return fail(reader, "Split the statement.", "a list of more than %d port ranges",
			    PORTS_MAX);
	if (st->ports.n == 0)
		return fail(reader, "Leave at least one port.", "\"%s except %s\" leaves no port",
			    quote(list), quote(word));
	return 0;
}

static int unexpected(struct reader *reader, struct word word, const char *suggestion)
{
	return fail(reader, reader->usage, "\"%s\" is not expected here%s%s%s", quote(word),
		    suggestion ? "; did you mean \"" : "", suggestion ? suggestion : "",
		    suggestion ? "\"?" : "");
}

/* [from PREFIX] [dev IFNAME], in either order. */
static int read_options(struct reader *reader, struct statement *st, struct word destination)
{
	static const char *const allowed[] = {"from", "dev", "except"};
	bool from = false, dev = false;
	const char *suggestion;
	struct word word;
	int r;

	while (next_word(reader, &word)) {
		if (is_word(word, "from") && !from) {
			from = true;
			r = read_source(reader, st, destination);
		} else if (is_word(word, "dev") && !dev) {
			dev = true;
			r = read_device(reader, st);
		} else if (is_word(word, "from") || is_word(word, "dev")) {
			r = fail(reader, reader->usage, "\"%s\" is given twice", quote(word));
		} else {
			suggestion = text_suggest(word.text, word.len, allowed, 3);
			r = unexpected(reader, word, suggestion);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_match(struct reader *reader, struct statement *st)
{
	struct word destination;
	int r;

	memset(st->dst, 0, sizeof(st->dst));
	memset(st->src, 0, sizeof(st->src));
	st->dst_len = st->src_len = 0;
	st->dev = (struct word){0};
	r = read_proto(reader, st);
	if (r < 0)
		return r;
	r = read_destination(reader, st, &destination);
	if (r < 0)
		return r;
	r = read_port_set(reader, st);
	if (r < 0)
		return r;
	return read_options(reader, st, destination);
}

static int read_missing(struct reader *reader, struct statement *st)
{
	struct word word;
	int r = need_word(reader, "drop or pass", &word);

	if (r < 0)
		return r;
	st->missing_pass = is_word(word, "pass");
	if (!st->missing_pass && !is_word(word, "drop"))
		return fail(reader, reader->usage,
			    "missing cannot be \"%s\"; allowed are drop and pass", quote(word));
	return 0;
}

static int read_fallback(struct reader *reader, struct statement *st)
{
	struct word name;
	int r = read_name(reader, &name);

	if (r < 0)
		return r;
	if (is_word(name, FALLBACK_NONE))
		return 0;
	if (name.len == st->service.len && !memcmp(name.text, st->service.text, name.len))
		return fail(reader, "Name another service, or none.",
			    "service \"%s\" cannot be its own fallback", quote(name));
	st->fallback = name;
	return 0;
}

/* [missing drop|pass] [fallback NAME|none], in either order. */
static int read_policy(struct reader *reader, struct statement *st)
{
	static const char *const allowed[] = {"missing", "fallback"};
	bool missing = false, fallback = false;
	const char *suggestion;
	struct word word;
	int r;

	st->missing_pass = false;
	st->fallback = (struct word){0};
	while (next_word(reader, &word)) {
		if (is_word(word, "missing") && !missing) {
			missing = true;
			r = read_missing(reader, st);
		} else if (is_word(word, "fallback") && !fallback) {
			fallback = true;
			r = read_fallback(reader, st);
		} else if (is_word(word, "missing") || is_word(word, "fallback")) {
			r = fail(reader, reader->usage, "\"%s\" is given twice", quote(word));
		} else {
			suggestion = text_suggest(word.text, word.len, allowed, 2);
			r = unexpected(reader, word, suggestion);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_action(struct reader *reader, struct word word, enum anybind_action *ret)
{
	const char *suggestion;

	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
		if (is_word(word, keywords[i])) {
			*ret = (enum anybind_action)i;
			reader->usage = usages[i];
			return 0;
		}
	suggestion = text_suggest(word.text, word.len, keywords, ARRAY_SIZE(keywords));
	return fail(reader, "A statement starts with service, bind, pass or drop.",
		    "unknown statement \"%s\"%s%s%s", quote(word),
		    suggestion ? "; did you mean \"" : "", suggestion ? suggestion : "",
		    suggestion ? "\"?" : "");
}

/* Where the comment starts, or the end. */
static const char *find_comment(const char *text, const char *end)
{
	const char *p = text;

	while ((p = memchr(p, '#', (size_t)(end - p))) && p != text && !is_blank(p[-1]))
		p++;
	return p ? p : end;
}

/* Tells which word is not UTF-8. */
static int check_encoding(struct reader *reader)
{
	struct reader words = *reader;
	const char *p = reader->next;
	struct word word;
	uint64_t bits = 0;

	/* ASCII, as nearly always? */
	for (uint64_t chunk; reader->end - p >= 8; p += 8) {
		memcpy(&chunk, p, sizeof(chunk));
		bits |= chunk;
	}
	for (; p < reader->end; p++)
		bits |= (unsigned char)*p;
	if (!(bits & 0x8080808080808080u))
		return 0;
	while (next_word(&words, &word))
		if (!text_is_utf8(word.text, word.len))
			return fail(reader, "Only comments may be in another encoding.",
				    "\"%s\" is not UTF-8", quote(word));
	return 0;
}

int statement_read(struct statement *ret, const char *text, size_t len, const struct place *place)
{
	struct reader reader = {text, NULL, {NULL, 0}, place, NULL};
	struct word word;
	int r;

	if (len > STATEMENT_MAX)
		return fail(&reader, "Split it into several statements.",
			    "the line has %zu bytes, more than the %d allowed", len, STATEMENT_MAX);
	if (memchr(text, '\0', len))
		return fail(&reader, "Is it a text file?", "the line contains a NUL byte");
	reader.end = find_comment(text, text + len);
	r = check_encoding(&reader);
	if (r < 0)
		return r;
	if (!next_word(&reader, &word))
		return 0;
	r = read_action(&reader, word, &ret->action);
	if (r < 0)
		return r;
	if (ret->action == ANYBIND_BIND || ret->action == ANYBIND_SERVICE) {
		r = read_name(&reader, &ret->service);
		if (r < 0)
			return r;
	}
	r = ret->action == ANYBIND_SERVICE ? read_policy(&reader, ret) : read_match(&reader, ret);
	return r < 0 ? r : 1;
}
