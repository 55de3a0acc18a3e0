// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "flood_clock.h"
#include "flood_server.h"

/* For poll(2): what is left until @end, rounded up. */
static int left_ms(double end)
{
	double left = end - now_us();

	return left > 0 ? left / 1e3 + 1 : 0;
}

int client_new(struct client *ret, const struct host_rules *addresses, bool tcp)
{
	struct client client = { .addresses = addresses, .tcp = tcp, .fd = -1 };
	bool v6 = addresses->v6;
	int one = 1;

	if (!tcp) {
		client.fd = socket(v6 ? AF_INET6 : AF_INET,
				   SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (client.fd < 0)
			return -errno;
		if (setsockopt(client.fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_RECVERR : IP_RECVERR,
			       &one, sizeof(one)) < 0) {
			int r = -errno;

			close(client.fd);
			return r;
		}
	}
	*ret = client;
	return 0;
}

void client_free(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	free(client->us);
}

static int answered(struct client *c, double us)
{
	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 1024;
		double *more = realloc(c->us, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->us = more;
		c->room = room;
	}
	c->us[c->n++] = us;
	return 0;
}

static socklen_t address_of(const struct client *c, uint64_t number, struct sockaddr_in6 *ret)
{
	/* Not in the order of the rules, and all of them in the end. */
	const struct host_rule *to = &c->addresses->v[number * 7919 % c->addresses->n];
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	if (c->addresses->v6) {
		*ret = (struct sockaddr_in6){ .sin6_family = AF_INET6,
					      .sin6_port = htons(to->port) };
		memcpy(&ret->sin6_addr, to->addr, sizeof(ret->sin6_addr));
		return sizeof(*ret);
	}
	*in = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_port = htons(to->port),
				    .sin_addr.s_addr = to->addr[0] };
	return sizeof(*in);
}

/* ---- UDP ---- */

/* Takes what has arrived; returns how many requests are settled by it. */
static int take_answers(struct client *c, uint64_t first, const double sent[])
{
	struct request answer;
	char errors[512];
	struct msghdr error = { .msg_control = errors, .msg_controllen = sizeof(errors) };
	int settled = 0, r = 0;

	while (recv(c->fd, &answer, sizeof(answer), 0) == sizeof(answer) && !r) {
		if (answer.number - first >= CLIENT_BATCH)
			continue; /* came after all; it has been counted as lost */
		r = answered(c, now_us() - sent[answer.number - first]);
		settled++;
	}
	while (recvmsg(c->fd, &error, MSG_ERRQUEUE) >= 0) {
		c->refused++;
		settled++;
		error.msg_controllen = sizeof(errors);
	}
	return r < 0 ? r : settled;
}

static int ask_udp(struct client *c)
{
	struct pollfd fd = { .fd = c->fd, .events = POLLIN };
	double sent[CLIENT_BATCH], end;
	uint64_t first = c->next;
	int open = 0, settled;

	for (; open < CLIENT_BATCH; open++) {
		struct request request = { REQUEST_MAGIC, c->next };
		struct sockaddr_in6 to;
		socklen_t size = address_of(c, c->next++, &to);

		sent[open] = now_us();
		if (sendto(c->fd, &request, sizeof(request), 0, (struct sockaddr *)&to, size) < 0)
			return -errno;
	}
	end = now_us() + CLIENT_TIMEOUT_MS * 1e3;
	while (open > 0 && now_us() < end) {
		poll(&fd, 1, left_ms(end));
		settled = take_answers(c, first, sent);
		if (settled < 0)
			return settled;
		open -= settled;
	}
	c->asked += CLIENT_BATCH;
	c->lost += open > 0 ? open : 0;
	return 0;
}

/* ---- TCP ---- */

static void hang_up(struct pollfd *fd)
{
	struct linger hard = { .l_onoff = 1 };

	/* By a reset: nothing is left of the connection on either side. */
	setsockopt(fd->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd->fd);
	fd->fd = -1;
}

static int begin_connections(struct client *c, struct pollfd fds[], double sent[])
{
	for (int i = 0; i < CLIENT_BATCH; i++) {
		struct sockaddr_in6 to;
		socklen_t size = address_of(c, c->next++, &to);
		int fd = socket(to.sin6_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		fds[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
		sent[i] = now_us();
		if (fd < 0 ||
		    (connect(fd, (struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS))
			return -errno;
	}
	return 0;
}

/* The server's byte is the answer, anything else a refusal. */
static int take_bytes(struct client *c, struct pollfd fds[], const double sent[])
{
	int settled = 0, r = 0;
	char byte;

	for (int i = 0; i < CLIENT_BATCH && !r; i++) {
		if (fds[i].fd < 0 || !fds[i].revents)
			continue;
		if (read(fds[i].fd, &byte, 1) == 1)
			r = answered(c, now_us() - sent[i]);
		else
			c->refused++;
		hang_up(&fds[i]);
		settled++;
	}
	return r < 0 ? r : settled;
}

static int ask_tcp(struct client *c)
{
	struct pollfd fds[CLIENT_BATCH];
	double sent[CLIENT_BATCH], end;
	int open = CLIENT_BATCH, settled, r;

	for (int i = 0; i < CLIENT_BATCH; i++)
		fds[i].fd = -1;
	r = begin_connections(c, fds, sent);
	end = now_us() + CLIENT_TIMEOUT_MS * 1e3;
	while (!r && open > 0 && now_us() < end) {
		poll(fds, CLIENT_BATCH, left_ms(end));
		settled = take_bytes(c, fds, sent);
		if (settled < 0)
			r = settled;
		else
			open -= settled;
	}
	for (int i = 0; i < CLIENT_BATCH; i++)
		if (fds[i].fd >= 0)
			hang_up(&fds[i]);
	c->asked += CLIENT_BATCH;
	c->lost += open;
	return r;
}

int client_ask(struct client *client)
{
	return client->tcp ? ask_tcp(client) : ask_udp(client);
}

/* ---- what came of it ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double client_quantile(struct client *client, double q)
{
	if (!client->n)
		return NAN;
	qsort(client->us, client->n, sizeof(*client->us), compare);
	return client->us[(size_t)(q * (client->n - 1))];
}
