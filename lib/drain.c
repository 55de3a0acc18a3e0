// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What is left in the queues of sockets that get no new flows. */
#include <errno.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "error.h"
#include "facts.h"
#include "text.h"

/* Between two looks: netlink tells states, not changes. */
#define PAUSE_MIN_MS 1
#define PAUSE_MAX_MS 50

struct draining {
	const struct netns *ns;
	uint64_t *cookies; /* sorted */
	size_t n;
	uint64_t *handshakes; /* those that were on their way at the beginning; sorted */
	size_t n_handshakes;
};

/* What one look found. */
struct left {
	size_t handshakes; /* of those */
	size_t sockets;	   /* with something in their queues */
	struct listener first;
};

static int by_number(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static bool is_in(uint64_t number, const uint64_t *sorted, size_t n)
{
	return n && bsearch(&number, sorted, n, sizeof(*sorted), by_number);
}

/* A handshake that is over has left its connection in the queue: hence first these, then those. */
static int look(const struct draining *d, struct left *ret)
{
	_cleanup_free_ struct listener *listeners = NULL;
	_cleanup_free_ uint64_t *handshakes = NULL;
	struct left left = {0};
	size_t n = 0;
	int r = d->n_handshakes ? facts_handshakes(d->ns, &handshakes, &n) : 0;

	for (size_t i = 0; i < n; i++)
		left.handshakes += is_in(handshakes[i], d->handshakes, d->n_handshakes);
	if (!r)
		r = facts_listeners(d->ns, &listeners, &n);
	for (size_t i = 0; i < n && !r; i++) {
		if (!listeners[i].queued || !is_in(listeners[i].cookie, d->cookies, d->n))
			continue;
		if (!left.sockets++)
			left.first = listeners[i];
	}
	*ret = left;
	return r;
}

static int report_left(const struct left *left, struct anybind_report *report)
{
	const struct listener *l = &left->first;
	struct sockaddr_storage address;
	char name[ENDPOINT_TEXT_MAX], more[64] = "";

	if (!left->sockets)
		return report_error(report, -ETIMEDOUT,
				    "They may be for other sockets of the namespace, too.",
				    "%zu TCP handshake%s that began before still last",
				    left->handshakes, left->handshakes == 1 ? "" : "s");
	facts_sockaddr(l->family, l->addr, l->port, &address);
	text_of_endpoint((const struct sockaddr *)&address, name);
	if (left->sockets > 1)
		snprintf(more, sizeof(more), ", and %zu more sockets something",
			 left->sockets - 1);
	return report_error(report, -ETIMEDOUT,
			    "Its program is busy or stopped; if it closes the socket now, they are "
			    "lost.",
			    l->protocol == IPPROTO_TCP
				    ? "tcp %s still holds %u connection(s) that are not accepted%s"
				    : "udp %s still holds %u bytes of datagrams that are not read%s",
			    name, l->queued, more);
}

/* Handshakes concern TCP only; a cookie does not tell. */
static int find_handshakes(struct draining *d)
{
	_cleanup_free_ struct listener *listeners = NULL;
	bool any_tcp = false;
	size_t n;
	int r = facts_listeners(d->ns, &listeners, &n);

	for (size_t i = 0; i < n && !r; i++)
		any_tcp |= listeners[i].protocol == IPPROTO_TCP &&
			   is_in(listeners[i].cookie, d->cookies, d->n);
	return r || !any_tcp ? r : facts_handshakes(d->ns, &d->handshakes, &d->n_handshakes);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int cannot_list(int code, struct anybind_report *report)
{
	return report_error(report, code, NULL, "cannot list the sockets of the namespace: %s",
			    report_errno(code));
}

static int wait_empty(const struct draining *d, uint64_t deadline, struct anybind_report *report)
{
	unsigned int pause = PAUSE_MIN_MS;
	struct left left;
	int r;

	while ((r = look(d, &left)) >= 0 && left.handshakes + left.sockets) {
		const struct timespec t = {.tv_nsec = pause * 1000000L};

		if (now_ms() >= deadline)
			return report_left(&left, report);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
		pause = 2 * pause > PAUSE_MAX_MS ? PAUSE_MAX_MS : 2 * pause;
	}
	return r < 0 ? cannot_list(r, report) : 0;
}

int anybind_wait_drained(struct anybind *a, const uint64_t cookies[], size_t n_cookies,
			 unsigned int timeout_ms, struct anybind_report *report)
{
	const uint64_t deadline = now_ms() + timeout_ms;
	_cleanup_free_ uint64_t *sorted = calloc(n_cookies + 1, sizeof(*sorted));
	struct draining d = {&a->ns, sorted, n_cookies, NULL, 0};
	int r;

	if (!sorted)
		return report_oom(report);
	if (!n_cookies)
		return 0;
	memcpy(sorted, cookies, n_cookies * sizeof(*sorted));
	qsort(sorted, n_cookies, sizeof(*sorted), by_number);
	/*
	 * Packets that were looked up before the change are delivered within one
	 * RCU grace period, which is what this waits for. Where it cannot be had
	 * (nohz_full) the first look is the earlier by some microseconds.
	 */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	r = find_handshakes(&d);
	if (r < 0)
		r = cannot_list(r, report);
	else
		r = wait_empty(&d, deadline, report);
	free(d.handshakes);
	return r;
}
