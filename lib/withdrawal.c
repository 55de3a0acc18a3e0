// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sockets out of a service's slots. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "error.h"
#include "members.h"
#include "registration.h"

/* What a withdrawal works on: one family and protocol of a service. */
struct withdrawal {
	const struct anybind *anybind;
	const struct registry *registry;
	struct pool *pool;
	uint32_t own;
	uint64_t cookie; /* 0: any */
	bool followed;	 /* out: a follow had registered one of them */
};

/* Is it to be taken out of @slot? */
static bool is_wanted(const struct withdrawal *w, uint32_t slot)
{
	uint64_t cookie;

	return !w->cookie ||
	       (!kernel_slot_cookie(w->registry->maps.fd[MAP_SOCKETS], slot, &cookie) &&
		cookie == w->cookie);
}

/* A follow stays, with whatever it finds later. */
static bool stays(const struct member *member, void *data)
{
	return member->window || !is_wanted(data, member->slot);
}

static int empty_window(struct withdrawal *w, const struct member *member)
{
	uint64_t cookie;
	int n = 0;

	for (uint32_t slot = member->slot; slot < member->slot + WINDOW_SLOTS; slot++)
		if (!kernel_slot_cookie(w->registry->maps.fd[MAP_SOCKETS], slot, &cookie) &&
		    is_wanted(w, slot)) {
			pool_empty(w->pool, w->registry, slot);
			n++;
		}
	w->followed |= n > 0;
	return n;
}

/* Takes away what @after, the same without those that go, does not have. */
static int publish(struct withdrawal *w, const struct members *before, const struct members *after)
{
	const struct state *state = &w->anybind->state;
	int r = 0;

	if (before->is_group)
		r = after->n ? members_publish(state, w->registry, w->own, after)
			     : members_dissolve(state, w->registry, w->own);
	for (size_t i = 0; i < before->n && !r; i++)
		if (!stays(&before->v[i], w))
			pool_release(w->pool, w->registry, before->v[i].slot);
	return r;
}

/* Returns how many went. */
static int withdraw(struct withdrawal *w)
{
	const struct state *state = &w->anybind->state;
	struct members before, after;
	int r = members_read(state, w->registry, w->own, &before), n = 0;

	if (r < 0)
		return r;
	r = members_read(state, w->registry, w->own, &after);
	if (r < 0) {
		members_free(&before);
		return r;
	}
	members_filter(&after, stays, w);
	if (before.n > after.n)
		r = publish(w, &before, &after);
	if (!r)
		n = (int)(before.n - after.n);
	for (size_t i = 0; i < after.n && !r; i++)
		if (after.v[i].window)
			n += empty_window(w, &after.v[i]);
	members_free(&before);
	members_free(&after);
	return r < 0 ? r : n;
}

static int clear(const struct anybind *a, const struct registry *registry, uint32_t id,
		 int protocol, int family, uint64_t cookie, struct anybind_report *report)
{
	struct pool pool = {0};
	struct withdrawal w = {a, registry, &pool, .cookie = cookie};
	int r = pool_open(&pool, &a->state, registry), n = 0;

	for (unsigned int udp = 0; udp < 2; udp++)
		for (unsigned int v6 = 0; v6 < 2 && r >= 0; v6++) {
			if ((protocol && (protocol == IPPROTO_UDP) != udp) ||
			    (family && (family == AF_INET6) != v6))
				continue;
			w.own = SLOT(id, udp, v6);
			r = withdraw(&w);
			n += r > 0 ? r : 0;
		}
	pool_close(&pool);
	if (r < 0)
		return report_error(report, r, NULL, "cannot unregister: %s", report_errno(r));
	if (w.followed)
		report_warning(report, "`anybind unfollow` ends that.",
			       "the service still follows a cgroup: what listens there from now on "
			       "is registered again");
	return n;
}

int anybind_unregister(struct anybind *a, const char *service, int protocol, int family,
		       uint64_t cookie, struct anybind_report *report)
{
	struct current current = CURRENT_NONE;
	struct registry registry = {0};
	int r = registration_check_name(service, report);

	if (r < 0)
		return r;
	if (!a->has_bpffs) /* says that nothing is loaded */
		return dispatcher_read(a, &current, report);
	r = anybind_begin(a, report);
	if (r < 0)
		return r;
	r = registration_find(a, service, &current, &registry, report);
	if (r >= 0)
		r = clear(a, &registry, r, protocol, family, cookie, report);
	if (!r && cookie)
		r = report_error(report, -ENOENT, "`anybind services` lists what there is.",
				 "service %s has no such socket with cookie %" PRIu64, service,
				 cookie);
	else if (!r)
		r = report_error(report, -ENOENT, "`anybind services` lists what there is.",
				 "service %s has no such socket", service);
	registry_close(&registry);
	current_close(&current);
	anybind_end(a);
	return r;
}
