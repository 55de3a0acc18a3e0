// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "cleanup.h"
#include "dispatch.skel.h"
#include "error.h"
#include "kernel_log.h"
#include "system.h"

const char *const kernel_map_names[KERNEL_MAPS] = {
	[MAP_SOCKETS] = "sockets",   [MAP_COUNTERS] = "counters", [MAP_REGISTRY] = "registry",
	[MAP_GROUPS] = "groups",     [MAP_RECORDS] = "records",	  [MAP_WINDOWS] = "windows",
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void kernel_maps_close(struct kernel_maps *maps)
{
	for (size_t i = 0; i < KERNEL_MAPS; i++)
		close_fd(&maps->fd[i]);
}

void generation_close(struct generation *generation)
{
	close_fd(&generation->program);
	image_maps_close(&generation->image);
}

/* ---- loading ---- */

/* The namespace's maps, as far as they exist. */
static int reuse_maps(struct bpf_object *object, const struct kernel_maps *maps)
{
	int r = 0;

	for (size_t i = 0; i < KERNEL_MAPS && !r; i++)
		if (maps->fd[i] >= 0)
			r = bpf_map__reuse_fd(
				bpf_object__find_map_by_name(object, kernel_map_names[i]),
				maps->fd[i]);
	return r;
}

/* Descriptors of our own for those that loading made. */
static int keep_maps(const struct bpf_object *object, struct kernel_maps *maps)
{
	for (size_t i = 0; i < KERNEL_MAPS; i++) {
		if (maps->fd[i] >= 0)
			continue;
		maps->fd[i] = fcntl(bpf_object__find_map_fd_by_name(object, kernel_map_names[i]),
				    F_DUPFD_CLOEXEC, 3);
		if (maps->fd[i] < 0)
			return -errno;
	}
	return 0;
}

/*
 * Puts @table in the place of the program's data. libbpf maps and unmaps such
 * data by the size it knows, so it is shown a map of the size that the program
 * was built with, whose descriptor then is replaced.
 */
static int place_table(struct bpf_map *map, int table)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	_cleanup_close_ int placeholder = bpf_map_create(BPF_MAP_TYPE_ARRAY, "anybind_none", 4,
							 bpf_map__value_size(map), 1, &opts);
	int r;

	if (placeholder < 0)
		return -errno;
	r = bpf_map__reuse_fd(map, placeholder);
	if (r < 0)
		return r;
	return dup3(table, bpf_map__fd(map), O_CLOEXEC) < 0 ? -errno : 0;
}

static int load_program(struct dispatch_bpf *skel, struct generation *gen,
			struct kernel_maps *maps)
{
	int r = place_table(skel->maps.data_table, gen->image.fd[0]);

	if (!r)
		r = reuse_maps(skel->obj, maps);
	if (!r)
		r = bpf_object__load(skel->obj);
	if (!r)
		r = keep_maps(skel->obj, maps);
	if (r < 0)
		return r;
	gen->program = fcntl(bpf_program__fd(skel->progs.anybind_dispatch), F_DUPFD_CLOEXEC, 3);
	if (gen->program < 0)
		return -errno;
	return kernel_program_id(gen->program, &gen->program_id);
}

static int open_and_load(struct generation *gen, struct kernel_maps *maps,
			 const struct table_params *params)
{
	struct dispatch_bpf *skel = dispatch_bpf__open();
	int r;

	if (!skel)
		return -errno;
	memcpy((void *)&skel->rodata->params, params, sizeof(skel->rodata->params));
	r = load_program(skel, gen, maps);
	dispatch_bpf__destroy(skel);
	return r;
}

int kernel_load_image(struct generation *ret, struct kernel_maps *maps, const struct image *image,
		      uint64_t number, uint64_t changed, struct anybind_report *report)
{
	struct generation gen = GENERATION_NONE;
	struct kernel_log log;
	int r = kernel_log_start(&log);

	if (r < 0)
		return report_oom(report);
	r = kernel_image_create(&gen.image, image, number, changed);
	if (!r)
		r = open_and_load(&gen, maps, image->params);
	if (r < 0) {
		generation_close(&gen);
		r = system_explain_bpf(r, image->size, report);
	} else {
		*ret = gen;
		r = 0;
	}
	kernel_log_end(&log, r, report);
	return r;
}

