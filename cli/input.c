// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

/* A ruleset of a million rules takes about 40 MiB. */
#define INPUT_MAX ((size_t)1 << 30)
#define INPUT_CHUNK ((size_t)64 << 10)

const char *input_name(const char *file)
{
	return strcmp(file, "-") ? file : "stdin";
}

static int cannot_read(struct output *out, const char *file, int code)
{
	return output_error(out, code, NULL, "cannot read \"%s\": %s", input_name(file),
			    strerror(-code));
}

static int too_large(struct output *out, const char *file)
{
	return output_error(out, -EFBIG, NULL, "cannot read \"%s\": larger than 1 GiB",
			    input_name(file));
}

/* The size to begin with: a regular file's own, so that it is read in one piece. */
static int first_size(int fd, const char *file, size_t *ret, struct output *out)
{
	struct stat st;

	if (fstat(fd, &st))
		return cannot_read(out, file, -errno);
	if (S_ISDIR(st.st_mode))
		return output_error(out, -EISDIR,
				    "Name a file with statements, or - for standard input.",
				    "cannot read \"%s\": it is a directory", input_name(file));
	if (st.st_size > (off_t)INPUT_MAX)
		return too_large(out, file);
	*ret = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size + 2 : INPUT_CHUNK;
	return 0;
}

/* Room for at least one more byte and the NUL behind it. */
static int make_room(char **text, size_t size, size_t *room)
{
	char *larger;

	if (*text && size + 1 < *room)
		return 0;
	if (*text)
		*room *= 2;
	larger = realloc(*text, *room);
	if (!larger)
		return -ENOMEM;
	*text = larger;
	return 0;
}

int input_read(const char *file, char **ret_text, size_t *ret_size, struct output *out)
{
	bool standard = !strcmp(file, "-");
	_cleanup_close_ int opened = standard ? -1 : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int fd = standard ? STDIN_FILENO : opened, r;
	_cleanup_free_ char *text = NULL;
	size_t size = 0, room = 0;
	ssize_t n;

	if (fd < 0)
		return cannot_read(out, file, -errno);
	r = first_size(fd, file, &room, out);
	if (r < 0)
		return r;
	do {
		r = make_room(&text, size, &room);
		if (r < 0)
			return cannot_read(out, file, r);
		n = read(fd, text + size, room - size - 1);
		if (n < 0 && errno != EINTR)
			return cannot_read(out, file, -errno);
		size += n > 0 ? n : 0;
		if (size > INPUT_MAX)
			return too_large(out, file);
	} while (n);
	text[size] = '\0';
	*ret_text = take_ptr(text);
	*ret_size = size;
	return 0;
}
