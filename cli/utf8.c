// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Length of the character at @s, 0 if that is not UTF-8. As strict as jansson. */
static size_t utf8_decode(const unsigned char *s, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n;

	if (s[0] < 0x80) {
		*ret = s[0];
		return 1;
	}
	n = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
	if (!n)
		return 0;

	uint32_t c = s[0] & (0x7f >> n);

	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

/* Control characters of both sets, line separators and what reorders text. */
static bool steers_terminal(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

char *utf8_valid(const char *text)
{
	char *copy = malloc(4 * strlen(text) + 1), *end = copy;
	uint32_t c;

	if (!copy)
		return NULL;
	while (*text) {
		size_t n = utf8_decode((const unsigned char *)text, &c);

		if (n) {
			end = mempcpy(end, text, n);
			text += n;
		} else {
			end += sprintf(end, "\\x%02x", (unsigned char)*text++);
		}
	}
	*end = '\0';
	return copy;
}

size_t utf8_put(FILE *file, const char *text)
{
	const unsigned char *run = (const unsigned char *)text, *s = run;
	size_t columns = 0;
	uint32_t c;

	while (*s) {
		size_t n = utf8_decode(s, &c);

		if (n && !steers_terminal(c)) {
			s += n;
			columns++;
			continue;
		}
		if (file)
			fwrite_unlocked(run, 1, s - run, file);
		for (size_t i = 0; i < (n ? n : 1); i++, s++, columns += 4)
			if (file)
				fprintf(file, "\\x%02x", *s);
		run = s;
	}
	if (file)
		fwrite_unlocked(run, 1, s - run, file);
	return columns;
}

size_t utf8_columns(const char *text)
{
	return utf8_put(NULL, text);
}
