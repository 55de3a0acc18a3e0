// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "commands.h"
#include "context.h"
#include "drain.h"
#include "pidfile.h"
#include "register.h"
#include "show.h"
#include "word.h"

static void strv_freep(char ***strv)
{
	for (char **s = *strv; s && *s; s++)
		free(*s);
	free(*strv);
}

/* Where the sockets come from: the options' and the words' meaning. */
struct choice {
	pid_t pid;	 /* 0: of no process */
	uint64_t cookie; /* 0: not by cookie */
	int protocol;
	const struct sockaddr *address; /* NULL, or points to ->storage */
	struct sockaddr_storage storage;
};

static int read_words(struct context *context, struct choice *ret)
{
	const char *const *words = (const char *const *)context->argv;

	if (context->argc > 1 && word_protocol(words[1], &ret->protocol) < 0)
		return context_usage(context, "register: \"%s\" is neither tcp nor udp", words[1]);
	if (context->argc > 2) {
		if (word_endpoint(words[2], &ret->storage) < 0)
			return context_usage(context,
					     "register: \"%s\" is no address with a port, such as "
					     "192.0.2.1:80 or [2001:db8::1]:80",
					     words[2]);
		ret->address = (const struct sockaddr *)&ret->storage;
	}
	return 0;
}

static int check_words(struct context *context)
{
	const struct options *options = &context->options;

	if (options->listening && context->argc < 3)
		return context_usage(context, "register: --listening on what? Give PROTO and "
					      "ADDR:PORT");
	if (!options->pid && !options->pidfile && !options->listening && context->argc > 1)
		return context_usage(context,
				     "register: \"%s\" is too much without --pid, "
				     "--pidfile or --listening",
				     context->argv[1]);
	return 0;
}

static int read_choice(struct context *context, struct choice *ret)
{
	const struct options *options = &context->options;
	int sources = !!options->pid + !!options->pidfile + !!options->cookie + options->listening +
		      !!options->fds.n + options->listen_fds;
	int r;

	if (!sources)
		return context_usage(context, "register: whose sockets? Give --pid, --pidfile, "
					      "--cookie, --listening, --fd or --listen-fds");
	if (sources > 1)
		return context_usage(context, "register: --pid, --pidfile, --cookie, --listening, "
					      "--fd and --listen-fds exclude each other");
	r = check_words(context);
	if (r < 0)
		return r;
	r = read_words(context, ret);
	if (r < 0)
		return r;
	r = context_cookie(context, &ret->cookie);
	if (r < 0)
		return r;
	ret->pid = options->pid;
	return options->pidfile ? pidfile_read(options->pidfile, &ret->pid, &context->output) : 0;
}

/*
 * The service manager's descriptors: those named like the service or, where
 * none is, all of them.
 */
static int sockets_of_manager(struct context *context, struct anybind *anybind,
			      struct anybind_sockets **ret_sockets)
{
	_cleanup_(strv_freep) char **names = NULL;
	_cleanup_free_ int *fds = NULL;
	int n = sd_listen_fds_with_names(0, &names);
	size_t named = 0;

	if (n < 0)
		return output_error(&context->output, n, NULL,
				    "cannot take over descriptors from LISTEN_FDS: %s",
				    strerror(-n));
	if (!n)
		return output_error(&context->output, -ENOENT,
				    "Start this from a service unit that a socket unit belongs to.",
				    "no descriptors were passed to this process (LISTEN_FDS and "
				    "LISTEN_PID)");
	fds = calloc(n, sizeof(*fds));
	if (!fds)
		out_of_memory();
	for (int i = 0; i < n; i++)
		if (names && names[i] && !strcmp(names[i], context->argv[0]))
			fds[named++] = SD_LISTEN_FDS_START + i;
	if (!named)
		for (int i = 0; i < n; i++)
			fds[i] = SD_LISTEN_FDS_START + i;
	return anybind_sockets_of_fds(anybind, ret_sockets, fds, named ? named : (size_t)n,
				      context->report);
}

