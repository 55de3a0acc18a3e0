/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Calls that a program may get wrong, and threads that it may have. */
#include "api.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "cleanup.h"
#include "text.h"

static struct anybind_report *report;

static void test_sizes(void **state)
{
	struct {
		struct anybind_options known;
		uint64_t later;
	} longer = {{.size = sizeof(longer), .bpffs = API_BPFFS}, 0};
	struct anybind_options none = {.bpffs = API_BPFFS};
	struct anybind_register_options how = {.weight = 1};
	_cleanup_close_ int server = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	struct anybind_sockets *sockets;
	struct anybind *handle = NULL;

	(void)state;
	assert_int_equal(anybind_open(&handle, &none, report), -EINVAL);
	world_assert_message(report, 0, "anybind_options", NULL);
	assert_int_equal(anybind_open(&handle, &longer.known, report), 0);
	anybind_close(handle);
	longer.later = 1;
	assert_int_equal(anybind_open(&handle, &longer.known, report), -E2BIG);
	world_assert_hint(report, 1, "newer libanybind", NULL);
	assert_int_equal(anybind_sockets_of_fds(a, &sockets, &server, 1, NULL), 0);
	assert_int_equal(anybind_register(a, "web", sockets, &how, report), -EINVAL);
	world_assert_message(report, 2, "anybind_register_options", NULL);
	anybind_sockets_free(sockets);
}

static void test_flags(void **state)
{
	struct anybind_ruleset *rs, *in_force;

	(void)state;
	assert_int_equal(anybind_ruleset_new(&rs), 0);
	assert_int_equal(anybind_commit(a, rs, 1u << 7, report), -EINVAL);
	world_assert_message(report, 0, "0x80", NULL);
	assert_int_equal(anybind_rules(a, &in_force, NULL), -ENOENT); /* nothing was loaded */
	anybind_ruleset_free(rs);
}

static void expect_flow(const char *source, const char *destination, int code)
{
	struct anybind_flow flow = {.protocol = IPPROTO_TCP};
	struct anybind_explanation *e = NULL;

	if (source)
		assert_int_equal(text_endpoint(source, &flow.source), 0);
	if (destination)
		assert_int_equal(text_endpoint(destination, &flow.destination), 0);
	assert_int_equal(anybind_explain(a, &flow, &e, report), code);
	anybind_explanation_free(e);
}

static void test_flows(void **state)
{
	(void)state;
	api_apply(a, "drop tcp any 80\n");
	expect_flow("10.0.0.1:1", "10.0.0.2:80", 0);
	expect_flow("10.0.0.1:1", "[2001:db8::1]:80", -EINVAL);
	expect_flow(NULL, NULL, -EAFNOSUPPORT);
	expect_flow("10.0.0.1:1", NULL, -EAFNOSUPPORT);
	expect_flow("[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.2]:80", -EINVAL);
	world_assert_message(report, 3, "IPv4-mapped", NULL);
}

/* Sockets found by one handle, registered by another. */
static void test_other_namespace(void **state)
{
	_cleanup_close_ int server = world_socket(IPPROTO_TCP, "127.0.0.1:80", 0);
	struct anybind *blue = api_open("blue");
	struct anybind_services *services;
	struct anybind_sockets *sockets;

	(void)state;
	api_apply(blue, "bind web tcp any 80\n");
	assert_int_equal(anybind_sockets_of_fds(a, &sockets, &server, 1, report), 0);
	assert_int_equal(anybind_register(blue, "web", sockets, NULL, report), -EXDEV);
	world_assert_message(report, 0, "127.0.0.1:80", "namespace blue", NULL);
	assert_int_equal(anybind_services(blue, &services, report), 0);
	assert_int_equal(anybind_services_get(services, 0)->n_sockets, 0);
	anybind_services_free(services);
	anybind_sockets_free(sockets);
	assert_int_equal(anybind_unload(blue, NULL), 0);
	anybind_close(blue);
}

/* ---- threads ---- */

#define THREADS 4
#define ROUNDS 10

static int own_print(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static void *write_rules(void *data)
{
	struct anybind_options options = {
		.size = sizeof(options), .bpffs = API_BPFFS, .netns = data};
	struct anybind_ruleset *rs;
	struct anybind *handle;
	long failed = 0;

	if (anybind_open(&handle, &options, NULL) < 0)
		return (void *)1;
	for (unsigned int i = 0; i < ROUNDS && !failed; i++) {
		char text[64];
		int n = snprintf(text, sizeof(text), "drop tcp any %u\n", i + 1);

		failed = anybind_ruleset_parse(&rs, text, n, NULL, NULL) < 0;
		if (!failed) {
			failed = anybind_commit(handle, rs, 0, NULL) < 0;
			anybind_ruleset_free(rs);
		}
	}
	anybind_close(handle);
	return (void *)failed;
}

/* Handles of their own do not disturb each other, nor what the program set in libbpf. */
static void test_threads(void **state)
{
	libbpf_print_fn_t before = libbpf_set_print(own_print);
	static char *const names[] = {NULL, "blue"};
	pthread_t threads[THREADS];

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_rules, names[i % 2]), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *failed;

		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_ptr_equal(libbpf_set_print(before), own_print);
}

static int fresh(void **state)
{
	report = anybind_report_new();
	return api_setup(state);
}

static int done(void **state)
{
	anybind_report_free(report);
	return api_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sizes),	    TEST(test_flags),	TEST(test_flows),
		TEST(test_other_namespace), TEST(test_threads),
	};

	if (!world_enter())
		return 0;
	api_mount();
	world_add_netns("blue");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
