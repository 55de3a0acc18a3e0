// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `anybind register --pid` in the order of words that tubular has. */
#include <limits.h>

#include "commands.h"
#include "context.h"
#include "pidfile.h"
#include "register.h"
#include "word.h"

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_sockets_ struct anybind_sockets *sockets = NULL;
	const struct anybind_register_options registration = {.size = sizeof(registration),
							      .how = "register-pid"};
	char **words = context->argv;
	struct sockaddr_storage address;
	int protocol, pid, r;

	if (word_protocol(words[2], &protocol) < 0)
		return context_usage(context, "register-pid: \"%s\" is neither tcp nor udp",
				     words[2]);
	if (word_address(words[3], words[4], &address) < 0)
		return context_usage(context,
				     "register-pid: \"%s\" \"%s\" is no address and port, such as "
				     "192.0.2.1 80 or 2001:db8::1 80",
				     words[3], words[4]);
	if (word_number(words[0], 1, INT_MAX, &pid) < 0) {
		r = pidfile_read(words[0], &pid, &context->output);
		if (r < 0)
			return r;
	}
	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = anybind_sockets_of_pid(anybind, &sockets, pid, protocol,
				   (const struct sockaddr *)&address, context->report);
	if (r < 0)
		return r;
	return register_sockets(context, anybind, words[1], sockets, &registration);
}

const struct command cmd_register_pid = {
	.name = "register-pid",
	.group = "Sockets",
	.arguments = "PID|FILE SERVICE PROTO ADDR PORT",
	.summary = "the same as register --pid, for scripts written for tubular",
	.description =
		"Does what `anybind register SERVICE --pid PID PROTO ADDR:PORT` does, with the "
		"words in the order that `tubectl register-pid` of Cloudflare's tubular takes "
		"them, so that a script or a unit file needs only the program's name changed. "
		"What tubular calls a label is a service here.",
	.words =
		(const struct word_row[]){
			{"PID|FILE", "A process id, or the file in which the server leaves it: see "
				     "`--pidfile` in anybind-register(8)."},
			{"SERVICE", "1 to 64 letters, digits and . _ - @ : characters."},
			{"PROTO", "`tcp` or `udp`."},
			{"ADDR", "The address that the socket is bound to, without brackets."},
			{"PORT", "Its port."},
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"anybind register-pid 812 web tcp 127.0.0.1 8080",
			 "The same as: anybind register web --pid 812 tcp 127.0.0.1:8080"},
			{"ExecStartPost=anybind register-pid $MAINPID web tcp 127.0.0.1 8080",
			 "In a unit of Type=notify or Type=forking."},
			{NULL},
		},
	.complete = "tcp udp " COMPLETE_FILES,
	.min_words = 5,
	.max_words = 5,
	.run = run,
	.print = register_print,
};
