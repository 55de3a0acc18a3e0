// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Following a cgroup, and no more. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "following.h"
#include "kernel_follow.h"
#include "registration.h"
#include "sweep.h"

static void following_end(struct following *f)
{
	free(f->others);
	pool_close(&f->pool);
	registry_close(&f->registry);
	current_close(&f->current);
	cgroup_close(&f->cgroup);
}

int following_failed(const struct following *f, int code)
{
	if (code == -ENOSPC)
		return report_error(f->report, code,
				    "End follows and unregister sockets that are no longer needed.",
				    "no room for the sockets of one more follow: %d slots are taken",
				    SLOTS_POOL);
	return report_error(f->report, code, NULL, "cannot follow cgroup %s: %s", f->cgroup.path,
			    report_errno(code));
}

/* ---- members ---- */

static unsigned int wanted_weight(const struct following *f)
{
	return f->options->drain ? 0 : f->options->weight ? f->options->weight : 1;
}

/* The window @first as a member of the own slot @own, with the wanted weight. */
static int put_window(const struct following *f, uint32_t own, uint32_t first)
{
	const struct state *state = &f->anybind->state;
	const struct member window = {.slot = first, .weight = wanted_weight(f), .window = true};
	struct members members;
	bool there = false;
	int r = members_read(state, &f->registry, own, &members);

	if (r < 0)
		return r;
	for (size_t i = 0; i < members.n; i++)
		if (members.v[i].window && members.v[i].slot == first) {
			members.v[i].weight = window.weight;
			there = true;
		}
	if (!there)
		r = members_add(&members, &window);
	if (!r)
		r = members_publish(state, &f->registry, own, &members);
	members_free(&members);
	return r;
}

static int put_windows(const struct following *f, const struct follow_state *state)
{
	int r = 0;

	for (uint32_t kind = 0; kind < ARRAY_SIZE(state->window) && !r; kind++)
		if (state->window[kind])
			r = put_window(f, SLOT(state->service, 0, 0) + kind, state->window[kind]);
	return r;
}

static bool is_in_window(const struct following *f, uint32_t first, uint64_t cookie)
{
	uint64_t there;

	for (uint32_t i = 0; i < WINDOW_SLOTS; i++)
		if (!kernel_slot_cookie(f->registry.maps.fd[MAP_SOCKETS], first + i, &there) &&
		    there == cookie)
			return true;
	return false;
}

struct moving {
	const struct following *f;
	uint32_t first;
};

/* Not a socket that the follow has now. */
static bool stays(const struct member *member, void *data)
{
	const struct moving *m = data;
	uint64_t cookie;

	return member->window || kernel_slot_cookie(m->f->registry.maps.fd[MAP_SOCKETS],
						    member->slot, &cookie) < 0 ||
	       !is_in_window(m->f, m->first, cookie);
}

/*
 * A socket that was registered otherwise and is the follow's now would count
 * twice.
 */
static int take_over(struct following *f, uint32_t own, uint32_t first)
{
	const struct state *state = &f->anybind->state;
	struct moving moving = {f, first};
	struct members before, after;
	int r = members_read(state, &f->registry, own, &before);

	if (r < 0)
		return r;
	r = members_read(state, &f->registry, own, &after);
	if (r < 0) {
		members_free(&before);
		return r;
	}
	members_filter(&after, stays, &moving);
	if (after.n < before.n)
		r = members_publish(state, &f->registry, own, &after);
	for (size_t i = 0; i < before.n && after.n < before.n && !r; i++)
		if (!stays(&before.v[i], &moving))
			pool_release(&f->pool, &f->registry, before.v[i].slot);
	members_free(&before);
	members_free(&after);
	return r;
}

/* ---- a follow ---- */

static int take_windows(struct following *f)
{
	struct follow_state *state = &f->wanted.state;
	int r = 0;

	for (uint32_t kind = 0; kind < ARRAY_SIZE(state->window) && !r; kind++)
		if (following_wants(f, kind))
			r = window_take(&f->pool, &f->registry, &state->window[kind]);
	return r;
}

static int attach(const struct following *f, int program)
{
	_cleanup_close_ int link = kernel_follow_attach(program, f->cgroup.fd);
	int r;

	if (link == -EPERM)
		return report_error(f->report, link,
				    "Another program there was attached so as to be the only one; "
				    "or CAP_NET_ADMIN is missing.",
				    "not permitted to attach a program to cgroup %s",
				    f->cgroup.path);
	if (link == -ENOENT || link == -ENODEV)
		return report_error(f->report, -ENOENT, NULL, "the cgroup %s was just removed",
				    f->cgroup.path);
	if (link < 0)
		return following_failed(f, link);
	r = state_commit_follow(&f->anybind->state, f->wanted.id, link);
	return r < 0 ? following_failed(f, r) : 0;
}

/*
 * First the state, so that a kill leaves something to be undone by; then the
 * windows, which are empty and so change nothing; then the link, from which on
 * it is in force.
 */
static int make(struct following *f)
{
	_cleanup_close_ int program = -1, map = -1;
	int r = take_windows(f);

	if (r < 0)
		return following_failed(f, r);
	r = kernel_follow_load(&f->wanted.state, &f->current.maps, &program, &map, f->report);
	if (r < 0)
		return r;
	r = state_prepare_follow(&f->anybind->state, map, &f->wanted.id);
	if (r < 0)
		return following_failed(f, r);
	r = put_windows(f, &f->wanted.state);
	r = r < 0 ? following_failed(f, r) : attach(f, program);
	if (r < 0)
		follow_end(&f->anybind->state, &f->registry, &f->pool, &f->wanted);
	return r;
}

