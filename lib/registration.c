// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sockets into a service's slots, and out of them. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "cleanup.h"
#include "dispatcher.h"
#include "error.h"
#include "registry.h"
#include "socket.h"
#include "text.h"

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

static int check_name(const char *service, struct anybind_report *report)
{
	char quoted[QUOTED_MAX];

	if (text_is_name(service, strlen(service)))
		return 0;
	return report_error(report, -EINVAL,
			    "Names are 1 to 64 of letters, digits, '.', '_', '-', '@' and ':'.",
			    "%s is no name for a service",
			    text_quote(service, strlen(service), quoted));
}

/* Makes sure that the rules in force declare @service. */
static int declare(struct anybind *a, const char *service, struct anybind_report *report)
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
		r = anybind_ruleset_parse_words(&declaration, ARRAY_SIZE(words), words, report);
		if (!r)
			r = anybind_ruleset_add(rs, declaration, false, report);
		if (r >= 0)
			r = anybind_commit(a, rs, 0, report);
	}
	anybind_ruleset_free(declaration);
	anybind_ruleset_free(rs);
	return r;
}

static int insert(const struct anybind *a, const struct registry *registry, uint32_t id,
		  const struct anybind_sockets *sockets, struct anybind_report *report)
{
	for (size_t i = 0; i < sockets->n; i++) {
		const struct sock *s = &sockets->socks[i];
		uint32_t slot = SLOT(id, s->info.protocol == IPPROTO_UDP,
				     s->info.family == AF_INET6);
		int r = socket_insert(&a->ns, registry->maps.sockets, slot, s, report);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Opens the registry of the dispatcher in force and finds @service in it. */
static int find(struct anybind *a, const char *service, struct current *current,
		struct registry *registry, struct anybind_report *report)
{
	int r = dispatcher_read(a, current, report);

	if (r < 0)
		return r;
	r = registry_open(registry, &current->maps, false);
	if (r < 0)
		return report_error(report, r, NULL, "cannot read the registry of services: %s",
				    strerrordesc_np(-r));
	r = registry_find(registry, service);
	if (r < 0)
		report_error(report, r, "`anybind services` lists what there is.",
			     "no service %s", service);
	return r;
}

int anybind_register(struct anybind *a, const char *service, const struct anybind_sockets *sockets,
		     struct anybind_report *report)
{
	struct current current = CURRENT_NONE;
	struct registry registry = { 0 };
	int r = check_name(service, report);

	if (r < 0)
		return r;
	r = anybind_begin(a, report);
	if (r < 0)
		return r;
	r = declare(a, service, report);
	if (!r)
		r = find(a, service, &current, &registry, report);
	if (r >= 0)
		r = insert(a, &registry, r, sockets, report);
	registry_close(&registry);
	current_close(&current);
	anybind_end(a);
	return r;
}

static int clear(const struct registry *registry, uint32_t id, int protocol, int family,
		 struct anybind_report *report)
{
	int n = 0;

	for (unsigned int udp = 0; udp < 2; udp++)
		for (unsigned int v6 = 0; v6 < 2; v6++) {
			int r;

			if ((protocol && (protocol == IPPROTO_UDP) != udp) ||
			    (family && (family == AF_INET6) != v6))
				continue;
			r = kernel_slot_clear(registry->maps.sockets, SLOT(id, udp, v6));
			if (r < 0 && r != -ENOENT)
				return report_error(report, r, NULL, "cannot unregister: %s",
						    strerrordesc_np(-r));
			n += !r;
		}
	return n;
}

int anybind_unregister(struct anybind *a, const char *service, int protocol, int family,
		       struct anybind_report *report)
{
	struct current current = CURRENT_NONE;
	struct registry registry = { 0 };
	int r = check_name(service, report);

	if (r < 0)
		return r;
	if (!a->has_bpffs) /* says that nothing is loaded */
		return dispatcher_read(a, &current, report);
	r = anybind_begin(a, report);
	if (r < 0)
		return r;
	r = find(a, service, &current, &registry, report);
	if (r >= 0)
		r = clear(&registry, r, protocol, family, report);
	if (!r)
		r = report_error(report, -ENOENT, "`anybind services` lists what there is.",
				 "service %s has no such socket", service);
	registry_close(&registry);
	current_close(&current);
	anybind_end(a);
	return r;
}

