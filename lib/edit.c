// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Changing the rules in force: by a patch of the table where that will do. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "error.h"
#include "facts.h"
#include "guard.h"
#include "members.h"
#include "patch.h"

/* ---- all rules at once ---- */

/* @current: what is in force, NULL: nothing. */
static int edit_all(struct anybind *a, const struct current *current,
		    const struct anybind_ruleset *delta, enum anybind_edit edit,
		    unsigned int flags, struct anybind_report *report)
{
	struct anybind_ruleset *rs = NULL;
	int changed = 0, r;

	if (current)
		r = table_ruleset(&current->table, &rs, report);
	else if ((r = anybind_ruleset_new(&rs)) < 0)
		report_oom(report);
	if (!r)
		r = changed = ruleset_edit(rs, delta, edit, report);
	if (r > 0 || (!r && !current))
		r = anybind_commit(a, rs, flags, report);
	anybind_ruleset_free(rs);
	return r < 0 ? r : changed;
}

/* ---- one prefix ---- */

/* Devices that were made anew or are gone are for anybind_commit(). */
static bool same_devices(const struct anybind *a, const struct anybind_ruleset *rs)
{
	for (size_t i = 0; i < rs->n_devices; i++)
		if (!rs->devices[i].ifindex ||
		    facts_ifindex(&a->ns, rs->devices[i].name) != (int)rs->devices[i].ifindex)
			return false;
	return true;
}

static int guard(const struct anybind *a, const struct registry *registry,
		 const struct part *part, const struct generation *next, unsigned int flags,
		 struct anybind_report *report)
{
	const struct span span = { part->begin, part->n_before, part->after->n_rules };
	const struct anybind_ruleset before = table_view(part->table);
	_cleanup_free_ uint64_t *cookies = NULL;
	struct anybind_ruleset after;
	struct table table;
	size_t size, n = 0;
	void *image;
	int r = members_cookies(&a->state, registry, &cookies, &n);

	if (r < 0)
		return dispatcher_no_id(r, report);
	r = kernel_image_mmap(&next->image, &image, &size);
	if (r < 0)
		return report_error(report, r, NULL, "cannot read the new table: %s",
				    report_errno(r));
	r = table_open(&table, image, size, report);
	if (!r) {
		after = table_view(&table);
		r = guard_commit_span(&a->ns, &before, &after, &span, cookies, n,
				      flags & ANYBIND_FORCE, report);
	}
	kernel_unmap(image, size);
	return r;
}

static int load(struct anybind *a, struct current *current, struct registry *registry,
		const struct part *part, const struct patch *patch, unsigned int flags,
		struct anybind_report *report)
{
	const struct anybind_ruleset before = table_view(part->table);
	struct generation next = GENERATION_NONE;
	const struct image image = patch_image(patch);
	int r = kernel_load_image(&next, &current->maps, &image,
				  part->table->header->generation + 1, time(NULL), report);

	if (!r)
		r = guard(a, registry, part, &next, flags, report);
	if (!r)
		r = state_replace(&a->state, current, &next, report);
	dispatcher_collect(a, registry, r < 0 ? &before : part->after);
	generation_close(&next);
	return r;
}

/* -EAGAIN: not to be done so. */
static int edit_prefix(struct anybind *a, struct current *current, struct registry *registry,
		       const struct part *part, unsigned int flags, struct anybind_report *report)
{
	struct patch *p;
	int r;

	if (!same_devices(a, part->after) || registry_assign(registry, part->after) < 0 ||
	    patch(&p, part) < 0)
		return -EAGAIN;
	r = load(a, current, registry, part, p, flags, report);
	patch_free(p);
	return r < 0 ? r : 1;
}

static int edit_current(struct anybind *a, struct current *current,
			const struct anybind_ruleset *delta, enum anybind_edit edit,
			unsigned int flags, struct anybind_report *report)
{
	struct registry registry = { 0 };
	struct part part;
	int r = part_edit(&part, &current->table, delta, edit, report);

	if (r > 0) {
		r = registry_open(&registry, &current->maps, true);
		r = r < 0 ? dispatcher_no_id(r, report)
			  : edit_prefix(a, current, &registry, &part, flags, report);
		registry_close(&registry);
		part_done(&part);
	}
	return r == -EAGAIN ? edit_all(a, current, delta, edit, flags, report) : r;
}

static int edit_locked(struct anybind *a, const struct anybind_ruleset *delta,
		       enum anybind_edit edit, unsigned int flags, struct anybind_report *report)
{
	struct current current = CURRENT_NONE;
	int r = state_read(&a->state, &current, report);

	if (r == -ENOENT && edit == ANYBIND_REMOVE)
		r = dispatcher_read(a, &current, report); /* says so */
	else if (r == -ENOENT)
		r = edit_all(a, NULL, delta, edit, flags, report);
	else if (!r)
		r = edit_current(a, &current, delta, edit, flags, report);
	current_close(&current);
	return r;
}

int anybind_edit(struct anybind *a, const struct anybind_ruleset *delta, enum anybind_edit edit,
		 unsigned int flags, struct anybind_report *report)
{
	int r;

	if (flags & ~(unsigned int)ANYBIND_FORCE)
		return report_error(report, -EINVAL, NULL, "unknown flags: %#x", flags);
	if (edit != ANYBIND_ADD && edit != ANYBIND_REPLACE && edit != ANYBIND_REMOVE)
		return report_error(report, -EINVAL, NULL, "unknown edit: %d", (int)edit);
	r = anybind_begin(a, report);
	if (r < 0)
		return r;
	r = edit_locked(a, delta, edit, flags, report);
	anybind_end(a);
	return r;
}
