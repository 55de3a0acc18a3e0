/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The edge to the kernel's BPF: besides this only kernel_*.c call libbpf. */
#ifndef ANYBIND_KERNEL_H
#define ANYBIND_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "kernel_image.h"

/* Maps of a namespace that outlive generations, by name in bpf/dispatch.bpf.c and in bpffs. */
enum kernel_map {
	MAP_SOCKETS,
	MAP_COUNTERS,
	MAP_REGISTRY,
	MAP_GROUPS,
	MAP_RECORDS,
	MAP_WINDOWS,
	KERNEL_MAPS
};
extern const char *const kernel_map_names[KERNEL_MAPS];

struct kernel_maps {
	int fd[KERNEL_MAPS]; /* descriptors, -1: not there yet */
};
#define KERNEL_MAPS_NONE ((struct kernel_maps){ { -1, -1, -1, -1, -1, -1 } })
void kernel_maps_close(struct kernel_maps *maps);

/* One generation in the kernel: a program and the image whose table it reads. */
struct generation {
	int program; /* descriptor, -1 when closed */
	uint32_t program_id;
	struct image_maps image;
};
#define GENERATION_NONE ((struct generation){ .program = -1 })
void generation_close(struct generation *generation);

/*
 * Creates, fills and freezes the table of @image and loads a program for it. Maps that
 * are -1 in @maps are created. What the kernel refuses is explained on
 * @report: -EPERM, -ENOTSUP (no BPF, kernel too old), -ENOMEM, -ENOSPC.
 */
int kernel_load_image(struct generation *ret, struct kernel_maps *maps, const struct image *image,
		      uint64_t number, uint64_t changed, struct anybind_report *report);
/* The same of what was compiled. */
int kernel_load(struct generation *ret, struct kernel_maps *maps, const struct compiled *compiled,
		uint64_t number, uint64_t changed, struct anybind_report *report);

/* A new link that attaches @program to the namespace; detached when all of it is closed. */
int kernel_attach(int program, int netns_fd);

/* The commit point: replaces @old by @new on @link, or fails and changes nothing. */
int kernel_swap(int link, int new_program, int old_program);

int kernel_detach(int link);

struct link_info {
	uint32_t link_id, program_id;
	uint32_t netns_inode; /* 0: the namespace is gone */
};
int kernel_link_info(int link, struct link_info *ret);

int kernel_pin(int fd, const char *path);
/*
 * A descriptor for what is pinned at @path. For reading and writing always:
 * the kernel maps nothing of a map that was opened for reading alone.
 */
int kernel_open_pin(const char *path);
int kernel_program_id(int program, uint32_t *ret);

/* Maps all elements of an array. munmap(2) frees it. -EUCLEAN: no such array. */
int kernel_mmap(int map, bool write, void **ret, size_t *ret_size);
int kernel_mmap_size(int map, size_t *ret);

/*
 * Socket slots. kernel_slot_claim(): -EEXIST where the slot is not empty.
 * kernel_slot_cookie(): 0 and the cookie, or -ENOENT.
 */
int kernel_slot_set(int sockets, uint32_t slot, int fd);
int kernel_slot_claim(int sockets, uint32_t slot, int fd);
int kernel_slot_clear(int sockets, uint32_t slot);
int kernel_slot_cookie(int sockets, uint32_t slot, uint64_t *ret);
/* Does the kernel take the socket? Nothing stays of it. As kernel_slot_set(). */
int kernel_try_socket(int fd);

/*
 * Groups (see bpf/abi.h). kernel_group_new(): a descriptor of a group with
 * these elements. kernel_group_set() and _clear() return when no packet can be
 * with the predecessor. kernel_group_id(): the map id of the one in @slot, or
 * -ENOENT.
 */
int kernel_group_new(const struct group_element *elements, size_t n);
int kernel_group_set(int groups, uint32_t slot, int group);
int kernel_group_clear(int groups, uint32_t slot);
int kernel_group_id(int groups, uint32_t slot, uint32_t *ret);
int kernel_map_id(int map, uint32_t *ret);

/* Sums over all CPUs; zeroes. */
int kernel_counters(int counters, uint32_t id, struct counters *ret);
int kernel_counters_reset(int counters, uint32_t id);

/* Addresses as in struct rule, ports in host order. */
struct test_run {
	uint8_t family, proto;
	uint8_t src[16], dst[16];
	uint16_t src_port, dst_port;
	bool pass;	 /* out: SK_PASS */
	uint64_t cookie; /* out: the chosen socket's, or 0 */
};
/* BPF_PROG_TEST_RUN. -EOPNOTSUPP: it chose a socket of a reuseport group. */
int kernel_test_run(int program, struct test_run *run);

/* Does the kernel describe its structures, as programs that look into them need? */
bool kernel_has_btf(void);

/* Ids of all sk_lookup programs on the namespace; *ret is to be freed. */
int kernel_attached(int netns_fd, uint32_t **ret, size_t *ret_n);

#endif
