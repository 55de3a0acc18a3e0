/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The public API for tests: whatever fails here fails the test, with the report. */
#ifndef ANYBIND_TESTS_API_H
#define ANYBIND_TESTS_API_H

#include "world.h"

/* Where the tests' own bpffs is. */
#define API_BPFFS "/run/bpf"

/* Mounts it. */
void api_mount(void);

/* @netns: as in anybind_options. */
struct anybind *api_open(const char *netns);

/* Puts the rules of @text in force. */
void api_apply(struct anybind *a, const char *text);
void api_expect_apply(struct anybind *a, const char *text, int code);

/* The rules in force as text, to be freed. */
char *api_rules(struct anybind *a);

void api_register(struct anybind *a, const char *service, int fd);
/* By what a message says. */
void api_expect_register(struct anybind *a, const char *service, int fd, int code,
			 const char *text);

/* False: there is no such service. The counters may be NULL. */
bool api_counters(struct anybind *a, const char *service, struct anybind_counters *ret);
void api_expect_counters(struct anybind *a, const char *service,
			 const struct anybind_counters *want);

#endif
