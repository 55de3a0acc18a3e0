/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "cleanup.h"
#include "ports.h"
#include "text.h"

static void test_number(void **state)
{
	static const struct {
		const char *word;
		uint64_t max;
		int r;
		uint64_t value;
	} vectors[] = {
		{"0", 10, 0, 0},
		{"10", 10, 0, 10},
		{"11", 10, -ERANGE, 0},
		{"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999", UINT64_MAX, -ERANGE, 0},
		{"", 10, -EINVAL, 0},
		{"010", 10, -EINVAL, 0},
		{"00", 10, -EINVAL, 0},
		{"+1", 10, -EINVAL, 0},
		{"-1", 10, -EINVAL, 0},
		{" 1", 10, -EINVAL, 0},
		{"1 ", 10, -EINVAL, 0},
		{"0x1", 10, -EINVAL, 0},
		{"99999999999999999999x", 10, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		uint64_t value = 4711;

		assert_int_equal(text_number(vectors[i].word, strlen(vectors[i].word),
					     vectors[i].max, &value),
				 vectors[i].r);
		assert_true(value == (vectors[i].r ? 4711 : vectors[i].value));
	}
}

/* text: as it is printed, or NULL where it is refused with r */
static const struct {
	const char *word, *text;
	int r;
} prefixes[] = {
	{"192.0.2.1", "192.0.2.1", 0},
	{"192.0.2.1/32", "192.0.2.1", 0},
	{"192.0.2.129/25", "192.0.2.128/25", 0},
	{"255.255.255.255/0", "0.0.0.0/0", 0},
	{"0.0.0.0", "0.0.0.0", 0},
	{"2001:DB8::1", "2001:db8::1", 0},
	{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", 0},
	{"2001:0:0:1:0:0:0:1/128", "2001:0:0:1::1", 0},
	{"1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7", 0},
	{"2001:db8:ffff::/33", "2001:db8:8000::/33", 0},
	{"::/0", "::/0", 0},
	{"::1", "::1", 0},
	{"fe80::", "fe80::", 0},
	{"::ffff:0:0/95", "::fffe:0:0/95", 0},
	{"::1.2.3.4", "::102:304", 0},
	{"::ffff:192.0.2.1", NULL, -EAFNOSUPPORT},
	{"::ffff:0:0/96", NULL, -EAFNOSUPPORT},
	{"::ffff:c000:201/120", NULL, -EAFNOSUPPORT},
	{"192.0.2.1/33", NULL, -ERANGE},
	{"2001:db8::/129", NULL, -ERANGE},
	{"192.0.2.1/", NULL, -ERANGE},
	{"192.0.2.1/08", NULL, -ERANGE},
	{"192.0.2.1/8/8", NULL, -ERANGE},
	{"192.0.2.1/-1", NULL, -ERANGE},
	{"", NULL, -EINVAL},
	{"/8", NULL, -EINVAL},
	{"192.0.2", NULL, -EINVAL},
	{"192.0.2.1.1", NULL, -EINVAL},
	{"192.0.2.256", NULL, -EINVAL},
	{"192.0.2.1111", NULL, -EINVAL},
	{"010.0.0.1", NULL, -EINVAL},
	{"192.0.2.01", NULL, -EINVAL},
	{"192.0.2.", NULL, -EINVAL},
	{"192..2.1", NULL, -EINVAL},
	{"fe80::1%lo", NULL, -EINVAL},
	{"[::1]", NULL, -EINVAL},
	{"1:2:3:4:5:6:7:8:9", NULL, -EINVAL},
	{"1:2:3:4:5:6:7:8888888888888888888888888888888888888", NULL, -EINVAL},
	{"any", NULL, -EINVAL},
};

static void test_prefix(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		uint8_t addr[16], len = 99, family = 99;
		char buf[PREFIX_TEXT_MAX];
		int r = text_prefix(prefixes[i].word, strlen(prefixes[i].word), addr, &len,
				    &family);

		if (r != prefixes[i].r)
			print_error("%s\n", prefixes[i].word);
		assert_int_equal(r, prefixes[i].r);
		if (r < 0) {
			assert_int_equal(len, 99);
			assert_int_equal(family, 99);
		} else {
			assert_string_equal(text_of_prefix(family, addr, len, buf),
					    prefixes[i].text);
		}
	}
}

/* Against the C library, which writes some addresses with a dotted quad. */
static void test_ipv6_text(void **state)
{
	(void)state;
	srand(6);
	for (int i = 0; i < 20000; i++) {
		char ours[PREFIX_TEXT_MAX], theirs[INET6_ADDRSTRLEN];
		uint8_t addr[16];

		for (int j = 0; j < 16; j++)
			addr[j] = rand() % 3 ? 0 : (uint8_t)rand();
		addr[0] = 0x20;
		inet_ntop(AF_INET6, addr, theirs, sizeof(theirs));
		assert_string_equal(text_of_prefix(6, addr, 128, ours), theirs);
	}
}

static void test_endpoint(void **state)
{
	static const char *const good[] = {"192.0.2.1:53", "0.0.0.0:0", "[2001:db8::1]:65535",
					   "[::]:80", "[::ffff:192.0.2.1]:80"};
	static const char *const bad[] = {
		"",	  "192.0.2.1", "192.0.2.1:", ":53",   "192.0.2.1:65536", "192.0.2.1:053",
		"::1:53", "[::1]",     "[::1]53",    "[]:53", "[192.0.2.1]:53",	 "192.0.2.1:53 "};
	struct sockaddr_storage address;
	char buf[ENDPOINT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(text_endpoint(good[i], &address), 0);
		assert_string_equal(text_of_endpoint((struct sockaddr *)&address, buf), good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_endpoint(bad[i], &address), -EINVAL);
	assert_int_equal(text_endpoint("[2001:db8::1]:53", &address), 0);
	assert_int_equal(((struct sockaddr_in6 *)&address)->sin6_port, htons(53));
	address.ss_family = AF_UNIX;
	assert_non_null(strstr(text_of_endpoint((struct sockaddr *)&address, buf), "family 1"));
}

static void test_names(void **state)
{
	static const char *const names[] = {"a", "web-1.example_x@y:z", "0"};
	static const char *const no_names[] = {"", "a b", "a/b", "a,b", "ä", "a\n", "a#"};
	static const char *const devices[] = {"lo",  "eth0.100", "...",
					      "a#b", "wlän",	 "15-bytes-long-x"};
	static const char *const no_devices[] = {
		"",	 ".", "..",  "a/b", "a:b", "#", "a b", "a\t", "16-bytes-long-xy",
		"a\xff", "à", "\x1b"};
	char name[66];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_true(text_is_name(names[i], strlen(names[i])));
	for (size_t i = 0; i < ARRAY_SIZE(no_names); i++)
		assert_false(text_is_name(no_names[i], strlen(no_names[i])));
	memset(name, 'a', sizeof(name));
	assert_true(text_is_name(name, 64));
	assert_false(text_is_name(name, 65));
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		assert_true(text_is_device(devices[i], strlen(devices[i])));
	for (size_t i = 0; i < ARRAY_SIZE(no_devices); i++)
		assert_false(text_is_device(no_devices[i], strlen(no_devices[i])));
}

static void assert_quoted(const char *word, size_t len, const char *quoted)
{
	char buf[QUOTED_MAX];

	assert_string_equal(text_quote(word, len, buf), quoted);
}

static void test_quote(void **state)
{
	char word[300], buf[QUOTED_MAX];

	(void)state;
	assert_quoted("web", 3, "web");
	assert_quoted("", 0, "");
	assert_quoted("a\0b\x1b[31m\x7f", 9, "a\\x00b\\x1b[31m\\x7f");
	assert_quoted("ä€😀", strlen("ä€😀"), "ä€😀");
	assert_quoted("\xff\xc3", 2, "\\xff\\xc3");
	assert_quoted("\xc0\x80", 2, "\\xc0\\x80");	     /* overlong */
	assert_quoted("\xed\xa0\x80", 3, "\\xed\\xa0\\x80"); /* surrogate */
	assert_quoted("\xc2\x9b", 2, "\\xc2\\x9b");	     /* C1 control */
	assert_quoted("\xe2\x80\xae", 3, "\\xe2\\x80\\xae"); /* right to left */
	assert_quoted("\xef\xbb\xbf"
		      "bind",
		      7,
		      "\\xef\\xbb\\xbf"
		      "bind"); /* byte order mark */
	memset(word, 'x', sizeof(word));
	assert_int_equal(strlen(text_quote(word, 60, buf)), 60);
	assert_int_equal(strlen(text_quote(word, 61, buf)), 60 + strlen("…"));
	memset(word, 1, sizeof(word));
	assert_int_equal(strlen(text_quote(word, sizeof(word), buf)), 240 + strlen("…"));
}

static void test_suggest(void **state)
{
	static const char *const list[] = {"bind", "pass", "drop", "service"};

	(void)state;
	assert_string_equal(text_suggest("bnid", 4, list, 4), "bind");
	assert_string_equal(text_suggest("BIND", 4, list, 4), "bind");
	assert_string_equal(text_suggest("drpo", 4, list, 4), "drop");
	assert_string_equal(text_suggest("sevice", 6, list, 4), "service");
	assert_null(text_suggest("allow", 5, list, 4));
	assert_null(text_suggest("x", 1, list, 4));
	assert_null(text_suggest("serviceserviceservice", 21, list, 4));
}

/* text: as printed, or NULL where refused with r */
static const struct {
	const char *word, *except, *text;
	int r;
} port_lists[] = {
	{"443", NULL, "443", 0},
	{"any", NULL, "any", 0},
	{"0", NULL, "any", 0},
	{"80,0", NULL, "any", 0},
	{"0-65535", NULL, "any", 0},
	{"0-21", NULL, "0-21", 0},
	{"443,80", NULL, "80,443", 0},
	{"80-89,90-99", NULL, "80-99", 0},
	{"80-95,90-99,85", NULL, "80-99", 0},
	{"80,82", NULL, "80,82", 0},
	{"65535", NULL, "65535", 0},
	{"1-65535", NULL, "1-65535", 0},
	{"0-0", NULL, "any except 1-65535", 0},
	{"0-0,5", NULL, "any except 1-4,6-65535", 0},
	{"any", "22", "any except 22", 0},
	{"any", "22,6000-6010", "any except 22,6000-6010", 0},
	{"any", "1-21", "any except 1-21", 0},
	{"any", "0-21", "22-65535", 0},
	{"any", "65535", "0-65534", 0},
	{"80-89", "85", "80-84,86-89", 0},
	{"80-89,100-109", "85-104", "80-84,105-109", 0},
	{"80-89,100-109", "1-79,90", "80-89,100-109", 0},
	{"80-89,100-109", "0", "", 0},
	{"80", "80", "", 0},
	{"65000-65535", "65001-65535", "65000", 0},
	{"80,,81", NULL, NULL, -EINVAL},
	{"80,", NULL, NULL, -EINVAL},
	{",80", NULL, NULL, -EINVAL},
	{"80-", NULL, NULL, -EINVAL},
	{"-80", NULL, NULL, -EINVAL},
	{"80-90-91", NULL, NULL, -EINVAL},
	{"http", NULL, NULL, -EINVAL},
	{"080", NULL, NULL, -EINVAL},
	{"", NULL, NULL, -EINVAL},
	{"90-80", NULL, NULL, -EDOM},
	{"65536", NULL, NULL, -ERANGE},
	{"1-65536", NULL, NULL, -ERANGE},
};

static void test_ports(void **state)
{
	static struct ports given, except, ports;
	char buf[PORTS_TEXT_MAX(8)];
	struct ports_error error;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(port_lists); i++) {
		const char *e = port_lists[i].except;
		int r = ports_read(port_lists[i].word, strlen(port_lists[i].word), &given, &error);

		assert_int_equal(r, port_lists[i].r);
		if (r < 0)
			continue;
		except.n = 0;
		if (e)
			assert_int_equal(ports_read(e, strlen(e), &except, &error), 0);
		assert_int_equal(ports_subtract(&given, &except, &ports), 0);
		assert_string_equal(ports.n ? ports_text(ports.ranges, ports.n, buf) : "",
				    port_lists[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number),	  cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_ipv6_text), cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_names),	  cmocka_unit_test(test_quote),
		cmocka_unit_test(test_suggest),	  cmocka_unit_test(test_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
