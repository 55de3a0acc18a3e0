// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "drain.h"

#include <limits.h>
#include <string.h>

void drain_release(struct drain *drain)
{
	free(drain->cookies);
	*drain = (struct drain){0};
}

static void services_freep(struct anybind_services **services)
{
	anybind_services_free(*services);
}

typedef void socket_fn(struct drain *drain, const struct anybind_socket_info *socket);

/* Calls @fn for each socket of @service. Where nothing can be listed there are none. */
static void each_socket(struct drain *drain, struct anybind *anybind, const char *service,
			socket_fn *fn)
{
	_cleanup_(services_freep) struct anybind_services *services = NULL;

	if (anybind_services(anybind, &services, NULL) < 0)
		return;
	for (size_t i = 0; i < anybind_services_count(services); i++) {
		const struct anybind_service_info *info = anybind_services_get(services, i);

		for (size_t j = 0; j < info->n_sockets && !strcmp(info->name, service); j++)
			fn(drain, &info->sockets[j]);
	}
}

static void note(struct drain *drain, const struct anybind_socket_info *socket)
{
	drain->cookies = reallocarray(drain->cookies, drain->n + 1, sizeof(*drain->cookies));
	if (!drain->cookies)
		out_of_memory();
	drain->cookies[drain->n++] = socket->cookie;
}

void drain_note(struct drain *drain, const struct context *context, struct anybind *anybind,
		const char *service)
{
	if (context->options.wait)
		each_socket(drain, anybind, service, note);
}

static void forget_active(struct drain *drain, const struct anybind_socket_info *socket)
{
	size_t n = 0;

	if (!socket->weight && !socket->standby)
		return;
	for (size_t i = 0; i < drain->n; i++)
		if (drain->cookies[i] != socket->cookie)
			drain->cookies[n++] = drain->cookies[i];
	drain->n = n;
}

int drain_wait(struct drain *drain, struct context *context, struct anybind *anybind,
	       const char *service)
{
	unsigned int wait = context->options.wait;

	if (!wait)
		return 0;
	each_socket(drain, anybind, service, note); /* those added, drained at once */
	each_socket(drain, anybind, service, forget_active);
	return anybind_wait_drained(anybind, drain->cookies, drain->n,
				    wait > UINT_MAX / 1000 ? UINT_MAX : wait * 1000,
				    context->report);
}