/* Those whose cgroup is gone, and whose sockets are: this one takes their place. */
static int end_gone(struct following *f)
{
	for (size_t i = 0; i < f->n_others; i++) {
		const struct follow *other = &f->others[i];
		int r;

		if (other->alive || follow_any_open(&f->registry, other))
			continue;
		r = follow_end(&f->anybind->state, &f->registry, &f->pool, other);
		if (r < 0)
			return following_failed(f, r);
	}
	return 0;
}

static int count_open(const struct following *f)
{
	uint64_t cookie;
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(f->wanted.state.window); i++) {
		uint32_t first = f->wanted.state.window[i];

		for (uint32_t k = 0; first && k < WINDOW_SLOTS; k++)
			n += !kernel_slot_cookie(f->registry.maps.fd[MAP_SOCKETS], first + k,
						 &cookie);
	}
	return n;
}

static int sweep(struct following *f)
{
	const struct follow_state *state = &f->wanted.state;
	const struct sweep sweep = {&f->anybind->ns, &f->registry, &f->pool, state,
				    sweep_needs_descriptors()};
	_cleanup_free_ struct listener *found = NULL;
	size_t n;
	int r = sweep_find(&f->anybind->ns, state, &found, &n, f->report);

	if (!r)
		r = sweep_insert(&sweep, found, n, f->report);
	for (uint32_t kind = 0; kind < ARRAY_SIZE(state->window) && !r; kind++) {
		if (!state->window[kind])
			continue;
		r = take_over(f, SLOT(state->service, 0, 0) + kind, state->window[kind]);
		if (r < 0)
			following_failed(f, r);
	}
	return r;
}

static int follow(struct following *f)
{
	const struct follow *same;
	int r = registration_find(f->anybind, f->service, &f->current, &f->registry, f->report);

	if (r < 0)
		return r;
	f->wanted.state.service = r;
	r = pool_open(&f->pool, &f->anybind->state, &f->registry);
	if (r < 0)
		return following_failed(f, r);
	r = following_read_others(f);
	if (r < 0)
		return r;
	same = following_find_same(f);
	if (same) {
		f->wanted = *same;
		if (f->options->weight || f->options->drain)
			r = put_windows(f, &f->wanted.state);
		if (r < 0)
			return following_failed(f, r);
	} else {
		r = end_gone(f);
		if (!r)
			r = make(f);
	}
	if (r < 0)
		return r;
	r = sweep(f);
	if (r < 0 && !same)
		follow_end(&f->anybind->state, &f->registry, &f->pool, &f->wanted);
	return r < 0 ? r : count_open(f);
}

int anybind_follow(struct anybind *a, const char *service, const char *cgroup,
		   const struct anybind_follow_options *options, struct anybind_report *report)
{
	const struct anybind_follow_options defaults = {.size = sizeof(defaults)};
	struct following f = {.anybind = a,
			      .service = service,
			      .options = options ? options : &defaults,
			      .report = report,
			      .cgroup = CGROUP_NONE,
			      .current = CURRENT_NONE};
	int r = registration_check_name(service, report);

	if (!r)
		r = cgroup_open(&f.cgroup, cgroup, report);
	if (!r)
		r = following_describe(&f);
	if (!r)
		r = following_preview(&f);
	if (!r && !(r = anybind_begin(a, report))) {
		r = registration_declare(a, service, NULL, report);
		if (!r)
			r = follow(&f);
		following_end(&f);
		anybind_end(a);
		return r;
	}
	following_end(&f);
	return r;
}

/* ---- no more ---- */

/* Does the caller mean this one? */
static bool is_meant(const struct follow *follow, const char *cgroup, const char *unit)
{
	if (unit)
		return !strcmp(follow->state.unit, unit);
	return !cgroup || !strcmp(follow->state.cgroup, cgroup);
}

static int end_all(struct following *f, const char *cgroup, const char *unit)
{
	int r = registration_find(f->anybind, f->service, &f->current, &f->registry, f->report);
	int n = 0;

	if (r < 0)
		return r;
	f->wanted.state.service = r;
	r = pool_open(&f->pool, &f->anybind->state, &f->registry);
	if (!r)
		r = follows_read(&f->anybind->state, &f->others, &f->n_others);
	for (size_t i = 0; i < f->n_others && r >= 0; i++) {
		if (f->others[i].state.service != f->wanted.state.service ||
		    !is_meant(&f->others[i], cgroup, unit))
			continue;
		r = follow_end(&f->anybind->state, &f->registry, &f->pool, &f->others[i]);
		n++;
	}
	if (r < 0)
		return report_error(f->report, r, NULL, "cannot end a follow: %s", report_errno(r));
	if (!n)
		return report_error(f->report, -ENOENT, "`anybind services` shows who follows what.",
				    "service %s follows no such cgroup", f->service);
	return n;
}

int anybind_unfollow(struct anybind *a, const char *service, const char *cgroup, const char *unit,
		     struct anybind_report *report)
{
	struct following f = {.anybind = a,
			      .service = service,
			      .report = report,
			      .cgroup = CGROUP_NONE,
			      .current = CURRENT_NONE};
	int r = registration_check_name(service, report);

	if (r < 0)
		return r;
	if (!a->has_bpffs) /* says that nothing is loaded */
		return dispatcher_read(a, &f.current, report);
	/* A cgroup that is gone can only be named as it was. */
	if (cgroup && !cgroup_open(&f.cgroup, cgroup, NULL))
		cgroup = f.cgroup.path;
	r = anybind_begin(a, report);
	if (!r) {
		r = end_all(&f, cgroup, unit);
		anybind_end(a);
	}
	following_end(&f);
	return r;
}
