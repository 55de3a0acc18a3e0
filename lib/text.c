/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "anybind.h"

int text_number(const char *word, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (len == 0 || (len > 1 && word[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (word[i] < '0' || word[i] > '9')
			return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(word[i] - '0'), &value))
			return -ERANGE;
	if (value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

/* A strict dotted quad: four numbers without leading zeros ("010" is 8 to some). */
static int read_ipv4(const char *word, size_t len, uint8_t addr[4])
{
	const char *end = word + len;

	for (int i = 0; i < 4; i++) {
		unsigned int value = 0;
		const char *start;

		if (i > 0 && (word == end || *word++ != '.'))
			return -EINVAL;
		start = word;
		while (word < end && *word >= '0' && *word <= '9' && word - start < 4)
			value = value * 10 + (unsigned int)(*word++ - '0');
		if (word == start || value > 255 || (*start == '0' && word - start > 1))
			return -EINVAL;
		addr[i] = (uint8_t)value;
	}
	return word == end ? 0 : -EINVAL;
}

static int read_ipv6(const char *word, size_t len, uint8_t addr[16])
{
	char copy[INET6_ADDRSTRLEN];

	if (len >= sizeof(copy) || memchr(word, '\0', len))
		return -EINVAL;
	memcpy(copy, word, len);
	copy[len] = '\0';
	return inet_pton(AF_INET6, copy, addr) == 1 ? 0 : -EINVAL;
}

static void mask_host_bits(uint8_t addr[16], unsigned int len)
{
	if (len == 128)
		return;
	addr[len / 8] &= (uint8_t)(0xff00 >> len % 8);
	memset(addr + len / 8 + 1, 0, 15 - len / 8);
}

int text_prefix(const char *word, size_t len, uint8_t ret_addr[16], uint8_t *ret_len,
		uint8_t *ret_family)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const char *slash = memchr(word, '/', len);
	size_t addr_len = slash ? (size_t)(slash - word) : len;
	bool v6 = memchr(word, ':', addr_len) != NULL;
	uint8_t addr[16] = {0};
	uint64_t bits = v6 ? 128 : 32;
	int r;

	r = v6 ? read_ipv6(word, addr_len, addr) : read_ipv4(word, addr_len, addr);
	if (r < 0)
		return r;
	if (slash && text_number(slash + 1, len - addr_len - 1, bits, &bits) < 0)
		return -ERANGE;
	mask_host_bits(addr, (unsigned int)bits);
	if (v6 && bits >= 96 && memcmp(addr, mapped, sizeof(mapped)) == 0)
		return -EAFNOSUPPORT;
	memcpy(ret_addr, addr, sizeof(addr));
	*ret_len = (uint8_t)bits;
	*ret_family = v6 ? 6 : 4;
	return 0;
}

/* Decimal of a number up to 255; returns the end. */
static char *put_byte(char *p, unsigned int value)
{
	if (value >= 100)
		*p++ = (char)('0' + value / 100);
	if (value >= 10)
		*p++ = (char)('0' + value / 10 % 10);
	*p++ = (char)('0' + value % 10);
	return p;
}

static char *put_ipv4(char *p, const uint8_t addr[4])
{
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			*p++ = '.';
		p = put_byte(p, addr[i]);
	}
	return p;
}

static char *put_group(char *p, unsigned int group)
{
	int shift = group >= 0x1000 ? 12 : group >= 0x100 ? 8 : group >= 0x10 ? 4 : 0;

	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[group >> shift & 15];
	return p;
}

/* RFC 5952; inet_ntop() takes a microsecond, which a million rules would feel. */
static char *put_ipv6(char *p, const uint8_t addr[16])
{
	unsigned int group[8];
	int start = -1, longest = 1; /* the first longest run of two zero groups or more */

	for (size_t i = 0; i < 8; i++)
		group[i] = (unsigned int)addr[2 * i] << 8 | addr[2 * i + 1];
	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && group[i + n] == 0)
			n++;
		if (n > longest) {
			start = i;
			longest = n;
		}
	}
	for (int i = 0; i < 8; i++) {
		if (i == start) {
			*p++ = ':';
			*p++ = ':';
			i += longest - 1;
			continue;
		}
		if (i > 0 && i != start + longest)
			*p++ = ':';
		p = put_group(p, group[i]);
	}
	return p;
}

const char *text_of_prefix(uint8_t family, const uint8_t addr[16], uint8_t len,
			   char buf[PREFIX_TEXT_MAX])
{
	char *p = family == 4 ? put_ipv4(buf, addr) : put_ipv6(buf, addr);

	if (len != (family == 4 ? 32 : 128)) {
		*p++ = '/';
		p = put_byte(p, len);
	}
	*p = '\0';
	return buf;
}

