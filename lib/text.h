/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Strict readers and writers of single words. Pure. */
#ifndef ANYBIND_TEXT_H
#define ANYBIND_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * Decimal digits only, no sign, no blank, no needless leading zero; at most
 * @max. -EINVAL or -ERANGE.
 */
int text_number(const char *word, size_t len, uint64_t max, uint64_t *ret);

/*
 * An address or prefix, e.g. "192.0.2.0/24", "2001:db8::1". Host bits are
 * masked off. @ret_addr: network order, IPv4 in the first 4 bytes, the rest
 * zero. -EINVAL: no address. -ERANGE: the prefix length is wrong. -EAFNOSUPPORT:
 * IPv4-mapped IPv6.
 */
int text_prefix(const char *word, size_t len, uint8_t ret_addr[16], uint8_t *ret_len,
		uint8_t *ret_family);

/* Writes address[/len] (no "/len" for a host); at most 49 bytes with the NUL. */
#define PREFIX_TEXT_MAX 50
const char *text_of_prefix(uint8_t family, const uint8_t addr[16], uint8_t len,
			   char buf[PREFIX_TEXT_MAX]);

/* "192.0.2.1:53" or "[2001:db8::1]:53"; the port is required. -EINVAL. */
int text_endpoint(const char *word, struct sockaddr_storage *ret);

/* The reverse. */
#define ENDPOINT_TEXT_MAX 64
const char *text_of_endpoint(const struct sockaddr *address, char buf[ENDPOINT_TEXT_MAX]);

/* 1 to ANYBIND_NAME_MAX of letters, digits, '.', '_', '-', '@', ':'. */
bool text_is_name(const char *word, size_t len);

/*
 * A network device's name as the kernel takes it (1 to 15 bytes, not "." or
 * "..", no '/', ':' or blank) and as it can stand in a rule (UTF-8 without
 * control characters, not starting with '#').
 */
bool text_is_device(const char *word, size_t len);

bool text_is_utf8(const char *text, size_t len);

/* The one of @list that @word is probably a slip for, or NULL. */
const char *text_suggest(const char *word, size_t len, const char *const list[], size_t n);

/*
 * @word as it may stand between quotes (which are the caller's) in a message:
 * control and invisible characters and bytes that are not UTF-8 as \xNN, cut
 * at 60 characters with "…".
 */
#define QUOTED_MAX 256
const char *text_quote(const char *word, size_t len, char buf[QUOTED_MAX]);

#endif
