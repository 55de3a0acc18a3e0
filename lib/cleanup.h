/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Releases at the end of scope, so that an early return cannot leak. */
#ifndef ANYBIND_CLEANUP_H
#define ANYBIND_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

/* Keeps errno, so that `return -errno` may stand after the scope's last call. */
static inline void cleanup_closep(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void cleanup_closedirp(DIR **dir)
{
	int saved = errno;

	if (*dir)
		closedir(*dir);
	errno = saved;
}

#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_close_ _cleanup_(cleanup_closep)
#define _cleanup_closedir_ _cleanup_(cleanup_closedirp)

/* Hands the pointer to another owner: the cleanup then has nothing to free. */
#define take_ptr(p)                   \
	({                            \
		typeof(p) taken_ = (p); \
		(p) = NULL;           \
		taken_;               \
	})

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
