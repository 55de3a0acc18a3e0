// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "show.h"

#include <netinet/in.h>
#include <stdio.h>
#include <time.h>

const char *protocol_name(int protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : "udp";
}

static const char *state_name(enum anybind_socket_state state)
{
	switch (state) {
	case ANYBIND_SOCKET_LIVE:
		return "live";
	case ANYBIND_SOCKET_SHUT_DOWN:
		return "shut down";
	case ANYBIND_SOCKET_GONE:
		return "gone";
	}
	return NULL;
}

json_t *member_document(const struct anybind_socket_info *socket)
{
	json_t *document = socket_document(socket);

	json_put(document, "state", json_text(state_name(socket->state)));
	json_put(document, "weight", must(json_integer(socket->weight)));
	json_put(document, "standby", json_boolean(socket->standby));
	json_put(document, "share", must(json_real(socket->share)));
	json_put(document, "since", socket->since ? must(json_integer(socket->since)) : json_null());
	json_put(document, "how", json_text(socket->how));
	json_put(document, "by_uid", socket->how ? must(json_integer(socket->by_uid)) : json_null());
	return document;
}

json_t *socket_document(const struct anybind_socket_info *socket)
{
	json_t *document = must(json_object());

	json_put(document, "family", json_text(socket->family == AF_INET ? "ipv4" : "ipv6"));
	json_put(document, "protocol", json_text(protocol_name(socket->protocol)));
	json_put(document, "address", json_text(socket->address));
	json_put(document, "cookie", must(json_integer(socket->cookie)));
	json_put(document, "reuseport", json_boolean(socket->reuseport));
	json_put(document, "members", must(json_integer(socket->members)));
	json_put(document, "pid", socket->pid ? must(json_integer(socket->pid)) : json_null());
	json_put(document, "program", json_text(socket->program));
	return document;
}

const char *time_text(json_int_t seconds, char buf[TIME_TEXT_MAX])
{
	time_t when = seconds;
	struct tm tm;

	if (!localtime_r(&when, &tm) || !strftime(buf, TIME_TEXT_MAX, "%F %T", &tm))
		snprintf(buf, TIME_TEXT_MAX, "at a time unknown");
	return buf;
}

size_t socket_print(const json_t *socket)
{
	const char *address = json_member(socket, "address");
	const char *program = json_member(socket, "program");
	json_int_t pid = json_number(socket, "pid");
	size_t columns = print_text("%s ", json_member(socket, "protocol"));

	if (address)
		columns += print_text("%s", address);
	else
		columns += print_text("%s, address not known", json_member(socket, "family"));
	if (pid)
		columns += print_text(", %s (pid %" JSON_INTEGER_FORMAT ")",
				      program ? program : "a program", pid);
	return columns;
}
