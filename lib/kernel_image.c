// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "kernel_image.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kernel.h"

void image_maps_close(struct image_maps *maps)
{
	while (maps->n)
		close(maps->fd[--maps->n]);
}

/* ---- memory ---- */

/* Bytes of each map, and of all. */
static int map_sizes(const struct image_maps *maps, size_t sizes[], size_t *ret_total)
{
	size_t page = sysconf(_SC_PAGESIZE), total = 0;

	for (unsigned int i = 0; i < maps->n; i++) {
		int r = kernel_mmap_size(maps->fd[i], &sizes[i]);

		if (r < 0)
			return r;
		/* The next one begins where this one ends. */
		if (i + 1 < maps->n && sizes[i] % page)
			return -EUCLEAN;
		total += sizes[i];
	}
	*ret_total = total;
	return maps->n ? 0 : -EUCLEAN;
}

static int map_memory(const struct image_maps *maps, int prot, void **ret, size_t *ret_size)
{
	size_t sizes[IMAGE_MAPS_MAX], total = 0;
	int r = map_sizes(maps, sizes, &total);
	char *image, *next;

	if (r < 0)
		return r;
	/* Keeps the place for all of them. */
	next = image = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);
	if (image == MAP_FAILED)
		return -errno;
	for (unsigned int i = 0; i < maps->n; i++) {
		if (mmap(next, sizes[i], prot, MAP_SHARED | MAP_FIXED, maps->fd[i], 0) ==
		    MAP_FAILED) {
			r = -errno;
			kernel_unmap(image, total);
			return r;
		}
		next += sizes[i];
	}
	*ret = image;
	*ret_size = total;
	return 0;
}

int kernel_image_mmap(const struct image_maps *maps, void **ret, size_t *ret_size)
{
	return map_memory(maps, PROT_READ, ret, ret_size);
}

void kernel_unmap(void *value, size_t size)
{
	char *at = value;

	for (size_t piece; size; at += piece, size -= piece) {
		piece = size < IMAGE_PIECE ? size : IMAGE_PIECE;
		munmap(at, piece);
	}
}

/* ---- making them ---- */

/* What lookups read, up to the end of a page. */
static size_t lookups_size(const struct image *image)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint64_t words = (uint64_t)image->params->words + WORDS_SLACK;

	return (image->params->words_offset + 4 * words + page - 1) / page * page;
}

static int create_maps(struct image_maps *maps, const struct image *image)
{
	/* Not BPF_F_RDONLY_PROG: the kernel would not let us map it for writing. */
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	size_t left = image->size, size = left <= IMAGE_PIECE ? left : lookups_size(image);

	for (; left; size = IMAGE_PIECE) {
		int fd;

		if (size > left)
			size = left;
		fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, maps->n ? "anybind_rules" : "anybind_table",
				    4, size, 1, &opts);
		if (fd < 0)
			return -errno;
		maps->fd[maps->n++] = fd;
		left -= size;
	}
	return 0;
}

static int write_maps(const struct image_maps *maps, const struct image *image, uint64_t number,
		      uint64_t changed)
{
	void *memory = NULL;
	size_t size = 0;
	int r = map_memory(maps, PROT_READ | PROT_WRITE, &memory, &size);

	if (r < 0)
		return r;
	image->write(image->data, number, changed, memory);
	/* Freezing is refused while a writable mapping exists. */
	kernel_unmap(memory, size);
	for (unsigned int i = 0; i < maps->n && !r; i++)
		r = bpf_map_freeze(maps->fd[i]) < 0 ? -errno : 0;
	return r;
}

int kernel_image_create(struct image_maps *ret, const struct image *image, uint64_t number,
			uint64_t changed)
{
	struct image_maps maps = { 0 };
	int r = create_maps(&maps, image);

	if (!r)
		r = write_maps(&maps, image, number, changed);
	if (r < 0)
		image_maps_close(&maps);
	else
		*ret = maps;
	return r;
}
