/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A table's image in the kernel's maps. */
#ifndef ANYBIND_KERNEL_IMAGE_H
#define ANYBIND_KERNEL_IMAGE_H

#include "compile.h"
#include "table.h"

/*
 * The kernel makes, maps and frees the memory of a map without letting anybody
 * else have the CPU, 0.2 ms for each MiB. So only what lookups read, which must
 * be in one map, is in the first; of large images the rest is in others.
 */
#define IMAGE_PIECE (16ull << 20)
#define IMAGE_MAPS_MAX (1 + IMAGE_MAX / IMAGE_PIECE)

struct image_maps {
	unsigned int n;
	int fd[IMAGE_MAPS_MAX]; /* descriptors of the first @n */
};
void image_maps_close(struct image_maps *maps);

/* Creates, fills and freezes them. Negative errno; then there are none. */
int kernel_image_create(struct image_maps *ret, const struct image *image, uint64_t number,
			uint64_t changed);

/* Maps the whole for reading, to be unmapped by kernel_unmap(). -EUCLEAN: no such maps. */
int kernel_image_mmap(const struct image_maps *maps, void **ret, size_t *ret_size);
void kernel_unmap(void *value, size_t size);

#endif
