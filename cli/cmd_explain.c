// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "context.h"
#include "show.h"
#include "statement.h"
#include "word.h"

static void explanation_freep(struct anybind_explanation **explanation)
{
	anybind_explanation_free(*explanation);
}

static int read_endpoint(struct context *context, const char *word, struct sockaddr_storage *ret)
{
	if (word_endpoint(word, ret) < 0)
		return context_usage(context,
				     "explain: \"%s\" is no address with a port, such as "
				     "192.0.2.1:80 or [2001:db8::1]:80",
				     word);
	return 0;
}

static int read_flow(struct context *context, struct anybind_flow *ret)
{
	char **words = context->argv;

	if (word_protocol(words[0], &ret->protocol) < 0)
		return context_usage(context, "explain: \"%s\" is neither tcp nor udp", words[0]);
	if (read_endpoint(context, words[1], &ret->source) < 0 ||
	    read_endpoint(context, words[2], &ret->destination) < 0)
		return -EINVAL;
	if (ret->source.ss_family != ret->destination.ss_family)
		return context_usage(
			context,
			"explain: a packet from \"%s\" to \"%s\" would be of two address "
			"families",
			words[1], words[2]);
	if (context->argc > 3 && strcmp(words[3], "dev"))
		return context_usage(context, "explain: \"%s\" stands where only dev can",
				     words[3]);
	if (context->argc == 4)
		return context_usage(context, "explain: dev which interface?");
	ret->dev = context->argc > 4 ? words[4] : NULL;
	return 0;
}

static const char *check_name(enum anybind_kernel_check check)
{
	switch (check) {
	case ANYBIND_CHECK_AGREES:
		return "agrees";
	case ANYBIND_CHECK_DISAGREES:
		return "disagrees";
	case ANYBIND_CHECK_GROUP:
		return "group";
	}
	return NULL;
}

static json_t *candidates_document(const struct anybind_explanation *explanation)
{
	json_t *list = must(json_array());

	for (size_t i = 0; i < explanation->n_candidates; i++) {
		const struct anybind_candidate *candidate = &explanation->candidates[i];
		json_t *document = must(json_object());

		json_put(document, "rule", json_text(candidate->text));
		json_put(document, "matches", json_boolean(candidate->matches));
		json_put(document, "reason", json_text(candidate->reason));
		json_add(list, document);
	}
	return list;
}

static json_t *fallbacks_document(const struct anybind_explanation *explanation)
{
	json_t *list = must(json_array());

	for (size_t i = 0; i < explanation->n_fallbacks; i++)
		json_add(list, json_text(explanation->fallbacks[i]));
	return list;
}

/* Where the packet ends up: at the service, or at what another verdict does. */
static const char *outcome(const struct anybind_explanation *explanation)
{
	if (explanation->action == ANYBIND_BIND && explanation->missing)
		return missing_name(explanation->missing_pass);
	return action_name(explanation->action);
}

static json_t *explanation_document(const struct context *context,
				    const struct anybind_explanation *explanation)
{
	json_t *result = context_result(context), *check = must(json_object());
	const struct anybind_socket_info *socket = explanation->socket;

	json_put(result, "protocol", json_text(context->argv[0]));
	json_put(result, "outcome", json_text(outcome(explanation)));
	json_put(result, "action", json_text(action_name(explanation->action)));
	json_put(result, "rule", json_text(explanation->rule));
	json_put(result, "reason", json_text(explanation->reason));
	json_put(result, "service", json_text(explanation->service));
	json_put(result, "fallbacks", fallbacks_document(explanation));
	json_put(result, "missing", json_boolean(explanation->missing));
	json_put(result, "socket", socket ? socket_document(socket) : json_null());
	json_put(result, "candidates", candidates_document(explanation));
	json_put(result, "candidates_omitted", must(json_integer(explanation->n_omitted)));
	json_put(check, "result", json_text(check_name(explanation->check)));
	json_put(check, "text", json_text(explanation->check_text));
	json_put(result, "kernel", check);
	return result;
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_(explanation_freep) struct anybind_explanation *explanation = NULL;
	struct anybind_flow flow = {0};
	int r;

	r = read_flow(context, &flow);
	if (r < 0)
		return r;
	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = anybind_explain(anybind, &flow, &explanation, context->report);
	if (explanation)
		context->output.result = explanation_document(context, explanation);
	if (r == -EUCLEAN && explanation && !anybind_report_count(context->report))
		output_error(&context->output, r,
			     "Try again: the rules may have changed meanwhile.",
			     "the kernel's test run disagrees with this explanation");
	return r;
}

/*
 * Service web, or service web and its fallbacks a and b, has no usable socket;
 * returns the service that has, or NULL.
 */
static const char *print_without_socket(const json_t *result)
{
	const json_t *fallback, *fallbacks = json_object_get(result, "fallbacks");
	size_t i, n = json_array_size(fallbacks), without = n;
	const char *taker = NULL;

	if (!json_flag(result, "missing"))
		taker = json_string_value(json_array_get(fallbacks, --without));
	print_text("Service %s", json_member(result, "service"));
	json_array_foreach (fallbacks, i, fallback) {
		if (i == without)
			break;
		print_text("%s%s", i == 0	      ? without > 1 ? " and its fallbacks "
								    : " and its fallback "
				   : i + 1 == without ? " and "
						      : ", ",
			   json_string_value(fallback));
	}
	print_text(" %s no usable socket: the packet ", without ? "have" : "has");
	return taker;
}

