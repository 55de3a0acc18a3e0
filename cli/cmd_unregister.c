// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <string.h>

#include "commands.h"
#include "context.h"
#include "drain.h"
#include "show.h"
#include "word.h"

static void services_freep(struct anybind_services **services)
{
	anybind_services_free(*services);
}

/* Those of a service that are meant; 0: any. */
struct which {
	int protocol, family;
	uint64_t cookie;
};

/* By its cookie only a socket that is open is found. */
static bool is_meant(const struct which *which, const struct anybind_socket_info *socket)
{
	return (!which->protocol || socket->protocol == which->protocol) &&
	       (!which->family || socket->family == which->family) &&
	       (!which->cookie || (socket->cookie == which->cookie &&
				   socket->state != ANYBIND_SOCKET_GONE));
}

/* The sockets that will go; those that cannot be looked at are only counted. */
static json_t *find_sockets(struct anybind *anybind, const char *name, const struct which *which)
{
	_cleanup_(services_freep) struct anybind_services *services = NULL;
	json_t *list = must(json_array());

	if (anybind_services(anybind, &services, NULL) < 0)
		return list;
	for (size_t i = 0; i < anybind_services_count(services); i++) {
		const struct anybind_service_info *service = anybind_services_get(services, i);

		if (strcmp(service->name, name))
			continue;
		for (size_t j = 0; j < service->n_sockets; j++)
			if (is_meant(which, &service->sockets[j]))
				json_add(list, socket_document(&service->sockets[j]));
	}
	return list;
}

static int read_which(struct context *context, struct which *ret)
{
	const struct options *options = &context->options;

	if (options->ipv4 && options->ipv6)
		return context_usage(context, "unregister: -4 and -6 exclude each other; without "
					      "them both are meant");
	ret->family = options->ipv4 ? AF_INET : options->ipv6 ? AF_INET6 : 0;
	if (context->argc > 1 && word_protocol(context->argv[1], &ret->protocol) < 0)
		return context_usage(context, "unregister: \"%s\" is neither tcp nor udp",
				     context->argv[1]);
	return context_cookie(context, &ret->cookie);
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_(cookies_release) struct cookies noted = {0};
	const char *name = context->argv[0];
	struct which which = {0};
	json_t *result, *list;
	int r = read_which(context, &which);

	if (r < 0)
		return r;
	r = context_begin(context, &anybind);
	if (r < 0)
		return r;
	drain_note(&noted, context, anybind, name);
	list = find_sockets(anybind, name, &which);
	r = anybind_unregister(anybind, name, which.protocol, which.family, which.cookie,
			       context->report);
	anybind_end(anybind);
	if (r < 0) {
		json_decref(list);
		return r;
	}
	result = context_changed(context, true);
	json_put(result, "service", json_text(name));
	json_put(result, "unregistered", must(json_integer(r)));
	json_put(result, "sockets", list);
	context->output.result = result;
	return drain_wait(&noted, context, anybind, name);
}

static void print(const json_t *result)
{
	const char *service = json_member(result, "service");
	const json_t *socket, *list = json_object_get(result, "sockets");
	size_t i, n = json_number(result, "unregistered"), known = json_array_size(list);

	json_array_foreach (list, i, socket) {
		print_text("%s: unregistered ", service);
		socket_print(socket);
		print_end();
	}
	if (n > known)
		print_line("%s: unregistered %zu socket%s that could not be looked at", service,
			   n - known, plural(n - known));
}

const struct command cmd_unregister = {
	.name = "unregister",
	.group = "Sockets",
	.arguments = "SERVICE [PROTO] [-4|-6] [--cookie N]",
	.summary = "take a service's sockets away",
	.description =
		"Takes back the registration of a service's sockets. The sockets themselves stay "
		"open, and connections that exist go on. Rules for the service stay; without a "
		"usable socket they do what `anybind service` says. If there is nothing to take "
		"back, that is an error.",
	.words =
		(const struct word_row[]){
			{"SERVICE", "The service."},
			{"PROTO", "Only `tcp` or only `udp`; without it both."},
			{NULL},
		},
	.options =
		(const struct option_row[]){
			{"ipv4", '4', OPTION_FLAG, NULL, "Only IPv4 sockets.", OPTION(ipv4)},
			{"ipv6", '6', OPTION_FLAG, NULL, "Only IPv6 sockets.", OPTION(ipv6)},
			{"cookie", 0, OPTION_TEXT, "N",
			 "Only the socket with this cookie, in decimal, or in hexadecimal after 0x; "
			 "`anybind services` shows it. The service's other sockets stay and share "
			 "its flows.",
			 OPTION(cookie)},
			OPTION_WAIT_ROW,
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"anybind unregister web", "All of them."},
			{"anybind unregister dns udp -6", "Those of one kind."},
			{"anybind unregister web --cookie 4711 --wait 30",
			 "One of several, which can then be closed without loss."},
			{NULL},
		},
	.complete = "tcp udp",
	.min_words = 1,
	.max_words = 2,
	.run = run,
	.print = print,
};
