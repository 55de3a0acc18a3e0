// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "word.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DISTANCE_MAX 31

int word_number(const char *word, int min, int max, int *ret)
{
	long long value = 0;

	if (!*word)
		return -EINVAL;
	for (; *word; word++) {
		if (*word < '0' || *word > '9')
			return -EINVAL;
		if (value <= INT_MAX)
			value = value * 10 + (*word - '0');
	}
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int word_protocol(const char *word, int *ret)
{
	if (!strcmp(word, "tcp"))
		*ret = IPPROTO_TCP;
	else if (!strcmp(word, "udp"))
		*ret = IPPROTO_UDP;
	else
		return -EINVAL;
	return 0;
}

int word_address(const char *address, const char *port, struct sockaddr_storage *ret)
{
	union {
		struct sockaddr_storage storage;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} read = {0};
	int number;

	if (word_number(port, 0, UINT16_MAX, &number))
		return -EINVAL;
	if (strchr(address, ':')) {
		read.in6.sin6_family = AF_INET6;
		read.in6.sin6_port = htons(number);
		if (inet_pton(AF_INET6, address, &read.in6.sin6_addr) != 1)
			return -EINVAL;
	} else {
		read.in.sin_family = AF_INET;
		read.in.sin_port = htons(number);
		if (inet_pton(AF_INET, address, &read.in.sin_addr) != 1)
			return -EINVAL;
	}
	*ret = read.storage;
	return 0;
}

int word_endpoint(const char *word, struct sockaddr_storage *ret)
{
	bool six = word[0] == '[';
	const char *start = word + six, *end = six ? strchr(word, ']') : strchr(word, ':');
	char host[INET6_ADDRSTRLEN];

	if (!end || (size_t)(end - start) >= sizeof(host) || (six && end[1] != ':'))
		return -EINVAL;
	memcpy(host, start, end - start);
	host[end - start] = '\0';
	if (six != !!strchr(host, ':'))
		return -EINVAL;
	return word_address(host, end + 1 + six, ret);
}

/* -1: no digit. */
static int digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

int word_cookie(const char *word, uint64_t *ret)
{
	unsigned int base = strncmp(word, "0x", 2) ? 10 : 16;
	uint64_t value = 0;

	for (word += base == 16 ? 2 : 0; *word; word++) {
		int digit = digit_value(*word);

		if (digit < 0 || digit >= (int)base)
			return -EINVAL;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return -ERANGE;
	}
	/* No digits, too. */
	if (!value)
		return -EINVAL;
	*ret = value;
	return 0;
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

unsigned int word_distance(const char *a, const char *b)
{
	unsigned int d[DISTANCE_MAX + 2][DISTANCE_MAX + 2];
	size_t na = strlen(a), nb = strlen(b);

	if (na > DISTANCE_MAX || nb > DISTANCE_MAX)
		return UINT_MAX;
	for (size_t i = 0; i <= na; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= nb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		for (size_t j = 1; j <= nb; j++) {
			d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1,
					d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[na][nb];
}
