// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "context.h"
#include "follow.h"
#include "show.h"
#include "unit.h"
#include "word.h"

/* Between two looks for a socket that is waited for. */
#define WAIT_PAUSE_NS 50000000

static void services_freep(struct anybind_services **services)
{
	anybind_services_free(*services);
}

json_t *follow_document(const struct anybind_follow_info *follow)
{
	json_t *document = must(json_object());

	json_put(document, "cgroup", json_text(follow->cgroup));
	json_put(document, "cgroup_id", must(json_integer((json_int_t)follow->cgroup_id)));
	json_put(document, "alive", json_boolean(follow->alive));
	json_put(document, "unit", json_text(follow->unit));
	json_put(document, "protocol",
		 json_text(follow->protocol ? protocol_name(follow->protocol) : NULL));
	json_put(document, "address", json_text(follow->address));
	json_put(document, "weight", must(json_integer(follow->weight)));
	json_put(document, "since", must(json_integer((json_int_t)follow->since)));
	json_put(document, "by_uid", must(json_integer(follow->by_uid)));
	json_put(document, "sockets", must(json_integer(follow->sockets)));
	json_put(document, "registered", must(json_integer((json_int_t)follow->registered)));
	json_put(document, "refused", must(json_integer((json_int_t)follow->refused)));
	json_put(document, "refusal", json_text(follow->refusal));
	json_put(document, "crowded_out", must(json_integer((json_int_t)follow->crowded_out)));
	json_put(document, "unregistered", must(json_integer(follow->unregistered)));
	return document;
}

void follow_print(const json_t *follow)
{
	const char *unit = json_member(follow, "unit"), *cgroup = json_member(follow, "cgroup");
	const char *protocol = json_member(follow, "protocol");
	const char *address = json_member(follow, "address");

	if (unit)
		print_text("%s (cgroup %s), ", unit, cgroup);
	else
		print_text("cgroup %s, ", cgroup);
	print_text("%s", protocol ? protocol : "tcp and udp");
	if (address)
		print_text(" %s", address);
}

/* What is to be followed, of the options and words. */
struct choice {
	char *unit, *path; /* of the unit; owned */
	const char *cgroup;
	struct sockaddr_storage address;
	struct anybind_follow_options options;
};

static void choice_free(struct choice *choice)
{
	free(choice->unit);
	free(choice->path);
}

static int read_words(struct context *context, struct choice *ret)
{
	struct anybind_follow_options *options = &ret->options;
	int weight;

	if (!context->options.cgroup == !context->options.unit)
		return context_usage(context, "follow: whom? Give either --cgroup or --unit");
	if (context->argc > 1 && word_protocol(context->argv[1], &options->protocol) < 0)
		return context_usage(context, "follow: \"%s\" is neither tcp nor udp",
				     context->argv[1]);
	if (context->argc > 2) {
		if (word_endpoint(context->argv[2], &ret->address) < 0)
			return context_usage(context,
					     "follow: \"%s\" is no address with a port, such as "
					     "0.0.0.0:80 or [2001:db8::1]:80",
					     context->argv[2]);
		options->address = (const struct sockaddr *)&ret->address;
	}
	if (!context->options.weight)
		return 0;
	if (word_number(context->options.weight, 0, ANYBIND_WEIGHT_MAX, &weight) < 0)
		return context_usage(context, "follow: --weight: \"%s\" is not a number from 0 to %d",
				     context->options.weight, ANYBIND_WEIGHT_MAX);
	options->weight = (unsigned int)weight;
	options->drain = !weight;
	return 0;
}

static int read_choice(struct context *context, struct choice *ret)
{
	int r = read_words(context, ret);

	ret->cgroup = context->options.cgroup;
	if (r < 0 || ret->cgroup)
		return r;
	ret->unit = unit_name(context->options.unit);
	r = unit_cgroup(ret->unit, &ret->path, &context->output);
	ret->cgroup = ret->path;
	ret->options.unit = ret->unit;
	return r;
}