int kernel_load(struct generation *ret, struct kernel_maps *maps, const struct compiled *compiled,
		uint64_t number, uint64_t changed, struct anybind_report *report)
{
	const struct image image = { compile_size(compiled), compile_params(compiled),
				     compile_write, compiled };

	return kernel_load_image(ret, maps, &image, number, changed, report);
}

/* ---- links and pins ---- */

int kernel_attach(int program, int netns_fd)
{
	int link = bpf_link_create(program, netns_fd, BPF_SK_LOOKUP, NULL);

	return link < 0 ? -errno : link;
}

int kernel_swap(int link, int new_program, int old_program)
{
	LIBBPF_OPTS(bpf_link_update_opts, opts, .flags = BPF_F_REPLACE,
		    .old_prog_fd = old_program);

	return bpf_link_update(link, new_program, &opts) < 0 ? -errno : 0;
}

int kernel_detach(int link)
{
	return bpf_link_detach(link) < 0 ? -errno : 0;
}

int kernel_link_info(int link, struct link_info *ret)
{
	struct bpf_link_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &size) < 0)
		return -errno;
	if (info.type != BPF_LINK_TYPE_NETNS)
		return -EUCLEAN;
	*ret = (struct link_info){ info.id, info.prog_id, info.netns.netns_ino };
	return 0;
}

int kernel_pin(int fd, const char *path)
{
	return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

int kernel_open_pin(const char *path)
{
	int fd = bpf_obj_get(path);

	return fd < 0 ? -errno : fd;
}

int kernel_program_id(int program, uint32_t *ret)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(program, &info, &size) < 0)
		return -errno;
	*ret = info.id;
	return 0;
}

int kernel_attached(int netns_fd, uint32_t **ret, size_t *ret_n)
{
	__u32 n = 64;
	_cleanup_free_ uint32_t *ids = calloc(n, sizeof(*ids)); /* the kernel's own limit is 64 */

	if (!ids)
		return -ENOMEM;
	if (bpf_prog_query(netns_fd, BPF_SK_LOOKUP, 0, NULL, ids, &n) < 0)
		return -errno;
	*ret = take_ptr(ids);
	*ret_n = n;
	return 0;
}

bool kernel_has_btf(void)
{
	struct btf *btf = btf__load_vmlinux_btf();

	btf__free(btf);
	return btf != NULL;
}

/* ---- maps ---- */

int kernel_mmap_size(int map, size_t *ret)
{
	struct bpf_map_info info = { 0 };
	__u32 info_size = sizeof(info);

	if (bpf_obj_get_info_by_fd(map, &info, &info_size) < 0)
		return -errno;
	if (info.type != BPF_MAP_TYPE_ARRAY || !(info.map_flags & BPF_F_MMAPABLE))
		return -EUCLEAN;
	/* The kernel keeps array elements 8 bytes aligned. */
	*ret = ((size_t)info.value_size + 7) / 8 * 8 * info.max_entries;
	return 0;
}

int kernel_mmap(int map, bool write, void **ret, size_t *ret_size)
{
	size_t size = 0;
	int r = kernel_mmap_size(map, &size);
	void *value;

	if (r < 0)
		return r;
	value = mmap(NULL, size, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, map, 0);
	if (value == MAP_FAILED)
		return -errno;
	*ret = value;
	*ret_size = size;
	return 0;
}

static int slot_update(int sockets, uint32_t slot, int fd, uint64_t flags)
{
	__u64 value = fd;

	return bpf_map_update_elem(sockets, &slot, &value, flags) < 0 ? -errno : 0;
}

int kernel_slot_set(int sockets, uint32_t slot, int fd)
{
	return slot_update(sockets, slot, fd, BPF_ANY);
}

int kernel_slot_claim(int sockets, uint32_t slot, int fd)
{
	return slot_update(sockets, slot, fd, BPF_NOEXIST);
}

