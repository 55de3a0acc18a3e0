/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The public API for tests: whatever fails here fails the test, with the report. */
#ifndef ANYBIND_TESTS_API_H
#define ANYBIND_TESTS_API_H

#include "dispatcher.h"
#include "world.h"

/* Where the tests' own bpffs is. */
#define API_BPFFS "/run/bpf"

/* Mounts it. */
void api_mount(void);

/* @netns: as in anybind_options. */
struct anybind *api_open(const char *netns);

/* A test with a handle of its own for the namespace it runs in; it leaves no dispatcher. */
#define API_TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
extern struct anybind *a;
int api_setup(void **state);
int api_teardown(void **state);

/* What is in force, to be closed, and the path of a pin of its generation, to be freed. */
struct current api_current(struct anybind *handle);
char *api_generation_pin(struct anybind *handle, const char *name);

/* Puts the rules of @text in force. */
void api_apply(struct anybind *handle, const char *text);
void api_expect_apply(struct anybind *handle, const char *text, int code);

/* The rules in force as text, to be freed. */
char *api_rules(struct anybind *handle);

void api_register(struct anybind *handle, const char *service, int fd);
/* By what a message says. */
void api_expect_register(struct anybind *handle, const char *service, int fd, int code,
			 const char *text);

/* False: there is no such service. The counters may be NULL. */
bool api_counters(struct anybind *handle, const char *service, struct anybind_counters *ret);
void api_expect_counters(struct anybind *handle, const char *service,
			 const struct anybind_counters *want);

#endif
