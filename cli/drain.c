// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "drain.h"

#include <limits.h>
#include <string.h>

void cookies_release(struct cookies *cookies)
{
	free(cookies->v);
	*cookies = (struct cookies){0};
}

static void services_freep(struct anybind_services **services)
{
	anybind_services_free(*services);
}

static void add(struct cookies *cookies, uint64_t cookie)
{
	cookies->v = reallocarray(cookies->v, cookies->n + 1, sizeof(*cookies->v));
	if (!cookies->v)
		out_of_memory();
	cookies->v[cookies->n++] = cookie;
}

/* Adds the sockets of @service to @all, and to @active those that may get new flows. */
static void list_sockets(struct anybind *anybind, const char *service, struct cookies *all,
			 struct cookies *active)
{
	_cleanup_(services_freep) struct anybind_services *services = NULL;

	/* Where nothing can be listed there are none. */
	if (anybind_services(anybind, &services, NULL) < 0)
		return;
	for (size_t i = 0; i < anybind_services_count(services); i++) {
		const struct anybind_service_info *info = anybind_services_get(services, i);

		for (size_t j = 0; j < info->n_sockets && !strcmp(info->name, service); j++) {
			const struct anybind_socket_info *socket = &info->sockets[j];

			add(all, socket->cookie);
			if (active && (socket->weight || socket->standby))
				add(active, socket->cookie);
		}
	}
}

void drain_note(struct cookies *noted, const struct context *context, struct anybind *anybind,
		const char *service)
{
	if (context->options.wait)
		list_sockets(anybind, service, noted, NULL);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Takes those of @active out of @cookies. */
static void subtract(struct cookies *cookies, struct cookies *active)
{
	size_t n = 0;

	if (!active->n)
		return;
	qsort(active->v, active->n, sizeof(*active->v), by_number);
	for (size_t i = 0; i < cookies->n; i++)
		if (!bsearch(&cookies->v[i], active->v, active->n, sizeof(*active->v), by_number))
			cookies->v[n++] = cookies->v[i];
	cookies->n = n;
}

int drain_wait(struct cookies *noted, struct context *context, struct anybind *anybind,
	       const char *service)
{
	_cleanup_(cookies_release) struct cookies active = {0};
	unsigned int wait = context->options.wait;

	if (!wait)
		return 0;
	list_sockets(anybind, service, noted, &active); /* also what was added drained */
	subtract(noted, &active);
	return anybind_wait_drained(anybind, noted->v, noted->n,
				    wait > UINT_MAX / 1000 ? UINT_MAX : wait * 1000,
				    context->report);
}
