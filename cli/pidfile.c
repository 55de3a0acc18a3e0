// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "word.h"

/* The digits of INT_MAX, a newline and one byte that is too much. */
#define PIDFILE_MAX 12

#define HINT_FORM "A server leaves its pid there: digits and a newline, nothing else."

static int cannot_read(struct output *out, const char *file, int code)
{
	return output_error(out, code, NULL, "cannot read \"%s\": %s", file, strerror(-code));
}

/*
 * Neither a link nor anything that is no plain file: who may write the folder,
 * often the server's own user, must not choose what root opens.
 */
static int open_plain(const char *file, struct output *out)
{
	_cleanup_close_ int fd =
		open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return output_error(out, -ELOOP, "Name the file that it leads to.",
				    "\"%s\" is a symbolic link and not followed", file);
	if (fd < 0 || fstat(fd, &st) < 0)
		return cannot_read(out, file, -errno);
	if (!S_ISREG(st.st_mode))
		return output_error(out, -EINVAL,
				    "Name the file in which the server leaves its pid.",
				    "\"%s\" is not a regular file", file);
	return take_fd(&fd);
}

int pidfile_read(const char *file, pid_t *ret, struct output *out)
{
	_cleanup_close_ int fd = open_plain(file, out);
	char text[PIDFILE_MAX + 1];
	size_t len;
	ssize_t n;
	int pid;

	if (fd < 0)
		return fd;
	n = TEMP_FAILURE_RETRY(read(fd, text, PIDFILE_MAX));
	if (n < 0)
		return cannot_read(out, file, -errno);
	len = (size_t)n;
	if (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	if (!len)
		return output_error(out, -EINVAL, HINT_FORM, "\"%s\" is empty", file);
	/* A NUL byte would hide what follows. */
	if (n == PIDFILE_MAX || strlen(text) != len || word_number(text, 1, INT_MAX, &pid) < 0)
		return output_error(out, -EINVAL, HINT_FORM,
				    "\"%s\" holds something else than one process id", file);
	if (kill(pid, 0) < 0 && errno == ESRCH)
		return output_error(
			out, -ESRCH,
			"It is left over from a server that has ended. Start the server "
			"first.",
			"\"%s\" names pid %d, and there is no such process", file, pid);
	*ret = pid;
	return 0;
}