int kernel_slot_clear(int sockets, uint32_t slot)
{
	/* An empty slot is EINVAL to the kernel. */
	if (bpf_map_delete_elem(sockets, &slot) < 0)
		return errno == EINVAL ? -ENOENT : -errno;
	return 0;
}

int kernel_slot_cookie(int sockets, uint32_t slot, uint64_t *ret)
{
	__u64 cookie;

	if (bpf_map_lookup_elem(sockets, &slot, &cookie) < 0)
		return -errno;
	*ret = cookie;
	return 0;
}

int kernel_try_socket(int fd)
{
	_cleanup_close_ int map =
		bpf_map_create(BPF_MAP_TYPE_SOCKMAP, "anybind_try", 4, 8, 1, NULL);

	return map < 0 ? -errno : kernel_slot_set(map, 0, fd);
}

int kernel_map_id(int map, uint32_t *ret)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(map, &info, &size) < 0)
		return -errno;
	*ret = info.id;
	return 0;
}

int kernel_group_new(const struct group_element *elements, size_t n)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	_cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "anybind_group", 4,
						 sizeof(*elements), n, &opts);
	void *value = NULL;
	size_t size = 0;
	int r;

	if (map < 0)
		return -errno;
	r = kernel_mmap(map, true, &value, &size);
	if (r < 0 || !value)
		return r;
	memcpy(value, elements, n * sizeof(*elements));
	munmap(value, size);
	return take_fd(&map);
}

/* The kernel returns when no program can still be with the old group. */
int kernel_group_set(int groups, uint32_t slot, int group)
{
	return bpf_map_update_elem(groups, &slot, &group, BPF_ANY) < 0 ? -errno : 0;
}

int kernel_group_clear(int groups, uint32_t slot)
{
	uint32_t id;
	int r = kernel_group_id(groups, slot, &id);

	/* Deleting waits for packets under way, also where there is nothing to delete. */
	if (r < 0)
		return r;
	return bpf_map_delete_elem(groups, &slot) < 0 ? -errno : 0;
}

int kernel_group_id(int groups, uint32_t slot, uint32_t *ret)
{
	return bpf_map_lookup_elem(groups, &slot, ret) < 0 ? -errno : 0;
}

int kernel_counters(int counters, uint32_t id, struct counters *ret)
{
	int n = libbpf_num_possible_cpus();
	_cleanup_free_ struct counters *each = n > 0 ? calloc(n, sizeof(*each)) : NULL;
	struct counters sum = { 0 };

	if (n < 0)
		return n;
	if (!each)
		return -ENOMEM;
	if (bpf_map_lookup_elem(counters, &id, each) < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		sum.steered += each[i].steered;
		sum.missing += each[i].missing;
		sum.eafnosupport += each[i].eafnosupport;
		sum.eprototype += each[i].eprototype;
		sum.esocktnosupport += each[i].esocktnosupport;
		sum.other += each[i].other;
	}
	*ret = sum;
	return 0;
}

int kernel_counters_reset(int counters, uint32_t id)
{
	int n = libbpf_num_possible_cpus();
	_cleanup_free_ struct counters *zero = n > 0 ? calloc(n, sizeof(*zero)) : NULL;

	if (!zero)
		return n < 0 ? n : -ENOMEM;
	return bpf_map_update_elem(counters, &id, zero, BPF_ANY) < 0 ? -errno : 0;
}

/* ---- test runs ---- */

int kernel_test_run(int program, struct test_run *run)
{
	struct bpf_sk_lookup ctx = {
		.family = run->family == 6 ? AF_INET6 : AF_INET,
		.protocol = run->proto,
		.remote_port = htons(run->src_port),
		.local_port = run->dst_port,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx));

	if (run->family == 6) {
		memcpy(ctx.remote_ip6, run->src, 16);
		memcpy(ctx.local_ip6, run->dst, 16);
	} else {
		memcpy(&ctx.remote_ip4, run->src, 4);
		memcpy(&ctx.local_ip4, run->dst, 4);
	}
	if (bpf_prog_test_run_opts(program, &opts) < 0)
		return -errno;
	run->pass = opts.retval == SK_PASS;
	run->cookie = ctx.cookie;
	return 0;
}
