// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Any bytes as a number, a prefix or an endpoint: what is read must print as
 * what reads as the same, and so must any address. Any word must quote as
 * something that is safe to print.
 */
#include "fuzz.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "text.h"

static void check_number(const char *word, size_t len)
{
	char text[32];
	uint64_t value, same;

	if (text_number(word, len, UINT64_MAX, &value) < 0)
		return;
	/* There is one way to write a number. */
	must((size_t)snprintf(text, sizeof(text), "%" PRIu64, value) == len);
	must(!memcmp(text, word, len));
	must(text_number(word, len, value, &same) == 0 && same == value);
	must(!value || text_number(word, len, value - 1, &same) == -ERANGE);
}

/* Prefixes print as themselves; host bits do not count. */
static void check_prefix_bytes(uint8_t family, const uint8_t addr[16], uint8_t len)
{
	uint8_t masked[16], again[16], len_again, family_again;
	char text[PREFIX_TEXT_MAX], text_again[PREFIX_TEXT_MAX];
	int r;

	text_of_prefix(family, addr, len, text);
	must(strlen(text) < sizeof(text));
	r = text_prefix(text, strlen(text), masked, &len_again, &family_again);
	/* Only an IPv4-mapped address is printed that cannot be read. */
	must(r == 0 || (r == -EAFNOSUPPORT && family == 6 && len >= 96));
	if (r < 0)
		return;
	must(len_again == len && family_again == family);
	text_of_prefix(family, masked, len, text_again);
	must(text_prefix(text_again, strlen(text_again), again, &len_again, &family_again) == 0);
	must(len_again == len && family_again == family && !memcmp(masked, again, 16));
}

static void check_prefix(const char *word, size_t len)
{
	uint8_t addr[16], bits, family;

	if (text_prefix(word, len, addr, &bits, &family) == 0)
		check_prefix_bytes(family, addr, bits);
}

static void must_read_as(const struct sockaddr_storage *address)
{
	struct sockaddr_storage again;
	char text[ENDPOINT_TEXT_MAX];

	text_of_endpoint((const struct sockaddr *)address, text);
	must(strlen(text) < sizeof(text));
	must(text_endpoint(text, &again) == 0);
	must(!memcmp(address, &again, sizeof(again)));
}

static void check_endpoint(const char *word)
{
	struct sockaddr_storage address;

	if (text_endpoint(word, &address) == 0)
		must_read_as(&address);
}

/* The bytes themselves: a length, a port and an address. */
static void check_bytes(const uint8_t *data, size_t size)
{
	struct sockaddr_storage address = {0};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
	struct sockaddr_in *in = (struct sockaddr_in *)&address;
	uint8_t bytes[19] = {0}, v4[16] = {0};

	memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
	memcpy(v4, bytes + 3, 4);
	check_prefix_bytes(6, bytes + 3, bytes[0] % 129);
	check_prefix_bytes(4, v4, bytes[0] % 33);
	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_port, bytes + 1, 2);
	memcpy(&in6->sin6_addr, bytes + 3, 16);
	must_read_as(&address);
	memset(&address, 0, sizeof(address));
	in->sin_family = AF_INET;
	memcpy(&in->sin_port, bytes + 1, 2);
	memcpy(&in->sin_addr, bytes + 3, 4);
	must_read_as(&address);
}

static void check_quote(const char *word, size_t len)
{
	char quoted[QUOTED_MAX];
	size_t n;

	text_quote(word, len, quoted);
	n = strlen(quoted);
	must(n < sizeof(quoted) && text_is_utf8(quoted, n));
	for (size_t i = 0; i < n; i++)
		must((unsigned char)quoted[i] >= ' ' && quoted[i] != 0x7f);
	must(!text_is_name(word, len) || len > 60 || !strcmp(quoted, word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *word = malloc(size + 1);

	must(word);
	if (size)
		memcpy(word, data, size);
	word[size] = '\0';
	check_number(word, size);
	check_prefix(word, size);
	check_endpoint(word);
	check_bytes(data, size);
	check_quote(word, size);
	free(word);
	return 0;
}