static int find_sockets(struct context *context, struct anybind *anybind,
			const struct choice *choice, struct anybind_sockets **ret_sockets)
{
	const struct options *options = &context->options;

	if (choice->pid)
		return anybind_sockets_of_pid(anybind, ret_sockets, choice->pid, choice->protocol,
					      choice->address, context->report);
	if (choice->cookie)
		return anybind_sockets_of_cookie(anybind, ret_sockets, choice->cookie,
						 context->report);
	if (options->listening)
		return anybind_sockets_listening(anybind, ret_sockets, choice->protocol,
						 choice->address, context->report);
	if (options->fds.n)
		return anybind_sockets_of_fds(anybind, ret_sockets, options->fds.values,
					      options->fds.n, context->report);
	return sockets_of_manager(context, anybind, ret_sockets);
}

int register_sockets(struct context *context, struct anybind *anybind, const char *service,
		     const struct anybind_sockets *sockets,
		     const struct anybind_register_options *registration)
{
	_cleanup_(cookies_release) struct cookies noted = {0};
	json_t *result, *list;
	int r = anybind_begin(anybind, context->report);

	if (r < 0)
		return r;
	drain_note(&noted, context, anybind, service);
	r = anybind_register(anybind, service, sockets, registration, context->report);
	anybind_end(anybind);
	if (r < 0)
		return r;
	result = context_changed(context, true);
	list = must(json_array());
	for (size_t i = 0; i < anybind_sockets_count(sockets); i++)
		json_add(list, socket_document(anybind_sockets_get(sockets, i)));
	json_put(result, "service", json_text(service));
	json_put(result, "sockets", list);
	context->output.result = result;
	return drain_wait(&noted, context, anybind, service);
}

static int read_weight(struct context *context, struct anybind_register_options *ret)
{
	const char *weight = context->options.weight;
	int number;

	if (!weight)
		return 0;
	if (word_number(weight, 0, ANYBIND_WEIGHT_MAX, &number) < 0)
		return context_usage(context, "register: --weight: \"%s\" is not a number from 0 to %d",
				     weight, ANYBIND_WEIGHT_MAX);
	ret->weight = (unsigned int)number;
	ret->drain = !number;
	return 0;
}

static const char *source_name(const struct options *options)
{
	return options->pid	    ? "pid"
	       : options->pidfile   ? "pidfile"
	       : options->cookie    ? "cookie"
	       : options->listening ? "listening"
	       : options->fds.n	    ? "fd"
				    : "listen-fds";
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_sockets_ struct anybind_sockets *sockets = NULL;
	struct anybind_register_options registration = {
		.size = sizeof(registration),
		.add = context->options.add,
		.how = source_name(&context->options),
	};
	struct choice choice = {0};
	int r;

	r = read_choice(context, &choice);
	if (!r)
		r = read_weight(context, &registration);
	if (r < 0)
		return r;
	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = find_sockets(context, anybind, &choice, &sockets);
	if (r < 0)
		return r;
	return register_sockets(context, anybind, context->argv[0], sockets, &registration);
}

void register_print(const json_t *result)
{
	const json_t *socket;
	size_t i;

	json_array_foreach (json_object_get(result, "sockets"), i, socket) {
		print_text("%s: registered ", json_member(result, "service"));
		socket_print(socket);
		print_end();
	}
}

