// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "kernel_iter.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "cleanup.h"
#include "collect.skel.h"
#include "dump.h"
#include "error.h"
#include "kernel_log.h"
#include "system.h"

static void destroy(struct collect_bpf **skel)
{
	collect_bpf__destroy(*skel);
}

static bool kernel_has_btf(void)
{
	struct btf *btf = btf__load_vmlinux_btf();

	btf__free(btf);
	return btf != NULL;
}

static struct bpf_program *program_for(const struct collect_bpf *skel, int protocol)
{
	return protocol == IPPROTO_TCP ? skel->progs.collect_tcp : skel->progs.collect_udp;
}

static int load(struct collect_bpf *skel, int protocol, const struct collect_params *params,
		int sockets)
{
	int r = sockets < 0 ? 0 : bpf_map__reuse_fd(skel->maps.sockets, sockets);

	if (r < 0)
		return r;
	memcpy((void *)&skel->rodata->params, params, sizeof(*params));
	bpf_program__set_autoload(skel->progs.collect_tcp, protocol == IPPROTO_TCP);
	bpf_program__set_autoload(skel->progs.collect_udp, protocol == IPPROTO_UDP);
	return collect_bpf__load(skel);
}

/* A walk that is about to begin in @ns: the iterator's descriptor. */
static int attach(const struct netns *ns, const struct bpf_program *program)
{
	/* No name for libbpf's own attaching: it would keep the link for us to destroy. */
	_cleanup_close_ int link =
		bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER, NULL);
	int saved, fd, r;

	if (link < 0)
		return -errno;
	r = netns_enter(ns, &saved);
	if (r < 0)
		return r;
	fd = bpf_iter_create(link);
	if (fd < 0)
		fd = -errno;
	netns_leave(saved);
	return fd;
}

/* Loads and attaches; the iterator keeps what it needs. */
static int start(const struct netns *ns, int protocol, const struct collect_params *params,
		 int sockets)
{
	_cleanup_(destroy) struct collect_bpf *skel = collect_bpf__open();
	int r;

	if (!skel)
		return -errno;
	r = load(skel, protocol, params, sockets);
	return r < 0 ? r : attach(ns, program_for(skel, protocol));
}

static int open_iterator(const struct netns *ns, int protocol, const struct collect_params *params,
			 int sockets, struct anybind_report *report)
{
	struct kernel_log log;
	struct utsname name;
	int fd, r;

	if (uname(&name) < 0)
		return report_error(report, -errno, NULL, "cannot ask for the kernel's release: %m");
	r = protocol == IPPROTO_TCP ? system_check_tcp_iterator(name.release, report) : 0;
	if (r < 0)
		return r;
	if (kernel_log_start(&log) < 0)
		return report_oom(report);
	fd = start(ns, protocol, params, sockets);
	if (fd < 0)
		fd = system_explain_iterator(fd, kernel_has_btf(), report);
	kernel_log_end(&log, fd, report);
	return fd;
}

/* 1: a record, 0: the walk is over. */
static int read_record(int fd, struct collect_record *ret, struct anybind_report *report)
{
	ssize_t n;

	/* EAGAIN: a million sockets, none of them wanted; there are more. */
	do
		n = read(fd, ret, sizeof(*ret));
	while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n < 0)
		return report_error(report, -errno, NULL, "cannot walk the sockets: %m");
	if (n && n != sizeof(*ret))
		return report_error(report, -EIO, NULL,
				    "the kernel gave %zd bytes of a socket instead of %zu", n,
				    sizeof(*ret));
	return n > 0;
}

int kernel_collect(const struct netns *ns, int protocol, uint64_t cookie, int sockets,
		   uint32_t slot, struct collect_record *ret, struct anybind_report *report)
{
	const struct collect_params params = { .cookie = cookie, .slot = slot };
	_cleanup_close_ int fd = open_iterator(ns, protocol, &params, sockets, report);

	/* Room for one record only: the walk ends with the socket, not behind the last one. */
	return fd < 0 ? fd : read_record(fd, ret, report);
}

int kernel_list_port(const struct netns *ns, int protocol, uint16_t port,
		     struct collect_record **ret, size_t *ret_n, struct anybind_report *report)
{
	const struct collect_params params = { .port = port };
	_cleanup_close_ int fd = open_iterator(ns, protocol, &params, -1, report);
	struct list list = { .item_size = sizeof(**ret) };
	struct collect_record record;
	int r = fd;

	while (r >= 0 && (r = read_record(fd, &record, report)) > 0) {
		struct collect_record *item = list_push(&list);

		if (!item)
			r = report_oom(report);
		else
			*item = record;
	}
	if (r < 0) {
		list_clear(&list);
		return r;
	}
	*ret = (struct collect_record *)list.items;
	*ret_n = list.n;
	return 0;
}
