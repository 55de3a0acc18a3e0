// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A namespace's dispatcher: open, load, unload, read and commit rules. */
#include "dispatcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "error.h"
#include "facts.h"
#include "follows.h"
#include "guard.h"
#include "members.h"
#include "system.h"

/* ---- handles ---- */

static int open_state(struct anybind *a, bool mount, struct anybind_report *report)
{
	const char *bpffs;
	int r;

	if (a->has_bpffs)
		return 0;
	r = system_bpffs(a->bpffs, mount, &bpffs, report);
	if (r == -ENOENT && !a->bpffs)
		return 0; /* not mounted: nothing is loaded, and reading need not change that */
	if (!r)
		r = state_init(&a->state, bpffs, a->ns.cookie, report);
	a->has_bpffs = !r;
	return r;
}

int anybind_open(struct anybind **ret_anybind, const struct anybind_options *options,
		 struct anybind_report *report)
{
	int r = options ? report_struct(options, sizeof(*options), "anybind_options", report) : 0;
	struct anybind *a;

	if (r < 0)
		return r;
	a = calloc(1, sizeof(*a));
	if (!a)
		return report_oom(report);
	a->ns.fd = -1;
	a->state.lock = -1;
	if (options && options->bpffs) {
		a->bpffs = strdup(options->bpffs);
		if (!a->bpffs) {
			anybind_close(a);
			return report_oom(report);
		}
	}
	r = netns_open(&a->ns, options ? options->netns : NULL, report);
	if (!r)
		r = open_state(a, false, report);
	if (r < 0) {
		anybind_close(a);
		return r;
	}
	*ret_anybind = a;
	return 0;
}

void anybind_close(struct anybind *a)
{
	if (!a)
		return;
	state_unlock(&a->state);
	netns_close(&a->ns);
	free((char *)a->bpffs);
	free(a);
}

int anybind_netns_socket(struct anybind *a, int domain, int type, int protocol,
			 struct anybind_report *report)
{
	int fd = netns_socket(&a->ns, domain, type, protocol);

	if (fd < 0)
		report_error(report, fd, NULL, "cannot make a socket in the network namespace: %s",
			     strerrordesc_np(-fd));
	return fd;
}

int anybind_begin(struct anybind *a, struct anybind_report *report)
{
	int r = open_state(a, true, report);

	if (!r)
		r = state_lock(&a->state, report);
	if (r < 0)
		return r;
	/* What cannot be undone now is litter for the next. */
	if (!a->begun++)
		follows_clear(a);
	return 0;
}

void anybind_end(struct anybind *a)
{
	if (a->begun && !--a->begun)
		state_unlock(&a->state);
}

static void endp(struct anybind **a)
{
	if (*a)
		anybind_end(*a);
}

static void current_closep(struct current *current)
{
	current_close(current);
}

int dispatcher_read(struct anybind *a, struct current *ret, struct anybind_report *report)
{
	int r = a->has_bpffs ? state_read(&a->state, ret, report) : -ENOENT;
	char where[NETNS_TEXT_MAX];

	if (r == -ENOENT)
		report_error(report, r,
			     "`anybind load` loads one; so does the first rule or registration.",
			     "no dispatcher is loaded in %s", netns_text(&a->ns, where));
	return r;
}

/* ---- commit ---- */

/*
 * Looks up every device. One that is missing is an error where its rules are
 * new; where they were there before, the change must not fail for it.
 */
static int resolve_devices(const struct anybind *a, struct anybind_ruleset *rs,
			   const struct anybind_ruleset *before, struct anybind_report *report)
{
	char where[NETNS_TEXT_MAX];
	int failed = 0;

	for (size_t i = 0; i < rs->n_devices; i++) {
		struct device *device = &rs->devices[i];
		int r = facts_ifindex(&a->ns, device->name);

		if (r < 0)
			return report_error(report, r, NULL, "cannot look up interface %s: %s",
					    device->name, report_errno(r));
		device->ifindex = r;
		if (r)
			continue;
		if (before && ruleset_find_device(before, device->name) >= 0)
			report_warning(report,
				       "They match nothing until it is back and any rule is "
				       "written.",
				       "interface %s is gone; rules name it", device->name);
		else
			failed = report_error(report, -ENODEV, "`ip link` lists what there is.",
					      "no interface %s in %s", device->name,
					      netns_text(&a->ns, where));
	}
	return failed;
}

static int load(struct generation *ret, struct kernel_maps *maps, const struct anybind_ruleset *rs,
		uint64_t number, struct anybind_report *report)
{
	struct compiled *compiled;
	int r = compile(&compiled, rs, report);

	if (r < 0)
		return r;
	r = kernel_load(ret, maps, compiled, number, time(NULL), report);
	compile_free(compiled);
	return r;
}

static int no_id(int code, struct anybind_report *report)
{
	if (code == -ENOSPC)
		return report_error(report, code,
				    "Remove services that are no longer used first, then add others.",
				    "the services in force and those to come are more than %d",
				    ANYBIND_SERVICES_MAX);
	return report_error(report, code, NULL, "cannot read the registry of services: %s",
			    report_errno(code));
}

