// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "context.h"
#include "follow.h"
#include "show.h"
#include "statement.h"

static void services_freep(struct anybind_services **services)
{
	anybind_services_free(*services);
}

static json_t *counters_document(const struct anybind_counters *counters)
{
	json_t *document = must(json_object());

	json_put(document, "steered", must(json_integer(counters->steered)));
	json_put(document, "missing", must(json_integer(counters->missing)));
	json_put(document, "eafnosupport", must(json_integer(counters->eafnosupport)));
	json_put(document, "eprototype", must(json_integer(counters->eprototype)));
	json_put(document, "esocktnosupport", must(json_integer(counters->esocktnosupport)));
	json_put(document, "other", must(json_integer(counters->other)));
	return document;
}

static json_t *follows_document(const struct anybind_service_info *service)
{
	json_t *list = must(json_array());

	for (size_t i = 0; i < service->n_follows; i++)
		json_add(list, follow_document(&service->follows[i]));
	return list;
}

static json_t *service_document(const struct anybind_service_info *service)
{
	json_t *document = must(json_object()), *sockets = must(json_array());

	for (size_t i = 0; i < service->n_sockets; i++)
		json_add(sockets, member_document(&service->sockets[i]));
	json_put(document, "name", json_text(service->name));
	json_put(document, "missing", json_text(missing_name(service->missing_pass)));
	json_put(document, "fallback", json_text(service->fallback));
	json_put(document, "rules", must(json_integer(service->rules)));
	json_put(document, "sockets", sockets);
	json_put(document, "follows", follows_document(service));
	json_put(document, "counters", counters_document(&service->counters));
	return document;
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_(services_freep) struct anybind_services *services = NULL;
	json_t *result, *list;
	int r;

	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = anybind_services(anybind, &services, context->report);
	if (r < 0)
		return r;
	result = context_result(context);
	list = must(json_array());
	for (size_t i = 0; i < anybind_services_count(services); i++)
		json_add(list, service_document(anybind_services_get(services, i)));
	json_put(result, "services", list);
	context->output.result = result;
	return 0;
}

/* What sets a socket off from one that is alone, live and of weight 1. */
static void print_share(const json_t *socket)
{
	double share = json_real_value(json_object_get(socket, "share"));
	const char *state = json_member(socket, "state");

	if (strcmp(state, "live"))
		print_bold(", %s", state);
	if (json_flag(socket, "standby"))
		print_text(", stands by");
	else if (share < 1 || json_number(socket, "weight") != 1)
		print_text(", weight %" JSON_INTEGER_FORMAT " (%.1f %%)",
			   json_number(socket, "weight"), 100 * share);
}

static void print_socket(const json_t *socket)
{
	json_int_t members = json_number(socket, "members");
	const char *how = json_member(socket, "how");
	char since[TIME_TEXT_MAX];

	socket_print(socket);
	print_share(socket);
	print_text(", cookie %" JSON_INTEGER_FORMAT, json_number(socket, "cookie"));
	if (json_flag(socket, "reuseport"))
		print_text(", reuseport group of %" JSON_INTEGER_FORMAT, members);
	if (how)
		print_text(", by %s since %s", how, time_text(json_number(socket, "since"), since));
	print_end();
}

/* What becomes of packets, as there are no sockets. */
static void print_nobody(const json_t *service)
{
	const char *fallback = json_member(service, "fallback");

	if (fallback)
		print_line("none: its packets go to %s", fallback);
	else if (strcmp(json_member(service, "missing"), "pass"))
		print_line("none: its packets are dropped");
	else
		print_line("none: its packets are left to the normal lookup");
}

static void print_sockets(const json_t *service)
{
	const json_t *socket, *sockets = json_object_get(service, "sockets");
	size_t i;

	print_text("  ");
	print_label("sockets");
	if (!json_array_size(sockets))
		print_nobody(service);
	json_array_foreach (sockets, i, socket) {
		if (i)
			print_pad(0, 2 + LABEL_COLUMNS);
		print_socket(socket);
	}
}

