// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "state_image.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "kernel.h"
#include "state_path.h"

static const char *pin_path(char ret[PIN_MAX], const char *folder, unsigned int i)
{
	char name[16] = "table";

	if (i)
		snprintf(name, sizeof(name), "rules%u", i - 1);
	return state_pin_path(ret, folder, name);
}

int image_pin(const struct image_maps *maps, const char *folder)
{
	char pin[PIN_MAX];
	int r = 0;

	for (unsigned int i = 0; i < maps->n && !r; i++)
		r = kernel_pin(maps->fd[i], pin_path(pin, folder, i));
	return r;
}

int image_open(struct image_maps *ret, const char *folder)
{
	struct image_maps maps = { 0 };
	char pin[PIN_MAX];
	int fd = 0;

	while (maps.n < IMAGE_MAPS_MAX &&
	       (fd = kernel_open_pin(pin_path(pin, folder, maps.n))) >= 0)
		maps.fd[maps.n++] = fd;
	if (fd < 0 && (fd != -ENOENT || !maps.n)) {
		image_maps_close(&maps);
		return fd;
	}
	*ret = maps;
	return 0;
}

void image_unpin(const char *folder)
{
	char pin[PIN_MAX];

	/* Nobody may be left to do it again: not until the first that is not there. */
	for (unsigned int i = 0; i < IMAGE_MAPS_MAX; i++) {
		unlink(pin_path(pin, folder, i));
		if (rmdir(folder) == 0 || errno != ENOTEMPTY)
			return;
	}
}