static int check(const struct anybind *a, const struct registry *registry,
		 const struct anybind_ruleset *before, const struct anybind_ruleset *after,
		 bool force, struct anybind_report *report)
{
	_cleanup_free_ uint64_t *cookies = NULL;
	size_t n = 0;
	int r = registry ? members_cookies(&a->state, registry, &cookies, &n) : 0;

	if (r < 0)
		return no_id(r, report);
	return guard_commit(&a->ns, before, after, cookies, n, force, report);
}

/*
 * The first generation. Services need ids, and ids need a registry, which
 * comes with a program: where there are services, one without rules is loaded
 * and thrown away for its maps.
 */
static int create(struct anybind *a, struct anybind_ruleset *rs, struct anybind_report *report)
{
	struct generation generation = GENERATION_NONE, first = GENERATION_NONE;
	const struct anybind_ruleset none = { 0 };
	struct kernel_maps maps = KERNEL_MAPS_NONE;
	struct registry registry = { 0 };
	int r = 0;

	if (rs->n_services) {
		r = load(&first, &maps, &none, 0, report);
		if (!r) {
			r = registry_open(&registry, &maps, true);
			if (!r)
				r = registry_assign(&registry, rs);
			if (r < 0)
				no_id(r, report);
		}
		generation_close(&first);
		registry_close(&registry);
	}
	if (!r)
		r = load(&generation, &maps, rs, 1, report);
	if (!r)
		r = state_create(&a->state, &maps, &generation, a->ns.fd, report);
	generation_close(&generation);
	kernel_maps_close(&maps);
	return r;
}

/* Frees what belongs to no service of @rs. */
static void collect(const struct anybind *a, struct registry *registry,
		    const struct anybind_ruleset *rs)
{
	uint8_t held[REGISTRY_SIZE];

	if (!follows_collect(&a->state, registry, rs, held))
		members_collect(&a->state, registry, rs, held);
}

/* From @current, whose rules are @before, to @rs. */
static int replace(struct anybind *a, struct current *current, struct registry *registry,
		   const struct anybind_ruleset *before, struct anybind_ruleset *rs,
		   struct anybind_report *report)
{
	struct generation generation = GENERATION_NONE;
	int r = registry_assign(registry, rs);

	if (r == -ENOSPC) {
		/* Writers that failed or were killed may have left ids that nothing uses. */
		collect(a, registry, before);
		r = registry_assign(registry, rs);
	}
	if (r < 0)
		return no_id(r, report);
	r = load(&generation, &current->maps, rs, current->table.header->generation + 1, report);
	if (!r)
		r = state_replace(&a->state, current, &generation, report);
	if (!r)
		collect(a, registry, rs);
	generation_close(&generation);
	return r;
}

static void registry_closep(struct registry *registry)
{
	registry_close(registry);
}

static void ruleset_freep(struct anybind_ruleset **rs)
{
	anybind_ruleset_free(*rs);
}

int anybind_commit(struct anybind *a, const struct anybind_ruleset *ruleset, unsigned int flags,
		   struct anybind_report *report)
{
	_cleanup_(ruleset_freep) struct anybind_ruleset *rs = NULL, *before = NULL;
	_cleanup_(current_closep) struct current current = CURRENT_NONE;
	_cleanup_(registry_closep) struct registry registry = { 0 };
	_cleanup_(endp) struct anybind *begun = NULL;
	bool force = flags & ANYBIND_FORCE;
	int r;

	if (flags & ~(unsigned int)ANYBIND_FORCE)
		return report_error(report, -EINVAL, NULL, "unknown flags: %#x", flags);
	r = anybind_begin(a, report);
	if (r < 0)
		return r;
	begun = a;
	r = state_read(&a->state, &current, report);
	if (!r)
		r = table_ruleset(&current.table, &before, report);
	if (r < 0 && r != -ENOENT)
		return r;
	if (ruleset_copy(&rs, ruleset) < 0)
		return report_oom(report);
	r = resolve_devices(a, rs, before, report);
	if (r < 0)
		return r;
	if (!before) {
		r = check(a, NULL, NULL, rs, force, report);
		return r < 0 ? r : create(a, rs, report);
	}
	r = registry_open(&registry, &current.maps, true);
	if (r < 0)
		return no_id(r, report);
	r = check(a, &registry, before, rs, force, report);
	return r < 0 ? r : replace(a, &current, &registry, before, rs, report);
}

/* ---- load, unload, rules ---- */

int anybind_load(struct anybind *a, struct anybind_report *report)
{
	_cleanup_(current_closep) struct current current = CURRENT_NONE;
	struct anybind_ruleset none = { 0 };
	int r = anybind_begin(a, report);

	if (r < 0)
		return r;
	r = state_read(&a->state, &current, report);
	if (r == -ENOENT)
		r = create(a, &none, report);
	else if (!r)
		r = 1;
	anybind_end(a);
	return r;
}

int anybind_unload(struct anybind *a, struct anybind_report *report)
{
	int r;

	if (!a->has_bpffs)
		return 1;
	r = anybind_begin(a, report);
	if (r < 0)
		return r;
	r = state_remove(&a->state, report);
	anybind_end(a);
	return r == -ENOENT ? 1 : r;
}

int anybind_rules(struct anybind *a, struct anybind_ruleset **ret_ruleset,
		  struct anybind_report *report)
{
	_cleanup_(current_closep) struct current current = CURRENT_NONE;
	int r = dispatcher_read(a, &current, report);

	return r < 0 ? r : table_ruleset(&current.table, ret_ruleset, report);
}
