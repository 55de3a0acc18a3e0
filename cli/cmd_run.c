// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "commands.h"
#include "context.h"
#include "intake.h"
#include "newcomer.h"
#include "statement.h"
#include "supervise.h"

static void family_releasep(struct family *family)
{
	family_release(family);
}

static void intake_closep(struct intake *intake)
{
	intake_close(intake);
}

/* ---- before the program starts ---- */

/* The rules of all --bind; at fault is the command line. */
static int read_binds(struct context *context, struct anybind_ruleset **ret_delta)
{
	const struct option_texts *binds = &context->options.binds;
	_cleanup_ruleset_ struct anybind_ruleset *all = NULL, *named = NULL;
	int r = 0;

	/* Also without rules the name has to be one. Its declaration stays what it is. */
	r = anybind_ruleset_parse_words(&named, 2, (char *[]){(char *)"service", context->argv[0]},
					context->report);
	if (!r)
		r = anybind_ruleset_new(&all);
	for (size_t i = 0; !r && i < binds->n; i++) {
		_cleanup_ruleset_ struct anybind_ruleset *one = NULL;
		char *words[] = {(char *)"bind", context->argv[0], (char *)binds->values[i]};

		r = anybind_ruleset_parse_words(&one, 3, words, context->report);
		if (!r)
			r = anybind_ruleset_add(all, one, false, context->report);
		if (r > 0)
			r = 0;
	}
	context->usage = r < 0 && r != -ENOMEM;
	if (!r)
		*ret_delta = take_ptr(all);
	return r;
}

static int add_rules(struct context *context, struct anybind *anybind,
		     const struct anybind_ruleset *delta)
{
	_cleanup_ruleset_ struct anybind_ruleset *ruleset = NULL;
	bool loaded;
	int r;

	if (!anybind_ruleset_count(delta))
		return anybind_load(anybind, context->report);
	r = anybind_begin(anybind, context->report);
	if (r < 0)
		return r;
	r = context_rules(context, anybind, &ruleset, &loaded);
	if (!r)
		r = anybind_ruleset_add(ruleset, delta, context->options.replace, context->report);
	if (r > 0 || (!r && !loaded))
		r = anybind_commit(anybind, ruleset, context->options.force ? ANYBIND_FORCE : 0,
				   context->report);
	anybind_end(anybind);
	return r;
}

/* The value of LD_PRELOAD: the library before what is preloaded already. */
static int find_library(struct context *context, char **ret_preload)
{
	const char *other = getenv(CONTEXT_PRELOAD), *before = getenv("LD_PRELOAD");
	const char *path = other && *other ? other : PRELOAD_PATH;

	if (access(path, R_OK) < 0)
		return output_error(&context->output, -errno,
				    "`make install` installs it; " CONTEXT_PRELOAD
				    " names another place.",
				    "cannot read the library to preload, \"%s\": %m", path);
	if (strpbrk(path, ": ") || *path != '/')
		return output_error(&context->output, -EINVAL, NULL,
				    "cannot preload \"%s\": LD_PRELOAD takes absolute paths without "
				    "blanks and colons", path);
	if (!before || !*before)
		*ret_preload = strdup(path);
	else if (strstr(before, path)) /* `anybind run` in `anybind run` */
		*ret_preload = strdup(before);
	else if (asprintf(ret_preload, "%s:%s", path, before) < 0)
		*ret_preload = NULL;
	if (!*ret_preload)
		out_of_memory();
	return 0;
}

static int open_intake(struct context *context, struct anybind *anybind, struct intake *ret,
		       int *ret_netns)
{
	int listener, r;

	listener = anybind_netns_socket(anybind, AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
					context->report);
	if (listener < 0)
		return listener;
	/* Without --netns the program is where it has to be. */
	*ret_netns = context->options.netns ? ioctl(listener, SIOCGSKNS) : -1;
	if (context->options.netns && *ret_netns < 0) {
		r = output_error(&context->output, -errno, "Run as root, or with CAP_NET_ADMIN.",
				 "cannot enter the network namespace: %m");
		close(listener);
		return r;
	}
	r = intake_open(ret, listener);
	if (r < 0)
		return output_error(&context->output, r, NULL,
				    "cannot listen for the program's sockets: %s", strerror(-r));
	return 0;
}