static void print_sentence(const json_t *result)
{
	const char *action = json_member(result, "outcome");
	const char *service = json_member(result, "service");
	const json_t *socket = json_object_get(result, "socket");
	bool missing = json_flag(result, "missing"), fell_back;
	bool tcp = !strcmp(json_member(result, "protocol"), "tcp");

	fell_back = json_array_size(json_object_get(result, "fallbacks")) > 0 && !missing;
	if (fell_back)
		service = print_without_socket(result);
	else if (missing)
		print_without_socket(result);
	else if (!json_member(result, "rule"))
		print_text("No rule matches: the packet ");
	else
		print_text("The packet ");
	if (!strcmp(action, "pass")) {
		print_line("is left to the normal socket lookup.");
	} else if (!strcmp(action, "drop")) {
		print_line("gets no socket; its sender is told so by %s.",
			   tcp ? "a TCP reset" : "an ICMP port unreachable");
	} else {
		print_text(fell_back ? "goes to the fallback " : "goes to service ");
		print_bold("%s", service);
		if (json_is_object(socket)) {
			print_text(", socket ");
			socket_print(socket);
		}
		print_line(".");
	}
}

static void print_socket(const json_t *socket)
{
	const char *address = json_member(socket, "address");
	const char *program = json_member(socket, "program");
	json_int_t pid = json_number(socket, "pid");

	print_label("socket");
	print_text("cookie %" JSON_INTEGER_FORMAT, json_number(socket, "cookie"));
	if (pid)
		print_text(", pid %" JSON_INTEGER_FORMAT "%s%s", pid, program ? " " : "",
			   program ? program : "");
	print_text(", %s", json_member(socket, "protocol"));
	if (address)
		print_text(" bound to %s", address);
	if (json_flag(socket, "reuseport"))
		print_text(", reuseport group of %" JSON_INTEGER_FORMAT,
			   json_number(socket, "members"));
	print_end();
}

static void print_candidates(const json_t *result)
{
	json_int_t omitted = json_number(result, "candidates_omitted");
	const json_t *candidate;
	size_t i;

	json_array_foreach (json_object_get(result, "candidates"), i, candidate) {
		if (i)
			print_pad(0, LABEL_COLUMNS);
		else
			print_label("others");
		print_line("%s", json_member(candidate, "rule"));
		print_pad(0, LABEL_COLUMNS + 2);
		print_line("%s", json_member(candidate, "reason"));
	}
	if (omitted) {
		print_pad(0, LABEL_COLUMNS);
		print_line("… and %" JSON_INTEGER_FORMAT " more", omitted);
	}
}

static void print_check(const json_t *check)
{
	const char *name = json_member(check, "result"), *text = json_member(check, "text");

	print_label("kernel");
	if (!strcmp(name, check_name(ANYBIND_CHECK_DISAGREES)))
		print_bold("%s", name);
	else
		print_text("%s", check_name(ANYBIND_CHECK_AGREES));
	print_line("%s%s", text ? ": " : "", text ? text : "");
}

static void print(const json_t *result)
{
	const json_t *socket = json_object_get(result, "socket");
	const char *rule = json_member(result, "rule"), *reason = json_member(result, "reason");

	print_sentence(result);
	print_end();
	print_label("rule");
	print_line("%s", rule ? rule : "none");
	if (reason) {
		print_pad(0, LABEL_COLUMNS + 2);
		print_line("%s", reason);
	}
	if (json_is_object(socket))
		print_socket(socket);
	print_candidates(result);
	print_check(json_object_get(result, "kernel"));
}

const struct command cmd_explain = {
	.name = "explain",
	.group = "Looking",
	.arguments = "PROTO SRC:PORT DST:PORT [dev IFNAME]",
	.summary = "say where a packet goes, and why",
	.description =
		"Says what the dispatcher does with a packet that belongs to no connection: which "
		"rule decides and why, which service and socket it goes to, by which fallbacks, "
		"and which other rules "
		"for its destination did not decide. The answer is checked against the kernel, "
		"which runs the dispatcher's program for such a packet without sending one. If the "
		"two disagree that is an error.",
	.words =
		(const struct word_row[]){
			{"PROTO", "`tcp` or `udp`."},
			{"SRC:PORT", "Where the packet comes from: `198.51.100.7:40000` or "
				     "`[2001:db8::7]:40000`."},
			{"DST:PORT", "Where it goes to."},
			{"IFNAME",
			 "The interface it comes in by. Without it rules with `dev` do not "
			 "match."},
			{NULL},
		},
	.examples =
		(const struct example_row[]){
			{"anybind explain tcp 198.51.100.7:40000 192.0.2.99:80",
			 "A new connection."},
			{"anybind explain udp [2001:db8::7]:5353 [2001:db8::1]:53 dev eth0",
			 "A datagram that comes in by eth0."},
			{NULL},
		},
	.complete = COMPLETE_DEVICE " tcp udp dev",
	.min_words = 3,
	.max_words = 5,
	.run = run,
	.print = print,
};
