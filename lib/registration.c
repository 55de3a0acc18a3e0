// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Registering sockets. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "error.h"
#include "insertion.h"
#include "members.h"
#include "registration.h"
#include "socket.h"
#include "text.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int anybind_sockets_of_pid(struct anybind *a, struct anybind_sockets **ret_sockets, pid_t pid,
			   int protocol, const struct sockaddr *address,
			   struct anybind_report *report)
{
	return socket_of_pid(&a->ns, ret_sockets, pid, protocol, address, report);
}

int anybind_sockets_of_fds(struct anybind *a, struct anybind_sockets **ret_sockets,
			   const int fds[], size_t n_fds, struct anybind_report *report)
{
	return socket_of_fds(&a->ns, ret_sockets, fds, n_fds, report);
}

int anybind_sockets_of_cookie(struct anybind *a, struct anybind_sockets **ret_sockets,
			      uint64_t cookie, struct anybind_report *report)
{
	return socket_of_cookie(&a->ns, ret_sockets, cookie, report);
}

int anybind_sockets_listening(struct anybind *a, struct anybind_sockets **ret_sockets, int protocol,
			      const struct sockaddr *address, struct anybind_report *report)
{
	return socket_listening(&a->ns, ret_sockets, protocol, address, report);
}

int registration_check_name(const char *service, struct anybind_report *report)
{
	char quoted[QUOTED_MAX];

	if (text_is_name(service, strlen(service)))
		return 0;
	return report_error(report, -EINVAL,
			    "Names are 1 to 64 of letters, digits, '.', '_', '-', '@' and ':'.",
			    "%s is no name for a service",
			    text_quote(service, strlen(service), quoted));
}

/*
 * They were found by way of a handle, but perhaps not of this one: the kernel
 * would take a socket of another namespace, and TCP would hang.
 */
static int check_netns(const struct anybind *a, const struct anybind_sockets *sockets,
		       struct anybind_report *report)
{
	for (size_t i = 0; i < sockets->n; i++) {
		const struct sock *s = &sockets->socks[i];
		char where[NETNS_TEXT_MAX];
		uint64_t cookie;
		socklen_t len = sizeof(cookie);

		if (s->fd < 0)
			continue; /* known by cookie: looked for in this namespace only */
		if (getsockopt(s->fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
			return report_error(report, -errno, NULL,
					    "cannot ask for the namespace of %s: %m", s->address);
		if (cookie != a->ns.cookie)
			return report_error(report, -EXDEV, NULL, "the socket %s is not in %s",
					    s->address, netns_text(&a->ns, where));
	}
	return 0;
}

/* What the kernel refuses must not leave a declaration behind. */
static int try_out(const struct anybind_sockets *sockets, struct anybind_report *report)
{
	for (size_t i = 0; i < sockets->n; i++) {
		const struct sock *sock = &sockets->socks[i];
		int r = sock->fd < 0 ? 0 : kernel_try_socket(sock->fd); /* else it was tried out */

		for (size_t k = 0; k < sock->n_mates && sock->fd >= 0 && !r; k++)
			r = kernel_try_socket(sock->mates[k]);
		if (r < 0)
			return socket_insert_refused(r, sock->address, report);
	}
	return 0;
}

int registration_declare(struct anybind *a, const char *service,
			 const struct anybind_sockets *sockets, struct anybind_report *report)
{
	char *words[] = { (char *)"service", (char *)service };
	struct anybind_ruleset *rs = NULL, *declaration = NULL;
	struct current current = CURRENT_NONE;
	int r = state_read(&a->state, &current, report);

	if (!r)
		r = table_ruleset(&current.table, &rs, report);
	else if (r == -ENOENT)
		r = anybind_ruleset_new(&rs);
	current_close(&current);
	if (!r && ruleset_find_service(rs, service) < 0) {
		r = sockets ? try_out(sockets, report) : 0;
		if (!r)
			r = anybind_ruleset_parse_words(&declaration, ARRAY_SIZE(words), words,
							report);
		if (!r)
			r = anybind_ruleset_add(rs, declaration, false, report);
		if (r >= 0)
			r = anybind_commit(a, rs, 0, report);
	}
	anybind_ruleset_free(declaration);
	anybind_ruleset_free(rs);
	return r;
}

int registration_find(struct anybind *a, const char *service, struct current *current,
		      struct registry *registry, struct anybind_report *report)
{
	int r = dispatcher_read(a, current, report);

	if (r < 0)
		return r;
	r = registry_open(registry, &current->maps, false);
	if (r < 0)
		return report_error(report, r, NULL, "cannot read the registry of services: %s",
				    report_errno(r));
	r = registry_find(registry, service);
	if (r < 0)
		report_error(report, r, "`anybind services` lists what there is.",
			     "no service %s", service);
	return r;
}

static int check_options(const struct anybind_register_options *options,
			 struct anybind_report *report)
{
	int r = report_struct(options, sizeof(*options), "anybind_register_options", report);

	if (r < 0 || options->weight <= ANYBIND_WEIGHT_MAX)
		return r;
	return report_error(report, -EINVAL, NULL, "weight %u is above %d", options->weight,
			    ANYBIND_WEIGHT_MAX);
}

int anybind_register(struct anybind *a, const char *service, const struct anybind_sockets *sockets,
		     const struct anybind_register_options *options, struct anybind_report *report)
{
	const struct anybind_register_options defaults = {.size = sizeof(defaults)};
	struct current current = CURRENT_NONE;
	struct registry registry = { 0 };
	int r = registration_check_name(service, report);

	if (!options)
		options = &defaults;
	if (!r)
		r = check_options(options, report);
	if (!r)
		r = check_netns(a, sockets, report);
	if (r < 0)
		return r;
	r = anybind_begin(a, report);
	if (r < 0)
		return r;
	r = registration_declare(a, service, sockets, report);
	if (!r)
		r = registration_find(a, service, &current, &registry, report);
	if (r >= 0)
		r = insertion_run(a, &registry, r, sockets, options, report);
	registry_close(&registry);
	current_close(&current);
	anybind_end(a);
	return r;
}
