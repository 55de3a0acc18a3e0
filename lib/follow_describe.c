// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "follows.h"
#include "sweep.h"

/* 0: both */
static int protocol_of(const struct follow_state *state)
{
	bool tcp = state->window[FOLLOW_TCP] || state->window[FOLLOW_TCP | 1];
	bool udp = state->window[FOLLOW_UDP] || state->window[FOLLOW_UDP | 1];

	return tcp && udp ? 0 : udp ? IPPROTO_UDP : IPPROTO_TCP;
}

static void refusal_text(int error, char ret[80])
{
	const char *why = report_errno(error);

	if (error == FOLLOW_KERNEL)
		why = "a socket that the kernel made for itself";
	else if (error == FOLLOW_MPTCP)
		why = "the kernel takes no MPTCP socket";
	else if (error == -EBUSY)
		why = "something else has a hold on it, such as a REUSEPORT_SOCKARRAY map";
	snprintf(ret, 80, "%s", why);
}

/* The weight is the group's matter, and the same for every kind. */
static int read_weight(const struct anybind *a, const struct registry *registry,
		       const struct follow *follow, unsigned int *ret)
{
	for (uint32_t kind = 0; kind < ARRAY_SIZE(follow->state.window); kind++) {
		uint32_t own = SLOT(follow->state.service, 0, 0) + kind;
		struct members members;
		int r;

		if (!follow->state.window[kind])
			continue;
		r = members_read(&a->state, registry, own, &members);
		if (r < 0)
			return r;
		for (size_t i = 0; i < members.n; i++)
			if (members.v[i].slot == follow->state.window[kind])
				*ret = members.v[i].weight;
		members_free(&members);
	}
	return 0;
}

static bool is_registered(const struct registry *registry, const struct follow *follow,
			  uint64_t cookie)
{
	for (uint32_t kind = FOLLOW_UDP; kind < ARRAY_SIZE(follow->state.window); kind++) {
		uint32_t first = follow->state.window[kind];
		uint64_t there;

		for (uint32_t k = 0; first && k < WINDOW_SLOTS; k++)
			if (!kernel_slot_cookie(registry->maps.fd[MAP_SOCKETS], first + k,
						&there) &&
			    there == cookie)
				return true;
	}
	return false;
}

/* UDP sockets that another call would register. What cannot be found out is none. */
static unsigned int count_unregistered(const struct anybind *a, const struct registry *registry,
				       const struct follow *follow)
{
	_cleanup_free_ struct listener *found = NULL;
	unsigned int n = 0;
	size_t n_found = 0;

	if (!follow->alive || protocol_of(&follow->state) == IPPROTO_TCP ||
	    sweep_find(&a->ns, &follow->state, &found, &n_found, NULL) < 0)
		return 0;
	for (size_t i = 0; i < n_found; i++)
		n += found[i].protocol == IPPROTO_UDP &&
		     !is_registered(registry, follow, found[i].cookie);
	return n;
}

static void count_sockets(const struct registry *registry, const struct window *windows,
			  const struct follow *follow, struct anybind_follow_info *info)
{
	for (uint32_t kind = 0; kind < ARRAY_SIZE(follow->state.window); kind++) {
		uint32_t first = follow->state.window[kind];
		uint64_t cookie;

		if (!first)
			continue;
		for (uint32_t k = 0; k < WINDOW_SLOTS; k++)
			info->sockets += !kernel_slot_cookie(registry->maps.fd[MAP_SOCKETS],
							     first + k, &cookie);
		if (windows)
			info->crowded_out += windows[WINDOW_OF(first)].turnover;
	}
}

int follow_describe(const struct anybind *a, const struct registry *registry,
		    const struct window *windows, const struct follow *follow,
		    struct anybind_follow_info *ret, struct follow_text *text)
{
	const struct follow_state *state = &follow->state;
	struct sockaddr_storage address;

	memcpy(text->cgroup, state->cgroup, sizeof(text->cgroup));
	memcpy(text->unit, state->unit, sizeof(text->unit));
	*ret = (struct anybind_follow_info){
		.cgroup = text->cgroup,
		.cgroup_id = state->cgroup_id,
		.alive = follow->alive,
		.unit = *text->unit ? text->unit : NULL,
		.protocol = protocol_of(state),
		.since = state->since,
		.by_uid = state->uid,
		.registered = state->registered,
		.refused = state->refused,
	};
	if (state->family) {
		facts_sockaddr((int)state->family, state->address, (uint16_t)state->port, &address);
		text_of_endpoint((struct sockaddr *)&address, text->address);
		ret->address = text->address;
	}
	if (state->refused) {
		refusal_text(state->error, text->refusal);
		ret->refusal = text->refusal;
	}
	count_sockets(registry, windows, follow, ret);
	ret->unregistered = count_unregistered(a, registry, follow);
	return read_weight(a, registry, follow, &ret->weight);
}
