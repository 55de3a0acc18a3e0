// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <unistd.h>

#include "agent.h"
#include "agent_policy.h"
#include "commands.h"
#include "context.h"

static int serve(struct context *context, struct agent *agent)
{
	const char *path = context->options.socket;
	bool made = false;
	int r = agent_listen(path, &agent->listener, &made, &context->output);

	if (r < 0)
		return r;
	r = agent_serve(agent, &context->output);
	if (made)
		unlink(path ? path : ANYBIND_AGENT_SOCKET);
	close(agent->listener);
	return r;
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	struct agent agent = {.policy_file = context->options.policy};
	json_t *result;
	int r;

	if (!agent.policy_file)
		agent.policy_file = AGENT_POLICY;
	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = agent_policy_read(agent.policy_file, &agent.policy, &context->output);
	if (r < 0)
		return r;
	agent.anybind = anybind;
	r = serve(context, &agent);
	anybind_policy_free(agent.policy);
	if (r < 0)
		return r;
	result = context_result(context);
	json_put(result, "registered", must(json_integer((json_int_t)agent.registered)));
	json_put(result, "refused", must(json_integer((json_int_t)agent.refused)));
	context->output.result = result;
	return 0;
}

const struct command cmd_agent = {
	.name = "agent",
	.group = "Sockets",
	.arguments = "[--policy FILE] [--socket PATH]",
	.summary = "register sockets for programs without privilege",
	.description =
		"Serves a unix socket through which programs have their sockets registered "
		"without any privilege of their own. A program connects, sends the service's name "
		"and its descriptors, and gets an answer; libanybind(3) does this in one call, "
		"`anybind_agent_register`. The policy says which users and groups may register which "
		"services; see anybind-policy(5). What is sent is checked as by "
		"`anybind register`: each has to be a TCP socket that listens or a UDP socket that "
		"is bound, of the network namespace that the agent is for (`--netns`).\n\n"
		"Started by a service manager with a socket (see sd_listen_fds(3)) it serves that "
		"one, and tells the manager when it is ready. The units anybind-agent.socket and "
		"anybind-agent.service are installed for this; see anybind-systemd(7). Otherwise "
		"it listens at `--socket`, where everyone may connect. It stays in the "
		"foreground.\n\n"
		"SIGHUP makes it read the policy again; a policy with errors is not put in force. "
		"SIGTERM and SIGINT end it. Its end, however it comes, concerns only new "
		"registrations: what is registered stays so, and connections wait for the next "
		"agent where a service manager holds the socket.\n\n"
		"Each decision is a line on standard error, with the service, the sockets, and the "
		"peer's uid, pid and program. A client has 5 seconds to send its request, and 30 "
		"in all. 64 clients are served at once, 16 of one user; more of one user are "
		"refused with EBUSY, others wait. A request may have 64 descriptors.\n\n"
		"The protocol, for programs that do not use libanybind: a socket of type "
		"SOCK_SEQPACKET, one message there and one back, in the machine's byte order. The "
		"request has 72 bytes, and the descriptors with it as SCM_RIGHTS:\n\n"
		"    char magic[4]     \"ANYB\"\n"
		"    uint16 version    1\n"
		"    uint16 command    1: register\n"
		"    char service[64]  filled up with NUL bytes\n\n"
		"The answer has 20 bytes, then text and hint:\n\n"
		"    char magic[4]     \"ANYB\"\n"
		"    uint16 version    1\n"
		"    uint16 sockets    how many were registered\n"
		"    int32 code        0, or a negative errno value\n"
		"    int16 descriptor  the one at fault, from 0; or -1\n"
		"    uint16 text_len   bytes of what failed\n"
		"    uint16 hint_len   bytes of what to do\n"
		"    uint16 unused     0",
	.options =
		(const struct option_row[]){
			{"policy", 0, OPTION_TEXT, "FILE",
			 "Read this policy instead of `" AGENT_POLICY "`. Only root may be able to "
			 "write it.",
			 OPTION(policy)},
			{"socket", 0, OPTION_TEXT, "PATH",
			 "Listen here instead of at `" ANYBIND_AGENT_SOCKET "`.", OPTION(socket)},
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"systemctl enable --now anybind-agent.socket",
			 "Have it started when a program first connects."},
			{"anybind -n blue agent --policy blue.policy --socket /run/blue.sock",
			 "By hand, for another network namespace."},
			{NULL},
		},
	.run = run,
};
