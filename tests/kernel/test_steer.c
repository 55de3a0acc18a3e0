/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The example of libanybind(3), as it is printed there: $STEER. */
#include "world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

/* What @command prints; its exit status must be @status. */
static char *output_of(const char *command, int status)
{
	char *text = NULL, line[512];
	size_t size;
	FILE *pipe = popen(command, "r"), *out = open_memstream(&text, &size);

	assert_true(pipe && out);
	while (fgets(line, sizeof(line), pipe))
		fputs(line, out);
	assert_int_equal(fclose(out), 0);
	if (pclose(pipe) != status << 8)
		fail_msg("%s ended otherwise: %s", command, text);
	return text;
}

static void assert_line(const char *text, const char *start, const char *end)
{
	_cleanup_free_ char *copy = strdup(text);

	for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
		size_t len = strlen(line);

		if (!strncmp(line, start, strlen(start)) && len >= strlen(end) &&
		    !strcmp(line + len - strlen(end), end))
			return;
	}
	fail_msg("no line '%s … %s' in: %s", start, end, text);
}

static void test_steers(void **state)
{
	_cleanup_free_ char *text = NULL;

	(void)state;
	text = output_of("\"$STEER\" /run/bpf 2>&1", 0);
	assert_line(text, "port 4242: bind demo tcp 192.0.2.0/24 23-65535, to 127.0.0.1:",
		    " (a test run of the program comes to the same)");
	assert_line(text, "port 22: no rule, to the normal lookup",
		    " (a test run of the program comes to the same)");
	assert_null(strstr(text, "steer:"));
}

static void test_leaves_nothing(void **state)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;

	(void)state;
	dir = opendir("/run/bpf/anybind");
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		assert_int_equal(entry->d_name[0], '.');
}

static void test_leaves_others_alone(void **state)
{
	struct anybind_options options = {.size = sizeof(options), .bpffs = "/run/bpf"};
	_cleanup_free_ char *text = NULL;
	struct anybind *anybind;
	struct anybind_status *status;

	(void)state;
	assert_int_equal(anybind_open(&anybind, &options, NULL), 0);
	assert_int_equal(anybind_load(anybind, NULL), 0);
	text = output_of("\"$STEER\" /run/bpf 2>&1", 1);
	assert_line(text, "steer: a dispatcher is loaded already", "already");
	assert_int_equal(anybind_status(anybind, &status, NULL), 0);
	assert_true(status->loaded && status->generation == 1);
	anybind_status_free(status);
	assert_int_equal(anybind_unload(anybind, NULL), 0);
	anybind_close(anybind);
}

static void test_says_what_is_wrong(void **state)
{
	_cleanup_free_ char *text = NULL;

	(void)state;
	text = output_of("\"$STEER\" /run/none 2>&1", 1);
	assert_line(text, "steer: /run/none is not a mounted bpffs", "bpffs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steers),
		cmocka_unit_test(test_leaves_nothing),
		cmocka_unit_test(test_leaves_others_alone),
		cmocka_unit_test(test_says_what_is_wrong),
	};

	if (!world_enter())
		return 0;
	world_run("mkdir /run/bpf && mount -t bpf bpf /run/bpf");
	world_run("ip route add local 192.0.2.0/24 dev lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
