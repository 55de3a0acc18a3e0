// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Which sockets a follow is about, and whether that can be. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"
#include "following.h"
#include "sweep.h"
#include "text.h"

#define LISTED_MAX 10

/* ---- what is wanted ---- */

static int set_address(struct follow_state *state, const struct sockaddr *address,
		       struct anybind_report *report)
{
	const struct sockaddr_in6 *v6 = (const void *)address;
	const struct sockaddr_in *v4 = (const void *)address;

	state->family = address->sa_family;
	if (address->sa_family == AF_INET) {
		memcpy(state->address, &v4->sin_addr, 4);
		state->port = ntohs(v4->sin_port);
	} else if (address->sa_family == AF_INET6) {
		memcpy(state->address, &v6->sin6_addr, 16);
		state->port = ntohs(v6->sin6_port);
	} else {
		return report_error(report, -EAFNOSUPPORT, NULL,
				    "an address of a follow is of IPv4 or IPv6");
	}
	return 0;
}

static int check_options(const struct anybind_follow_options *o, struct anybind_report *report)
{
	int r = report_struct(o, sizeof(*o), "anybind_follow_options", report);

	if (r < 0)
		return r;
	if (o->weight > ANYBIND_WEIGHT_MAX)
		return report_error(report, -EINVAL, NULL, "weight %u is above %d", o->weight,
				    ANYBIND_WEIGHT_MAX);
	if (o->protocol && o->protocol != IPPROTO_TCP && o->protocol != IPPROTO_UDP)
		return report_error(report, -EPROTONOSUPPORT, NULL, "protocol %d is not TCP or UDP",
				    o->protocol);
	if (o->unit && strlen(o->unit) >= sizeof(((struct follow_state *)0)->unit))
		return report_error(report, -ENAMETOOLONG, NULL, "the unit's name is too long");
	return 0;
}

int following_describe(struct following *f)
{
	const struct anybind_follow_options *o = f->options;
	struct follow_state *state = &f->wanted.state;
	int r = check_options(o, f->report);

	if (r < 0)
		return r;
	*state = (struct follow_state){
		.layout = ANYBIND_LAYOUT,
		.netns_cookie = f->anybind->ns.cookie,
		.uid = getuid(),
		.since = (uint64_t)time(NULL),
		.cgroup_id = f->cgroup.id,
	};
	if (strlen(f->cgroup.path) >= sizeof(state->cgroup))
		return report_error(f->report, -ENAMETOOLONG, NULL,
				    "the path of the cgroup is longer than %zu bytes",
				    sizeof(state->cgroup) - 1);
	snprintf(state->cgroup, sizeof(state->cgroup), "%s", f->cgroup.path);
	snprintf(state->unit, sizeof(state->unit), "%s", o->unit ? o->unit : "");
	return o->address ? set_address(state, o->address, f->report) : 0;
}

bool following_wants(const struct following *f, uint32_t kind)
{
	const struct anybind_follow_options *o = f->options;
	bool udp = kind & FOLLOW_UDP, v6 = kind & 1;

	if (o->protocol && udp != (o->protocol == IPPROTO_UDP))
		return false;
	return v6 || f->wanted.state.family != AF_INET6;
}

/* ---- beside others ---- */

static bool same_address(const struct follow_state *a, const struct follow_state *b)
{
	return a->family == b->family && a->port == b->port &&
	       !memcmp(a->address, b->address, sizeof(a->address));
}

static bool same_kinds(const struct following *f, const struct follow_state *other)
{
	for (uint32_t kind = 0; kind < ARRAY_SIZE(other->window); kind++)
		if (following_wants(f, kind) != !!other->window[kind])
			return false;
	return true;
}

/* Is @other the same follow, though perhaps of a cgroup that was there before? */
static bool is_same(const struct following *f, const struct follow_state *other)
{
	const struct follow_state *wanted = &f->wanted.state;
	bool same_place = *wanted->unit && *other->unit ? !strcmp(wanted->unit, other->unit)
							: !strcmp(wanted->cgroup, other->cgroup);

	return same_place && same_kinds(f, other) && same_address(wanted, other);
}

/* Could one socket be both of @other and of the wanted one? */
static bool overlaps(const struct following *f, const struct follow_state *other)
{
	const struct follow_state *wanted = &f->wanted.state;
	bool shares_kind = false;

	for (uint32_t kind = 0; kind < ARRAY_SIZE(other->window); kind++)
		shares_kind |= following_wants(f, kind) && other->window[kind];
	return shares_kind &&
	       (cgroup_is_below(wanted->cgroup, other->cgroup) ||
		cgroup_is_below(other->cgroup, wanted->cgroup)) &&
	       (!wanted->family || !other->family || same_address(wanted, other));
}

int following_read_others(struct following *f)
{
	size_t n = 0;
	int r = follows_read(&f->anybind->state, &f->others, &n);

	if (r < 0)
		return following_failed(f, r);
	for (size_t i = 0; i < n; i++) {
		const struct follow *other = &f->others[i];

		if (other->state.service != f->wanted.state.service)
			continue;
		if (other->alive && !is_same(f, &other->state) && overlaps(f, &other->state))
			return report_error(f->report, -EEXIST,
					    "`anybind unfollow` ends that one.",
					    "service %s follows cgroup %s, and sockets could be of "
					    "both",
					    f->service, other->state.cgroup);
		f->others[f->n_others++] = *other;
	}
	return 0;
}

const struct follow *following_find_same(const struct following *f)
{
	for (size_t i = 0; i < f->n_others; i++)
		if (f->others[i].alive && is_same(f, &f->others[i].state) &&
		    f->others[i].state.cgroup_id == f->cgroup.id)
			return &f->others[i];
	return NULL;
}

/*
 * Which of several ports is meant cannot be guessed. What listens later is
 * another matter.
 */
static int check_ports(struct following *f, const struct listener *found, size_t n)
{
	char hint[LISTED_MAX * (ENDPOINT_TEXT_MAX + ANYBIND_NAME_MAX + 64) + 64] = "Say which:";
	uint32_t first[2] = {0};
	bool several = false;
	size_t used = strlen(hint), listed = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t *port = &first[found[i].protocol == IPPROTO_UDP];

		several |= *port && *port != found[i].port;
		*port = found[i].port;
	}
	if (!several)
		return 0;
	for (size_t i = 0; i < n && listed < LISTED_MAX; i++, listed++) {
		struct sockaddr_storage address;
		char text[ENDPOINT_TEXT_MAX];

		facts_sockaddr(found[i].family, found[i].addr, found[i].port, &address);
		text_of_endpoint((struct sockaddr *)&address, text);
		used += (size_t)snprintf(hint + used, sizeof(hint) - used,
					 "\n  anybind follow %s … %s %s", f->service,
					 found[i].protocol == IPPROTO_TCP ? "tcp" : "udp", text);
	}
	return report_error(f->report, -ENOTUNIQ, hint,
			    "sockets of cgroup %s are bound to several ports", f->cgroup.path);
}

int following_preview(struct following *f)
{
	_cleanup_free_ struct listener *found = NULL;
	struct follow_state state = f->wanted.state;
	size_t n;
	int r;

	if (state.family)
		return 0;
	for (uint32_t kind = 0; kind < ARRAY_SIZE(state.window); kind++)
		state.window[kind] = following_wants(f, kind);
	r = sweep_find(&f->anybind->ns, &state, &found, &n, f->report);
	return r < 0 ? r : check_ports(f, found, n);
}