static int start_program(struct context *context, struct family *family,
			 const struct intake *intake, int netns)
{
	_cleanup_free_ char *preload = NULL, *address = intake_environment(intake);
	int r;

	if (!address)
		out_of_memory();
	r = find_library(context, &preload);
	if (r < 0)
		return r;
	context->argv[context->argc] = NULL; /* main() has left room */
	r = family_start(family,
			 &(struct start){
				 .argv = context->argv + 1,
				 .netns = netns,
				 .environment = (const char *const[][2]){{"LD_PRELOAD", preload},
									 {RUN_ENVIRONMENT, address},
									 {NULL}}},
			 context->options.json);
	if (r < 0)
		return output_error(&context->output, r, NULL, "cannot start \"%s\": %s",
				    context->argv[1], strerror(-r));
	return 0;
}

/* ---- while it runs ---- */

/* Those of the rules: now, and not when the program has ended. A document has them at its end. */
static void say_warnings(struct context *context)
{
	struct output now;

	if (context->options.json)
		return;
	output_init(&now);
	now.verbose = context->options.verbose;
	output_report(&now, context->report);
	output_finish(&now, NULL);
	output_release(&now);
	anybind_report_free(context->report);
	context->report = anybind_report_new();
	if (!context->report)
		out_of_memory();
}

static void supervise(struct newcomers *newcomers, struct family *family, struct intake *intake)
{
	struct pollfd files[] = {{.fd = family->signals, .events = POLLIN},
				 {.fd = intake->epoll, .events = POLLIN}};
	const char *reason = family_ignores_preload(family);
	bool alive = true;

	if (reason)
		newcomers_say(newcomers, "no socket of \"%s\" itself will be registered: %s",
			      newcomers->context->argv[1], reason);
	while (alive) {
		/* Everything is blocked, so only want of memory makes this fail. */
		if (poll(files, ARRAY_SIZE(files), -1) < 0)
			continue;
		intake_serve(intake, newcomers_register, newcomers);
		if (files[0].revents)
			alive = family_serve(family);
	}
	if (!newcomers->seen && !reason)
		newcomers_say(newcomers,
			      "the program has ended, and neither it nor what it started has shown "
			      "a socket: they did not listen, or listened without the C library, "
			      "without " RUN_ENVIRONMENT " in their environment or in another "
			      "network namespace");
}

static int run(struct context *context)
{
	_cleanup_(family_releasep) struct family family = {.signals = -1};
	_cleanup_(intake_closep) struct intake intake = {.listener = -1, .epoll = -1};
	_cleanup_(newcomers_release) struct newcomers newcomers = {.context = context};
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_ruleset_ struct anybind_ruleset *delta = NULL;
	_cleanup_close_ int netns = -1;
	int r;

	r = family_prepare(&family);
	if (r < 0)
		return r;
	r = newcomers_read_only(&newcomers);
	if (r < 0)
		return r;
	r = read_binds(context, &delta);
	if (r < 0)
		return r;
	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = open_intake(context, anybind, &intake, &netns);
	if (r < 0)
		return r;
	r = add_rules(context, anybind, delta);
	if (r < 0)
		return r;
	r = start_program(context, &family, &intake, netns);
	if (r < 0)
		return r;
	newcomers.anybind = anybind;
	say_warnings(context);
	supervise(&newcomers, &family, &intake);
	context->wait_status = family.wait_status;
	context->output.result = context_result(context);
	json_put(context->output.result, "service", json_text(context->argv[0]));
	json_put(context->output.result, "registered", must(json_integer(newcomers.registered)));
	json_put(context->output.result, "refused", must(json_integer(newcomers.refused)));
	return 0;
}

