// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "newcomer.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "show.h"
#include "word.h"

static void anybind_sockets_freep(struct anybind_sockets **sockets)
{
	anybind_sockets_free(*sockets);
}

static void anybind_services_freep(struct anybind_services **services)
{
	anybind_services_free(*services);
}

/* ---- --only ---- */

static int read_one(struct only *ret, const char *text)
{
	const char *blank = strchrnul(text, ' ');
	char protocol[4];

	if ((size_t)(blank - text) >= sizeof(protocol))
		return -EINVAL;
	memcpy(protocol, text, blank - text);
	protocol[blank - text] = '\0';
	if (word_protocol(protocol, &ret->protocol) < 0)
		return -EINVAL;
	blank += strspn(blank, " ");
	return *blank ? word_endpoint(blank, &ret->address) : 0;
}

int newcomers_read_only(struct newcomers *newcomers)
{
	struct context *context = newcomers->context;
	const struct option_texts *texts = &context->options.only;

	newcomers->only = calloc(texts->n + 1, sizeof(*newcomers->only));
	if (!newcomers->only)
		out_of_memory();
	for (size_t i = 0; i < texts->n; i++)
		if (read_one(&newcomers->only[i], texts->values[i]) < 0)
			return context_usage(context,
					     "run: \"%s\" is not of the form \"udp\" or \"tcp "
					     "192.0.2.1:80\"", texts->values[i]);
	return 0;
}

void newcomers_release(struct newcomers *newcomers)
{
	free(newcomers->only);
	for (size_t i = 0; i < newcomers->n_said; i++)
		free(newcomers->said[i]);
}

static bool is_bound_to(int fd, const struct sockaddr_storage *wanted)
{
	union {
		struct sockaddr_storage storage;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} mine = {0}, other = {.storage = *wanted};
	socklen_t len = sizeof(mine);

	if (getsockname(fd, (struct sockaddr *)&mine.storage, &len) < 0 ||
	    mine.storage.ss_family != other.storage.ss_family ||
	    mine.in.sin_port != other.in.sin_port)
		return false;
	if (mine.storage.ss_family == AF_INET)
		return mine.in.sin_addr.s_addr == other.in.sin_addr.s_addr;
	return !memcmp(&mine.in6.sin6_addr, &other.in6.sin6_addr, sizeof(mine.in6.sin6_addr));
}

static bool is_wanted(const struct newcomers *newcomers, int protocol, int fd)
{
	size_t n = newcomers->context->options.only.n;

	for (size_t i = 0; i < n; i++) {
		const struct only *only = &newcomers->only[i];

		if (only->protocol == protocol &&
		    (only->address.ss_family == AF_UNSPEC || is_bound_to(fd, &only->address)))
			return true;
	}
	return !n;
}

/* ---- what is said ---- */

/* Workers that come and go are refused for the same reason again and again. */
static bool is_new(struct newcomers *newcomers, const char *key)
{
	for (size_t i = 0; i < newcomers->n_said; i++)
		if (!strcmp(newcomers->said[i], key))
			return false;
	if (newcomers->n_said == NEWCOMERS_SAID)
		return false;
	newcomers->said[newcomers->n_said] = strdup(key);
	if (!newcomers->said[newcomers->n_said++])
		out_of_memory();
	if (newcomers->n_said == NEWCOMERS_SAID)
		fputs("anybind: this is the last that is said of sockets\n", stderr);
	return true;
}

static void say(const struct newcomers *newcomers, int code, const char *hint, const char *text)
{
	const struct context *context = newcomers->context;
	struct output now;

	output_init(&now);
	now.verbose = context->options.verbose;
	output_error(&now, code, hint, "%s: %s", context->argv[0], text);
	output_finish(&now, NULL);
	output_release(&now);
}

void newcomers_say(struct newcomers *newcomers, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	if (is_new(newcomers, text))
		say(newcomers, 0, NULL, text);
}

