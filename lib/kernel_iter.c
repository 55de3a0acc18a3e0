// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "kernel_iter.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cleanup.h"
#include "collect.skel.h"
#include "dump.h"
#include "error.h"
#include "kernel.h"
#include "kernel_log.h"
#include "system.h"

static void destroy(struct collect_bpf **skel)
{
	collect_bpf__destroy(*skel);
}

static struct bpf_program *program_for(const struct collect_bpf *skel, int protocol)
{
	return protocol == IPPROTO_TCP ? skel->progs.collect_tcp : skel->progs.collect_udp;
}

/* What a walk does: inserts @items into @sockets, or lists @list_port. */
struct walk {
	int protocol;
	uint16_t list_port;
	int sockets; /* -1: a map of its own */
	const struct collect_item *items;
	size_t n;
	bool claim; /* into slots that are empty only */
};

static int load(struct collect_bpf *skel, const struct walk *walk)
{
	const uint32_t n = walk->n ? (uint32_t)walk->n : 1;
	int r = bpf_map__set_max_entries(skel->maps.wanted, n);

	if (!r)
		r = walk->sockets < 0 ? bpf_map__set_max_entries(skel->maps.sockets, n)
				      : bpf_map__reuse_fd(skel->maps.sockets, walk->sockets);
	if (r < 0)
		return r;
	memcpy((void *)&skel->rodata->list_port, &(uint32_t){walk->list_port}, sizeof(uint32_t));
	memcpy((void *)&skel->rodata->claim, &walk->claim, sizeof(walk->claim));
	bpf_program__set_autoload(skel->progs.collect_tcp, walk->protocol == IPPROTO_TCP);
	bpf_program__set_autoload(skel->progs.collect_udp, walk->protocol == IPPROTO_UDP);
	r = collect_bpf__load(skel);
	for (uint32_t i = 0; i < walk->n && r >= 0; i++) {
		const uint32_t slot = walk->sockets < 0 ? i : walk->items[i].slot;

		r = bpf_map_update_elem(bpf_map__fd(skel->maps.wanted), &walk->items[i].cookie,
					&slot, BPF_ANY) < 0
			    ? -errno
			    : 0;
	}
	return r;
}

/* A walk that is about to begin in @ns: the iterator's descriptor. */
static int attach(const struct netns *ns, const struct bpf_program *program)
{
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
static int start(const struct netns *ns, const struct walk *walk)
{
	_cleanup_(destroy) struct collect_bpf *skel = collect_bpf__open();
	int r;

	if (!skel)
		return -errno;
	r = load(skel, walk);
	return r < 0 ? r : attach(ns, program_for(skel, walk->protocol));
}

static int open_iterator(const struct netns *ns, const struct walk *walk,
			 struct anybind_report *report)
{
	struct kernel_log log;
	struct utsname name;
	int fd, r;

	if (uname(&name) < 0)
		return report_error(report, -errno, NULL,
				    "cannot ask for the kernel's release: %m");
	r = walk->protocol == IPPROTO_TCP ? system_check_tcp_iterator(name.release, report) : 0;
	if (r < 0)
		return r;
	if (kernel_log_start(&log) < 0)
		return report_oom(report);
	fd = start(ns, walk);
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

/* Returns how many are found for the first time; a walk may show one socket twice. */
static size_t note(const struct collect_record *record, struct collect_item *items, size_t n)
{
	size_t fresh = 0;

	for (size_t i = 0; i < n; i++) {
		if (items[i].cookie != record->cookie)
			continue;
		fresh += !items[i].found;
		items[i].found = true;
		items[i].flags = record->flags;
		items[i].error = record->error;
	}
	return fresh;
}

int kernel_collect(const struct netns *ns, int protocol, int sockets, bool claim,
		   struct collect_item *items, size_t n, struct anybind_report *report)
{
	const struct walk walk = {.protocol = protocol,
				  .sockets = sockets,
				  .items = items,
				  .n = n,
				  .claim = claim};
	_cleanup_close_ int fd = open_iterator(ns, &walk, report);
	struct collect_record record;
	size_t found = 0;
	int r = fd < 0 ? fd : 1;

	for (size_t i = 0; i < n; i++)
		items[i].found = false;
	/* Each read() has room for one record and ends with it: no walk behind the last one. */
	while (found < n && r > 0) {
		r = read_record(fd, &record, report);
		if (r > 0)
			found += note(&record, items, n);
	}
	return r < 0 ? r : 0;
}

int kernel_list_port(const struct netns *ns, int protocol, uint16_t port,
		     struct collect_record **ret, size_t *ret_n, struct anybind_report *report)
{
	const struct walk walk = {.protocol = protocol, .sockets = -1, .list_port = port};
	_cleanup_close_ int fd = open_iterator(ns, &walk, report);
	struct list list = {.item_size = sizeof(**ret)};
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