int text_endpoint(const char *word, struct sockaddr_storage *ret)
{
	const char *colon = strrchr(word, ':');
	struct sockaddr_storage address = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
	uint64_t port;
	size_t len;

	if (!colon || text_number(colon + 1, strlen(colon + 1), 65535, &port) < 0)
		return -EINVAL;
	len = (size_t)(colon - word);
	if (word[0] == '[') {
		if (len < 2 || word[len - 1] != ']' ||
		    read_ipv6(word + 1, len - 2, in6->sin6_addr.s6_addr) < 0)
			return -EINVAL;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
	} else {
		if (read_ipv4(word, len, (uint8_t *)&in->sin_addr) < 0)
			return -EINVAL;
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
	}
	*ret = address;
	return 0;
}

const char *text_of_endpoint(const struct sockaddr *address, char buf[ENDPOINT_TEXT_MAX])
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	char host[INET6_ADDRSTRLEN];

	if (address->sa_family == AF_INET) {
		*put_ipv4(host, (const uint8_t *)&in->sin_addr) = '\0';
		snprintf(buf, ENDPOINT_TEXT_MAX, "%s:%u", host, ntohs(in->sin_port));
	} else if (address->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(buf, ENDPOINT_TEXT_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		snprintf(buf, ENDPOINT_TEXT_MAX, "(address family %u)", address->sa_family);
	}
	return buf;
}

bool text_is_name(const char *word, size_t len)
{
	if (len < 1 || len > ANYBIND_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = word[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '_' || c == '-' || c == '@' || c == ':'))
			return false;
	}
	return true;
}

/* Bytes of the UTF-8 character at @s, and the character; 0: it is none. */
static size_t utf8_character(const char *s, size_t len, uint32_t *ret)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char c = (unsigned char)s[0];
	size_t n = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
	uint32_t value = n == 1 ? c : c & (0x7fu >> n);

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (value < least[n] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*ret = value;
	return n;
}

bool text_is_utf8(const char *text, size_t len)
{
	uint32_t character;

	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_character(text + i, len - i, &character);
		if (n == 0)
			return false;
	}
	return true;
}

/* Characters that move the cursor, turn the writing direction or cannot be seen. */
static bool is_hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202f) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

bool text_is_device(const char *word, size_t len)
{
	uint32_t c;

	if (len < 1 || len >= IFNAMSIZ || word[0] == '#')
		return false;
	if (word[0] == '.' && (len == 1 || (len == 2 && word[1] == '.')))
		return false;
	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_character(word + i, len - i, &c);
		/* The kernel takes the byte 0xa0 for a blank. */
		if (n == 0 || is_hidden(c) || c == ' ' || c == '/' || c == ':' ||
		    memchr(word + i, 0xa0, n))
			return false;
	}
	return true;
}

const char *text_quote(const char *word, size_t len, char buf[QUOTED_MAX])
{
	char *p = buf;

	for (size_t i = 0, characters = 0; i < len; characters++) {
		uint32_t c;
		size_t n = utf8_character(word + i, len - i, &c);

		if (characters == 60) {
			p = stpcpy(p, "…");
			break;
		}
		if (n == 0 || is_hidden(c)) {
			p += sprintf(p, "\\x%02x", (unsigned char)word[i]);
			i++;
		} else {
			memcpy(p, word + i, n);
			p += n;
			i += n;
		}
	}
	*p = '\0';
	return buf;
}

/* Single-letter edits, counting two neighbours swapped as one; 99: far off. */
static unsigned int edits(const char *a, size_t n, const char *b, size_t m)
{
	unsigned int d[17][17];

	if (n > 16 || m > 16)
		return 99;
	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = (unsigned int)(i + j);
				continue;
			}
			d[i][j] = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < d[i][j])
				d[i][j] = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < d[i][j])
				d[i][j] = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	return d[n][m];
}

const char *text_suggest(const char *word, size_t len, const char *const list[], size_t n)
{
	const char *best = NULL;
	unsigned int least = 3;
	char lower[16];

	if (len > sizeof(lower))
		return NULL;
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + 'a' - 'A' : word[i]);
	for (size_t i = 0; i < n; i++) {
		size_t m = strlen(list[i]);
		unsigned int d = edits(lower, len, list[i], m);

		/* Of a short word, half must be right. */
		if (d < least && (size_t)2 * d <= m) {
			least = d;
			best = list[i];
		}
	}
	return best;
}