/* "nginx (pid 812)". */
static void describe(const struct intake_socket *socket, char *ret, size_t size)
{
	char path[64], name[32] = "a program";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", socket->pid);
	file = fopen(path, "re");
	if (file && fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = '\0';
	if (file)
		fclose(file);
	snprintf(ret, size, "%s (pid %d)", name, socket->pid);
}

/* The library names the descriptor by its number here, which means nothing to the reader. */
static const char *without_number(const char *text, int fd)
{
	char prefix[32];
	int n = snprintf(prefix, sizeof(prefix), "fd %d: ", fd);

	return strncmp(text, prefix, n) ? text : text + n;
}

static void refuse(struct newcomers *newcomers, const struct intake_socket *socket,
		   const struct anybind_report *report)
{
	char who[64];

	newcomers->refused++;
	describe(socket, who, sizeof(who));
	for (size_t i = 0; i < anybind_report_count(report); i++) {
		const struct anybind_message *message = anybind_report_get(report, i);
		const char *reason = without_number(message->text, socket->fd);
		_cleanup_free_ char *text = NULL;

		if (asprintf(&text, "descriptor %d of %s is not registered: %s", socket->number,
			     who, reason) < 0)
			out_of_memory();
		if (is_new(newcomers, reason))
			say(newcomers, message->code, message->hint, text);
	}
}

/* ---- registering ---- */

/* Where among the service's sockets of its family and protocol it belongs. */
enum place {
	PLACE_FREE,
	PLACE_INSTEAD,
	PLACE_BESIDE, /* in its reuseport group */
	PLACE_THERE,  /* it has it already */
};

static enum place compare(const struct anybind_socket_info *info,
			  const struct anybind_socket_info *other)
{
	if (other->family != info->family || other->protocol != info->protocol ||
	    other->state != ANYBIND_SOCKET_LIVE)
		return PLACE_FREE;
	if (other->cookie == info->cookie)
		return PLACE_THERE;
	if (other->reuseport && info->reuseport && other->address &&
	    !strcmp(other->address, info->address))
		return PLACE_BESIDE;
	return PLACE_INSTEAD;
}

/* @ret_rival: for PLACE_INSTEAD, whose place it would be, in words; to be freed. */
static enum place find_place(const struct newcomers *newcomers,
			     const struct anybind_socket_info *info, char **ret_rival)
{
	_cleanup_(anybind_services_freep) struct anybind_services *services = NULL;
	const struct anybind_service_info *service = NULL;
	const struct anybind_socket_info *rival = NULL;
	enum place place = PLACE_FREE;

	if (anybind_services(newcomers->anybind, &services, NULL) < 0)
		return PLACE_FREE;
	for (size_t i = 0; i < anybind_services_count(services); i++)
		if (!strcmp(anybind_services_get(services, i)->name, newcomers->context->argv[0]))
			service = anybind_services_get(services, i);
	for (size_t i = 0; service && i < service->n_sockets; i++) {
		enum place one = compare(info, &service->sockets[i]);

		if (one <= place)
			continue;
		place = one;
		rival = &service->sockets[i];
	}
	if (place == PLACE_INSTEAD &&
	    asprintf(ret_rival, "%s %s", protocol_name(rival->protocol),
		     rival->address ? rival->address : "of unknown address") < 0)
		out_of_memory();
	return place;
}

static void say_registered(struct newcomers *newcomers, const struct intake_socket *socket,
			   const struct anybind_socket_info *info, const char *rival)
{
	const char *protocol = protocol_name(info->protocol);
	_cleanup_free_ char *text = NULL;
	char who[64];

	newcomers->registered++;
	describe(socket, who, sizeof(who));
	if (rival && !newcomers->context->options.add)
		newcomers_say(newcomers,
			      "%s %s takes the place of %s; --add keeps both, --only says which",
			      protocol, info->address, rival);
	if (!newcomers->context->options.verbose)
		return;
	if (asprintf(&text, "registered %s %s, %s", protocol, info->address, who) < 0)
		out_of_memory();
	say(newcomers, 0, NULL, text);
}

static void place(struct newcomers *newcomers, const struct intake_socket *socket,
		  const struct anybind_sockets *sockets, struct anybind_report *report)
{
	const struct anybind_socket_info *info = anybind_sockets_get(sockets, 0);
	_cleanup_free_ char *rival = NULL;
	enum place where = find_place(newcomers, info, &rival);
	const struct anybind_register_options options = {
		.size = sizeof(options),
		.add = newcomers->context->options.add || where == PLACE_BESIDE,
		.how = newcomers->context->command->name,
	};

	/* listen() again is for the queue's length: others and weights stay as they are. */
	if (where == PLACE_THERE)
		return;
	if (rival && socket->any_port)
		newcomers_say(newcomers,
			      "UDP sockets bound to a port of the kernel's choice are taken for a "
			      "client's: they do not take the place of %s", rival);
	else if (anybind_register(newcomers->anybind, newcomers->context->argv[0], sockets,
				  &options, report) < 0)
		refuse(newcomers, socket, report);
	else
		say_registered(newcomers, socket, info, rival);
}

void newcomers_register(const struct intake_socket *socket, void *data)
{
	struct newcomers *newcomers = data;
	_cleanup_report_ struct anybind_report *report = anybind_report_new();
	_cleanup_(anybind_sockets_freep) struct anybind_sockets *sockets = NULL;

	if (!report)
		out_of_memory();
	newcomers->seen++;
	if (anybind_sockets_of_fds(newcomers->anybind, &sockets, &socket->fd, 1, report) < 0)
		refuse(newcomers, socket, report);
	else if (is_wanted(newcomers, anybind_sockets_get(sockets, 0)->protocol, socket->fd))
		place(newcomers, socket, sockets, report);
}