/* The service's follows, as documents. */
static json_t *find_follows(struct context *context, struct anybind *anybind)
{
	_cleanup_(services_freep) struct anybind_services *services = NULL;
	json_t *list = must(json_array());

	if (anybind_services(anybind, &services, NULL) < 0)
		return list;
	for (size_t i = 0; i < anybind_services_count(services); i++) {
		const struct anybind_service_info *service = anybind_services_get(services, i);

		for (size_t j = 0; !strcmp(service->name, context->argv[0]) &&
				   j < service->n_follows; j++)
			json_add(list, follow_document(&service->follows[j]));
	}
	return list;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * Follows and, as long as there is no socket, looks again: UDP sockets do not come
 * by themselves, and nothing tells when they are there.
 */
static int follow(struct context *context, struct anybind *anybind, const struct choice *choice)
{
	const struct timespec pause = {.tv_nsec = WAIT_PAUSE_NS};
	const uint64_t end = now_ms() + (uint64_t)context->options.wait * 1000;
	int r;

	for (;;) {
		r = anybind_follow(anybind, context->argv[0], choice->cgroup, &choice->options,
				   context->report);
		if (r || !context->options.wait)
			return r;
		if (now_ms() >= end)
			break;
		nanosleep(&pause, NULL);
	}
	return output_error(&context->output, -ETIMEDOUT,
			    "The follow is in force; `anybind unfollow` ends it.",
			    "cgroup %s has opened no such socket within %d second%s",
			    choice->cgroup, context->options.wait, plural(context->options.wait));
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_(choice_free) struct choice choice = {.options.size = sizeof(choice.options)};
	json_t *result;
	int r = read_choice(context, &choice);

	if (r < 0)
		return r;
	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = follow(context, anybind, &choice);
	if (r < 0)
		return r;
	result = context_changed(context, true);
	json_put(result, "service", json_text(context->argv[0]));
	json_put(result, "cgroup", json_text(choice.cgroup));
	json_put(result, "sockets", must(json_integer(r)));
	json_put(result, "udp", json_boolean(choice.options.protocol != IPPROTO_TCP));
	json_put(result, "follows", find_follows(context, anybind));
	context->output.result = result;
	return 0;
}

static void print(const json_t *result)
{
	const char *service = json_member(result, "service");
	size_t n = (size_t)json_number(result, "sockets"), i;
	const json_t *follow, *follows = json_object_get(result, "follows");

	json_array_foreach (follows, i, follow) {
		print_text("%s: follows ", service);
		follow_print(follow);
		print_end();
	}
	print_line("%s: %zu socket%s registered now", service, n, plural(n));
	if (json_flag(result, "udp"))
		print_line("UDP sockets that are bound later are registered by doing this again");
}

const struct command cmd_follow = {
	.name = "follow",
	.group = "Sockets",
	.arguments = "SERVICE --cgroup PATH [PROTO [ADDR:PORT]]\n"
		     "SERVICE --unit UNIT [PROTO [ADDR:PORT]]",
	.summary = "register whatever a cgroup or unit listens on",
	.description =
		"Has the kernel register, for a service, each TCP listener that a process of the "
		"cgroup creates, at the moment it listens: the program needs no change and no "
		"privilege, and may be static. What listens already is registered at once. It goes "
		"on without any process of anybind's, over reloads, crashes and new workers, until "
		"`anybind unfollow`, `anybind unload` or the end of the cgroup.\n\n"
		"UDP sockets are registered by this command only, since the kernel offers no way "
		"to do it when they are bound: type it again once they are. `anybind services` "
		"counts those that came since. Without ADDR:PORT UDP sockets on ports of the range "
		"that clients get (net.ipv4.ip_local_port_range) are left out.\n\n"
		"What counts is the cgroup in which a socket was created, so sockets that a "
		"service manager made and passed on are the manager's; register them by "
		"`--listen-fds`. Of cgroups below it the sockets count, too. Only sockets of the "
		"network namespace count that the command is for.\n\n"
		"A unit of systemd gets a new cgroup with each start, so the unit itself says that "
		"it is followed: by ExecStartPre= for TCP, and for UDP by ExecStartPost= with "
		"`--wait`, since that may be run before the sockets are bound; see "
		"anybind-systemd(7). Whatever runs in the cgroup and listens gets the service's "
		"flows, so follow only what may have them.\n\n"
		"A service may follow several cgroups, and have other sockets beside them by "
		"`anybind register --add`. To all these a follow is one member with one weight: its "
		"flows go to one of its sockets, with that one's whole reuseport group, and to "
		"another if that is closed. Sockets that were registered otherwise before are the "
		"follow's from now on.\n\n"
		"64 sockets of a family and protocol are kept; if more listen at once, some of them "
		"stay unregistered, which does no harm as long as one of the 64 is open. MPTCP "
		"sockets cannot be registered. A program that puts its own sockets into a "
		"REUSEPORT_SOCKARRAY map cannot do that any more when they are registered. "
		"The cgroup has to be of version 2, and the kernel needs BTF "
		"(CONFIG_DEBUG_INFO_BTF); before Linux 6.5, listeners that are there already need "
		"the rights to debug their process.",
	.words =
		(const struct word_row[]){
			{"SERVICE", "1 to 64 letters, digits and . _ - @ : characters."},
			{"PROTO", "Only sockets of `tcp` or of `udp`."},
			{"ADDR:PORT", "Only sockets that are bound to exactly this, such as "
				      "`0.0.0.0:80` or `[2001:db8::1]:53`. Needed where the cgroup "
				      "listens on several ports."},
			{NULL},
		},
	.options =
		(const struct option_row[]){
			{"cgroup", 0, OPTION_TEXT, "PATH",
			 "This cgroup: its folder, or its path as /proc/PID/cgroup shows it.",
			 OPTION(cgroup)},
			{"unit", 0, OPTION_TEXT, "UNIT",
			 "The cgroup that this unit of systemd has now; it may be just starting.",
			 OPTION(unit)},
			{"weight", 'w', OPTION_TEXT, "W",
			 "Share of flows beside the service's other sockets, 0 to 1000; 1 where not "
			 "given, 0 for no new flows. With a follow that is there: its new weight.",
			 OPTION(weight)},
			{"wait", 0, OPTION_NUMBER, "SECONDS",
			 "Return when there is a socket, or fail if there is none by then. The "
			 "follow is in force in any case.",
			 OPTION(wait), .min = 1},
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"anybind follow web --unit nginx tcp 0.0.0.0:80",
			 "Until the unit is stopped."},
			{"ExecStartPre=+anybind follow web --unit %n tcp 0.0.0.0:80",
			 "In the unit: with every start."},
			{"ExecStartPost=+anybind follow dns --unit %n udp 0.0.0.0:53 --wait 10",
			 "For UDP: once its socket is bound."},
			{"anybind follow web --cgroup /sys/fs/cgroup/web --weight 3",
			 "Any cgroup, with three times as many flows as another of weight 1."},
			{NULL},
		},
	.complete = "tcp udp",
	.min_words = 1,
	.max_words = 3,
	.run = run,
	.print = print,
};
