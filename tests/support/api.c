/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static struct anybind_report *report;

/* Each call has a report of its own. */
static struct anybind_report *fresh(void)
{
	anybind_report_free(report);
	report = anybind_report_new();
	assert_non_null(report);
	return report;
}

static void expect(int got, int want, const char *what)
{
	if (got != want) {
		world_print_report(report);
		fail_msg("%s: %d instead of %d", what, got, want);
	}
	anybind_report_free(report);
	report = NULL;
}

void api_mount(void)
{
	assert_int_equal(mkdir(API_BPFFS, 0700), 0);
	assert_int_equal(mount("bpf", API_BPFFS, "bpf", 0, "mode=700"), 0);
}

struct anybind *api_open(const char *netns)
{
	const struct anybind_options options = {
		.size = sizeof(options), .netns = netns, .bpffs = API_BPFFS };
	struct anybind *a = NULL;

	expect(anybind_open(&a, &options, fresh()), 0, "open");
	return a;
}

void api_expect_apply(struct anybind *a, const char *text, int code)
{
	struct anybind_ruleset *rs;

	expect(anybind_ruleset_parse(&rs, text, strlen(text), "test", fresh()), 0, text);
	expect(anybind_commit(a, rs, 0, fresh()), code, text);
	anybind_ruleset_free(rs);
}

struct anybind *a;

int api_setup(void **state)
{
	(void)state;
	a = api_open(NULL);
	return 0;
}

int api_teardown(void **state)
{
	(void)state;
	anybind_unload(a, NULL);
	anybind_close(a);
	return 0;
}

struct current api_current(struct anybind *handle)
{
	struct current current = CURRENT_NONE;

	assert_int_equal(dispatcher_read(handle, &current, NULL), 0);
	return current;
}

char *api_generation_pin(struct anybind *handle, const char *name)
{
	struct current current = api_current(handle);
	char *path;

	assert_true(asprintf(&path, "%s/g%" PRIu32 "/%s", handle->state.path,
			     current.info.program_id, name) > 0);
	current_close(&current);
	return path;
}

void api_apply(struct anybind *a, const char *text)
{
	api_expect_apply(a, text, 0);
}

static int write_statement(const struct anybind_statement *statement, void *data)
{
	return fprintf(data, "%s\n", statement->text) < 0 ? -1 : 0;
}

char *api_rules(struct anybind *a)
{
	struct anybind_ruleset *rs;
	char *text = NULL;
	size_t size;
	FILE *file;

	expect(anybind_rules(a, &rs, fresh()), 0, "rules");
	file = open_memstream(&text, &size);
	assert_non_null(file);
	assert_int_equal(anybind_ruleset_each(rs, write_statement, file), 0);
	fclose(file);
	anybind_ruleset_free(rs);
	return text;
}

void api_register(struct anybind *a, const char *service, int fd)
{
	struct anybind_sockets *sockets;

	expect(anybind_sockets_of_fds(a, &sockets, &fd, 1, fresh()), 0, "socket");
	expect(anybind_register(a, service, sockets, NULL, fresh()), 0, service);
	anybind_sockets_free(sockets);
}

void api_expect_register(struct anybind *a, const char *service, int fd, int code,
			 const char *text)
{
	struct anybind_sockets *sockets = NULL;
	int r = anybind_sockets_of_fds(a, &sockets, &fd, 1, fresh());

	if (!r)
		r = anybind_register(a, service, sockets, NULL, report);
	anybind_sockets_free(sockets);
	world_assert_message(report, 0, text, NULL);
	expect(r, code, text);
}

bool api_counters(struct anybind *a, const char *service, struct anybind_counters *ret)
{
	struct anybind_services *services;
	bool found = false;

	expect(anybind_services(a, &services, fresh()), 0, "services");
	for (size_t i = 0; i < anybind_services_count(services) && !found; i++) {
		const struct anybind_service_info *info = anybind_services_get(services, i);

		found = !strcmp(info->name, service);
		if (found && ret)
			*ret = info->counters;
	}
	anybind_services_free(services);
	return found;
}

void api_expect_counters(struct anybind *a, const char *service,
			 const struct anybind_counters *want)
{
	struct anybind_counters got;

	assert_true(api_counters(a, service, &got));
	if (memcmp(&got, want, sizeof(got)))
		fail_msg("%s: %lu steered, %lu missing, %lu eafnosupport, %lu eprototype, "
			 "%lu esocktnosupport, %lu other", service, (unsigned long)got.steered,
			 (unsigned long)got.missing, (unsigned long)got.eafnosupport,
			 (unsigned long)got.eprototype, (unsigned long)got.esocktnosupport,
			 (unsigned long)got.other);
}