/* Sockets that this follow does not have, and why. */
static void print_shortfall(const json_t *follow)
{
	json_int_t refused = json_number(follow, "refused");
	json_int_t crowded_out = json_number(follow, "crowded_out");
	json_int_t unregistered = json_number(follow, "unregistered");

	if (refused)
		print_bold(", %" JSON_INTEGER_FORMAT " refused (%s)", refused,
			   json_member(follow, "refusal"));
	if (crowded_out)
		print_text(", %" JSON_INTEGER_FORMAT " let go for want of room", crowded_out);
	if (unregistered)
		print_bold(", %" JSON_INTEGER_FORMAT " of udp not registered: follow again",
			   unregistered);
}

static void print_follow(const json_t *follow)
{
	json_int_t sockets = json_number(follow, "sockets");
	char since[TIME_TEXT_MAX];

	follow_print(follow);
	if (!json_flag(follow, "alive"))
		print_bold(", gone");
	if (json_number(follow, "weight") != 1)
		print_text(", weight %" JSON_INTEGER_FORMAT, json_number(follow, "weight"));
	print_text(", %" JSON_INTEGER_FORMAT " socket%s", sockets, plural((size_t)sockets));
	print_shortfall(follow);
	print_line(", since %s", time_text(json_number(follow, "since"), since));
}

static void print_follows(const json_t *service)
{
	const json_t *follow, *follows = json_object_get(service, "follows");
	size_t i;

	json_array_foreach (follows, i, follow) {
		print_text("  ");
		if (i)
			print_pad(0, LABEL_COLUMNS);
		else
			print_label("follows");
		print_follow(follow);
	}
}

/* What went wrong stands out; the zeros are there to show that nothing did. */
static void print_counters(const json_t *counters)
{
	const json_t *value;
	const char *name;
	bool first = true;

	print_text("  ");
	print_label("lookups");
	json_object_foreach ((json_t *)counters, name, value) {
		json_int_t n = json_integer_value(value);

		if (!first)
			print_text(", ");
		(n && !first ? print_bold : print_text)("%" JSON_INTEGER_FORMAT " %s", n, name);
		first = false;
	}
	print_end();
}

static void print(const json_t *result)
{
	const json_t *service, *services = json_object_get(result, "services");
	size_t i;

	if (!json_array_size(services))
		print_line("no services");
	json_array_foreach (services, i, service) {
		if (i)
			print_end();
		print_bold("%s", json_member(service, "name"));
		print_end();
		print_text("  ");
		print_label("rules");
		print_line("%" JSON_INTEGER_FORMAT, json_number(service, "rules"));
		print_text("  ");
		print_label("missing");
		print_line("%s", json_member(service, "missing"));
		if (json_member(service, "fallback")) {
			print_text("  ");
			print_label("fallback");
			print_line("%s", json_member(service, "fallback"));
		}
		print_follows(service);
		print_sockets(service);
		print_counters(json_object_get(service, "counters"));
	}
}

const struct command cmd_services = {
	.name = "services",
	.group = "Looking",
	.arguments = "",
	.summary = "show the services with their sockets and counters",
	.description =
		"Lists all services that have rules or sockets or follow a cgroup, which is "
		"`gone` once it was removed. Each socket is shown with its "
		"protocol and bound address, a process that holds it and its cookie. The counters "
		"count lookups since the service came into being, not packets of connections: "
		"`steered` those that got the socket, `missing` those that found none registered, "
		"also where the service's fallback then had one. "
		"The others are the errors of assigning the socket: `eafnosupport`, it is of the "
		"other address family; `eprototype`, it is of the other protocol; "
		"`esocktnosupport`, it does not listen or is connected; `other`.",
	.examples =
		(const struct example_row[]){
			{"anybind services", "All of them."},
			{"anybind -j services | jq '.services[] | select(.sockets == []).name'",
			 "Those without a socket."},
			{NULL},
		},
	.run = run,
	.print = print,
};
