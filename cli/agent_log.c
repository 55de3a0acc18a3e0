// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "agent_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "cleanup.h"
#include "utf8.h"

/* Does the journal read standard error? Only then are priorities for it. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char own[64];

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return !strcmp(stream, own);
}

/* In one write(2), so that lines of several processes do not mix. */
static void write_line(int priority, const char *text)
{
	_cleanup_free_ char *line = NULL;
	size_t size, done = 0;
	FILE *stream = open_memstream(&line, &size);

	if (!stream)
		return;
	if (is_journal())
		fprintf(stream, "<%d>", priority);
	else
		fputs("anybind: ", stream);
	utf8_put(stream, text);
	fputc('\n', stream);
	if (fclose(stream))
		return;
	while (done < size) {
		ssize_t n = TEMP_FAILURE_RETRY(write(STDERR_FILENO, line + done, size - done));

		if (n <= 0)
			return; /* there is nobody left to tell */
		done += (size_t)n;
	}
}

void agent_vlog(int priority, const char *format, va_list ap)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	write_line(priority, text ? text : "out of memory");
}

void agent_log(int priority, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	agent_vlog(priority, format, ap);
	va_end(ap);
}

static void log_messages(int priority, const json_t *messages)
{
	const json_t *message;
	size_t i;

	json_array_foreach (messages, i, message) {
		const char *source = json_member(message, "source");
		const char *text = json_member(message, "message");
		json_int_t line = json_number(message, "line");

		if (source && line)
			agent_log(priority, "%s:%" JSON_INTEGER_FORMAT ": %s", source, line, text);
		else
			agent_log(priority, "%s", text);
	}
}

void agent_log_output(const struct output *out)
{
	log_messages(LOG_WARNING, out->warnings);
	log_messages(LOG_ERR, out->errors);
	if (out->errors_omitted)
		agent_log(LOG_ERR, "… and %zu more error%s", out->errors_omitted,
			  plural(out->errors_omitted));
}
