// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "kernel_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cleanup.h"
#include "error.h"
#include "follow.skel.h"
#include "kernel_log.h"
#include "system.h"

static void destroy(struct follow_bpf **skel)
{
	follow_bpf__destroy(*skel);
}

static int load(const struct follow_state *state, const struct kernel_maps *maps, int *ret_program,
		int *ret_map)
{
	_cleanup_(destroy) struct follow_bpf *skel = follow_bpf__open();
	_cleanup_close_ int program = -1;
	int r, map;

	if (!skel)
		return -errno;
	skel->bss->follow = *state;
	r = bpf_map__reuse_fd(skel->maps.sockets, maps->fd[MAP_SOCKETS]);
	if (!r)
		r = bpf_map__reuse_fd(skel->maps.records, maps->fd[MAP_RECORDS]);
	if (!r)
		r = bpf_map__reuse_fd(skel->maps.windows, maps->fd[MAP_WINDOWS]);
	if (!r)
		r = follow_bpf__load(skel);
	if (r < 0)
		return r;
	program = fcntl(bpf_program__fd(skel->progs.anybind_follow), F_DUPFD_CLOEXEC, 3);
	if (program < 0)
		return -errno;
	map = fcntl(bpf_map__fd(skel->maps.bss), F_DUPFD_CLOEXEC, 3);
	if (map < 0)
		return -errno;
	*ret_program = take_fd(&program);
	*ret_map = map;
	return 0;
}

int kernel_follow_load(const struct follow_state *state, const struct kernel_maps *maps,
		       int *ret_program, int *ret_map, struct anybind_report *report)
{
	struct kernel_log log;
	int r = kernel_log_start(&log);

	if (r < 0)
		return report_oom(report);
	r = load(state, maps, ret_program, ret_map);
	if (r < 0)
		r = system_explain_follow(r, kernel_has_btf(), report);
	kernel_log_end(&log, r, report);
	return r;
}

int kernel_follow_attach(int program, int cgroup)
{
	int link = bpf_link_create(program, cgroup, BPF_CGROUP_SOCK_OPS, NULL);

	return link < 0 ? -errno : link;
}

int kernel_follow_cgroup(int link, uint64_t *ret_id)
{
	struct bpf_link_info info = {0};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &size) < 0)
		return -errno;
	if (info.type != BPF_LINK_TYPE_CGROUP || info.cgroup.attach_type != BPF_CGROUP_SOCK_OPS)
		return -EUCLEAN;
	*ret_id = info.cgroup.cgroup_id;
	return 0;
}

static bool is_state(const struct follow_state *state)
{
	if (state->layout != ANYBIND_LAYOUT || state->service >= SERVICE_IDS ||
	    !memchr(state->unit, '\0', sizeof(state->unit)) ||
	    !memchr(state->cgroup, '\0', sizeof(state->cgroup)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(state->window); i++) {
		uint32_t first = state->window[i];

		if (first && (first < SLOTS_OWN || first >= SLOTS ||
			      (first - SLOTS_OWN) % WINDOW_SLOTS))
			return false;
	}
	return true;
}

int kernel_follow_state(int map, struct follow_state *ret)
{
	struct follow_state state;
	size_t size;
	void *value;
	int r = kernel_mmap(map, false, &value, &size);

	if (r < 0)
		return r;
	r = size < sizeof(state) ? -EUCLEAN : 0;
	if (!r)
		memcpy(&state, value, sizeof(state));
	munmap(value, size);
	if (r || !is_state(&state))
		return -EUCLEAN;
	*ret = state;
	return 0;
}