const struct command cmd_register = {
	.name = "register",
	.group = "Sockets",
	.arguments = "SERVICE --pid PID | --pidfile FILE [PROTO [ADDR:PORT]]\n"
		     "SERVICE --listening PROTO ADDR:PORT\n"
		     "SERVICE --cookie N\n"
		     "SERVICE --fd N [--fd N ...]\n"
		     "SERVICE --listen-fds",
	.summary = "give a service its sockets",
	.description =
		"Registers sockets for a service: TCP sockets that listen and UDP sockets that are "
		"bound and not connected. A new one takes the place of those that the service has "
		"for the same of TCP and UDP and of IPv4 and IPv6, in one step; with `--add` it "
		"stands beside them. An IPv6 socket that is not v6-only gets IPv4 packets too "
		"where there is no IPv4 socket. Of a reuseport group all sockets that are found "
		"are registered: one gets the flows, which the kernel spreads over the group, the "
		"others take over if that one is closed.\n\n"
		"Several sockets share the flows in proportion to their weights, by a hash of "
		"addresses and ports: a flow stays with its socket while the sockets stay, and one "
		"that is added or taken away moves no more flows than its share. A socket that is "
		"closed or does not listen any more is skipped. Registering a socket again, with "
		"`--add`, changes its weight; `--weight 0` drains it: it gets no new flows, and "
		"connections that exist go on.\n\n"
		"Where several sockets are given, of both families or protocols, all of them are "
		"registered or, if one is refused, none.\n\n"
		"To hand over without loss, let a new server listen elsewhere (another port will "
		"do), register it with `--wait`, then stop the old one: `--wait` returns when what "
		"came before is accepted or read. Not with sockets of one reuseport group, over "
		"which the kernel goes on spreading.\n\n"
		"The registration ends when the socket is closed, so a server that restarts has to "
		"be registered anew, unless its sockets are kept open by a service manager. A "
		"service that is new is declared by this. The dispatcher is loaded first where "
		"none is.\n\n"
		"With `--pid` the sockets of a running process are found; where several fit, say "
		"which. This needs the rights to debug the process. With `--listening` or "
		"`--cookie` no process is needed: the kernel's own list of the namespace's sockets "
		"is walked. For TCP that needs Linux 6.5 or newer, and always a kernel with BTF "
		"(CONFIG_DEBUG_INFO_BTF). With `--listen-fds` they are "
		"those that a service manager passed (see sd_listen_fds(3)): if any of them are "
		"named like the service, by FileDescriptorName= of systemd.socket(5), only those, "
		"otherwise all.",
	.words =
		(const struct word_row[]){
			{"SERVICE", "1 to 64 letters, digits and . _ - @ : characters."},
			{"PROTO", "Only sockets of `tcp` or of `udp`."},
			{"ADDR:PORT", "Only the socket that is bound to exactly this, such as "
				      "`0.0.0.0:80` or `[2001:db8::1]:53`."},
			{NULL},
		},
	.options =
		(const struct option_row[]){
			{"pid", 'p', OPTION_NUMBER, "PID", "Take the sockets of this process.",
			 OPTION(pid), .min = 1},
			{"pidfile", 0, OPTION_TEXT, "FILE",
			 "The same, for the process whose number the server left in this file. The "
			 "file holds digits and a newline, nothing else, and is no symbolic link.",
			 OPTION(pidfile)},
			{"listening", 0, OPTION_FLAG, NULL,
			 "Take the TCP listener or the unconnected UDP socket that is bound to "
			 "exactly ADDR:PORT, whoever holds it: `0.0.0.0:80` is not `[::]:80`, "
			 "though that may take IPv4 too.",
			 OPTION(listening)},
			{"cookie", 0, OPTION_TEXT, "N",
			 "Take the socket with this cookie (SO_COOKIE), in decimal, or in "
			 "hexadecimal as `ss -e` shows it behind sk:, with 0x before it.",
			 OPTION(cookie)},
			{"fd", 0, OPTION_NUMBERS, "N",
			 "Take this file descriptor, which the command was started with. May be "
			 "repeated.",
			 OPTION(fds)},
			{"listen-fds", 0, OPTION_FLAG, NULL,
			 "Take the file descriptors that a service manager passed.",
			 OPTION(listen_fds)},
			{"add", 'a', OPTION_FLAG, NULL,
			 "Beside the sockets that the service has, not in their place.",
			 OPTION(add)},
			{"weight", 'w', OPTION_TEXT, "W",
			 "Share of flows beside other sockets, 0 to 1000; 1 where not given, 0 for "
			 "no new flows.",
			 OPTION(weight)},
			OPTION_WAIT_ROW,
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"anybind register web --pid \"$(systemctl show -P MainPID nginx)\" tcp "
			 "0.0.0.0:80",
			 "One of the sockets of a running server."},
			{"anybind register dns --listening udp [::]:53",
			 "Whoever it is that answers there."},
			{"anybind register web --pidfile /run/nginx.pid tcp 0.0.0.0:80",
			 "Behind ExecStartPost= in the server's own unit, say."},
			{"anybind register web --pid 812 tcp 0.0.0.0:80 --add --weight 3",
			 "One more, which gets three times as many flows as one of weight 1."},
			{"anybind register web --pid 900 tcp 0.0.0.0:8081 --wait 30 && kill -QUIT 812",
			 "Another server takes over, and no client notices."},
			{"ExecStart=anybind register web --listen-fds",
			 "In a unit of Type=oneshot, with Sockets=web.socket."},
			{NULL},
		},
	.complete = "tcp udp",
	.min_words = 1,
	.max_words = 3,
	.run = run,
	.print = register_print,
};
