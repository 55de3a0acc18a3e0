// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "error.h"
#include "facts.h"
#include "follows.h"

struct status {
	struct anybind_status public;
	char path[PATH_MAX];
	struct device *names;
	struct anybind_device_info *devices;
	uint32_t *others;
};

void anybind_status_free(struct anybind_status *status)
{
	struct status *s = (struct status *)status;

	if (!s)
		return;
	free(s->names);
	free(s->devices);
	free(s->others);
	free(s);
}

static int status_devices(struct status *s, const struct anybind *a,
			  const struct anybind_ruleset *rs)
{
	s->names = calloc(rs->n_devices + 1, sizeof(*s->names));
	s->devices = calloc(rs->n_devices + 1, sizeof(*s->devices));
	if (!s->names || !s->devices)
		return -ENOMEM;
	for (size_t i = 0; i < rs->n_devices; i++) {
		int now = facts_ifindex(&a->ns, rs->devices[i].name);

		s->names[i] = rs->devices[i];
		s->devices[i] = (struct anybind_device_info){
			s->names[i].name, rs->devices[i].ifindex, now > 0 ? now : 0,
		};
	}
	s->public.devices = s->devices;
	s->public.n_devices = rs->n_devices;
	return 0;
}

/* Programs on the namespace besides ours; a failure leaves the list empty. */
static void status_others(struct status *s, const struct anybind *a)
{
	size_t n = 0, kept = 0;

	if (kernel_attached(a->ns.fd, &s->others, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (!s->public.loaded || s->others[i] != s->public.program_id)
			s->others[kept++] = s->others[i];
	s->public.others = s->others;
	s->public.n_others = kept;
}

static int status_follows(struct status *s, const struct anybind *a)
{
	_cleanup_free_ struct follow *follows = NULL;
	size_t n = 0;
	int r = follows_read(&a->state, &follows, &n);

	for (size_t i = 0; i < n; i++) {
		s->public.follows += follows[i].in_force;
		s->public.follows_gone += follows[i].in_force && !follows[i].alive;
	}
	return r;
}

static int status_loaded(struct status *s, const struct anybind *a, const struct current *current,
			 struct anybind_report *report)
{
	const struct table_header *h = current->table.header;
	struct anybind_status *p = &s->public;
	struct anybind_ruleset *rs;
	int r = table_ruleset(&current->table, &rs, report);

	if (r < 0)
		return r;
	p->loaded = true;
	p->generation = h->generation;
	p->changed = h->changed;
	p->program_id = current->info.program_id;
	p->link_id = current->info.link_id;
	p->layout = h->layout;
	p->rules = h->n_rules;
	p->services = h->n_services;
	p->table_bytes = table_lookup_bytes(&current->table);
	p->rules_bytes = table_rules_bytes(&current->table);
	r = status_devices(s, a, rs);
	anybind_ruleset_free(rs);
	if (!r)
		r = status_follows(s, a);
	return r < 0 ? report_error(report, r, NULL, "cannot read the status: %s", report_errno(r))
		     : 0;
}

int anybind_status(struct anybind *a, struct anybind_status **ret_status,
		   struct anybind_report *report)
{
	struct current current = CURRENT_NONE;
	struct status *s = calloc(1, sizeof(*s));
	int r = -ENOENT;

	if (!s)
		return report_oom(report);
	s->public.netns_cookie = a->ns.cookie;
	s->public.netns_inode = a->ns.inode;
	memcpy(s->path, a->state.path, sizeof(a->state.path));
	s->public.path = s->path;
	if (a->has_bpffs)
		r = state_read(&a->state, &current, report);
	if (!r)
		r = status_loaded(s, a, &current, report);
	current_close(&current);
	if (r < 0 && r != -ENOENT) {
		anybind_status_free(&s->public);
		return r;
	}
	status_others(s, a);
	*ret_status = &s->public;
	return 0;
}