const struct command cmd_run = {
	.name = "run",
	.group = "Sockets",
	.arguments = "SERVICE [--bind STATEMENT]... -- COMMAND [ARG ...]",
	.summary = "start a program and register its sockets as it opens them",
	.description =
		"Starts COMMAND with a small library preloaded. Whenever COMMAND or anything that it "
		"starts calls listen(2) for TCP or bind(2) for UDP, that socket is registered for "
		"the service, as `anybind register` does it, before the call returns. So workers, "
		"reloads and restarts within COMMAND need nothing more. The program sees no change "
		"but two variables in its environment, LD_PRELOAD and ANYBIND_RUN: results, errno, "
		"descriptors and signals are what they would be.\n\n"
		"`anybind` stays as the parent of COMMAND: it passes signals on, goes on as long "
		"as COMMAND or a daemon that COMMAND left behind is there, and ends as COMMAND "
		"did, with its status or by its signal. Everything is open to COMMAND that was open "
		"to `anybind`; with `--netns` COMMAND runs in that network namespace, without "
		"change to its mounts.\n\n"
		"A socket that cannot be registered is reported on standard error, with the reason, "
		"once, and the program goes on; so it does, unregistered, if `anybind` is killed or "
		"does not answer within a second. Before COMMAND starts, failures are failures: it "
		"is not started then. With `--verbose` what is registered is reported, too.\n\n"
		"Of two sockets of one protocol and family the later takes the place of the "
		"earlier, and that is reported. The members of a reuseport group stand beside each "
		"other, and so do all sockets with `--add`. `--only` chooses: a resolver that binds "
		"a UDP socket for each of its own questions needs it. A UDP socket that is bound to "
		"port 0 is taken for a client's if the service has another.\n\n"
		"Not seen are sockets of programs that ignore LD_PRELOAD (statically linked, set-uid, "
		"another word size, begun without these variables as by `sudo` or `env -i`), those "
		"of programs that do without the C library's listen and bind (Go's net package, "
		"io_uring), and those that COMMAND was started with. Use `anybind register` for "
		"them. A program that forbids itself socket(2) by seccomp(2) before it listens "
		"cannot be run so. What COMMAND starts, such as CGI programs, can register sockets "
		"for the service, too; who else can read its environment could take its sockets "
		"anyhow.\n\n"
		"In a service unit, let only the main process have signals (KillMode=mixed), since "
		"they are passed on; and with Type=notify set NotifyAccess=all.",
	.words =
		(const struct word_row[]){
			{"SERVICE", "1 to 64 letters, digits and . _ - @ : characters."},
			{"COMMAND", "A program, looked for in PATH, and its arguments."},
			{NULL},
		},
	.options =
		(const struct option_row[]){
			{"bind", 0, OPTION_TEXTS, "STATEMENT",
			 "Add this rule before COMMAND starts, if it is not there: what follows the "
			 "service in `anybind bind`, as one argument. It stays when COMMAND has "
			 "ended. May be repeated.",
			 OPTION(binds)},
			{"only", 0, OPTION_TEXTS, "SOCKET",
			 "Register only sockets of this protocol or, with an address, bound to just "
			 "this: `udp`, or as one argument `tcp 0.0.0.0:80`. May be repeated.",
			 OPTION(only)},
			{"add", 'a', OPTION_FLAG, NULL,
			 "Beside the sockets that the service has, not in their place.",
			 OPTION(add)},
			{"replace", 0, OPTION_FLAG, NULL,
			 "Let `--bind` replace what is there with the same match and another "
			 "verdict.",
			 OPTION(replace)},
			OPTION_FORCE_ROW,
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"anybind run web --bind 'tcp 192.0.2.0/24 80' -- nginx -g 'daemon off;'",
			 "A server on a whole prefix; what it opens on reload is registered, too."},
			{"anybind -n blue run dns --only 'udp 0.0.0.0:53' -- unbound -d",
			 "Only one of the sockets of a server, in another network namespace."},
			{"ExecStart=anybind run web -- /usr/bin/server",
			 "In a unit, with KillMode=mixed; restarts of the unit register anew."},
			{NULL},
		},
	.min_words = 2,
	.max_words = -1,
	.run = run,
};
