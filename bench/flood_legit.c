// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_legit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "flood_pace.h"
#include "flood_server.h"
#include "kernel.h"

/* More than a queue for half-open connections holds (tcp_max_syn_backlog). */
#define QUEUE_FILL 10000

static bool is_tcp(const struct legit_scene *scene)
{
	return scene->kind != FLOOD_UDP;
}

static int target_socket(const struct legit_scene *scene, bool tproxy)
{
	uint32_t loopback[4] = { scene->v6 ? 0 : htonl(INADDR_LOOPBACK), 0, 0, htonl(1) };
	int one = 1, fd;

	/* A UDP answer comes from the port that the socket is bound to. */
	if (!tproxy)
		return server_socket(scene->v6, is_tcp(scene), loopback,
				     is_tcp(scene) ? 0 : FLOOD_PORT);
	fd = server_socket(scene->v6, is_tcp(scene), NULL, TPROXY_PORT);
	if (fd >= 0 && setsockopt(fd, scene->v6 ? SOL_IPV6 : SOL_IP,
				  scene->v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &one,
				  sizeof(one)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static int open_target(struct flood_sockets *target, const struct legit_scene *scene, bool tproxy)
{
	int fd = target_socket(scene, tproxy);

	if (fd < 0)
		return fd;
	target->fd = malloc(sizeof(*target->fd));
	if (!target->fd) {
		close(fd);
		return -ENOMEM;
	}
	target->fd[0] = fd;
	target->n = 1;
	return 0;
}

static int load(struct legit *l, const struct legit_scene *scene, struct anybind_report *report)
{
	const struct setting *s = &l->setting;
	int r = open_target(&l->target, scene, l->how == LEGIT_TPROXY);

	if (r < 0 || l->how == LEGIT_IN_FORCE || l->how == LEGIT_TPROXY)
		return r;
	if (l->how == LEGIT_ANYBIND)
		return flood_anybind_load(&l->program, s->text, s->text_size, 1, &l->target,
					  report);
	r = flood_peers_load(&l->peers, s, &l->target, s->rules.n);
	if (!r)
		l->program = l->peers.lpm;
	return r;
}

static int new_client(struct legit *l, const struct legit_scene *scene)
{
	int r = setns(scene->worlds->clients[l->world], CLONE_NEWNET) < 0 ? -errno : 0;

	if (!r)
		r = client_new(&l->client, &l->setting.addresses, is_tcp(scene));
	return r ? r : worlds_enter(scene->worlds, WORLD_MAIN);
}

int legit_new(struct legit *ret, const struct legit_scene *scene, const struct place *place,
	      enum legit_how how, struct anybind_report *report)
{
	int r;

	*ret = (struct legit){ .how = how,
			       .world = how == LEGIT_TPROXY ? WORLD_TPROXY : WORLD_MAIN,
			       .flooded = true,
			       .program = -1,
			       .client.fd = -1 };
	r = worlds_enter(scene->worlds, ret->world);
	if (!r)
		r = setting_new(&ret->setting, place, scene->v6, is_tcp(scene));
	if (!r && how != LEGIT_ANY)
		r = load(ret, scene, report);
	if (!r)
		r = new_client(ret, scene);
	if (r < 0)
		legit_free(ret);
	return r;
}

int legit_take_client(struct legit *legit, const struct legit_scene *scene, struct client *ret)
{
	*ret = legit->client;
	legit->client = (struct client){ .fd = -1 };
	return new_client(legit, scene);
}

void legit_free(struct legit *legit)
{
	if (legit->how == LEGIT_ANYBIND && legit->program >= 0)
		close(legit->program);
	if (legit->peers.skel)
		flood_peers_close(&legit->peers);
	client_free(&legit->client);
	flood_sockets_close(&legit->target);
	setting_free(&legit->setting);
}

/* ---- one turn ---- */

/* What came to a socket where nothing should: datagrams, or connections. */
static uint64_t count_arrivals(int fd, bool tcp)
{
	uint64_t arrived = 0;
	char byte;
	int one;

	while ((one = tcp ? accept(fd, NULL, NULL) : recv(fd, &byte, 1, 0)) >= 0) {
		arrived++;
		if (tcp)
			close(one);
	}
	return arrived;
}

static int ask(struct legit *l, const struct legit_scene *scene, unsigned int batches,
	       const atomic_bool *until)
{
	struct pace pace;
	int stopped, r = pace_start(&pace, scene->injector, scene->worlds, l->world,
				    scene->cpu_server);

	if (r < 0)
		return r;
	r = setns(scene->worlds->clients[l->world], CLONE_NEWNET) < 0 ? -errno : 0;
	for (unsigned int i = 0; !r && (until ? !atomic_load(until) : i < batches); i++) {
		uint64_t lost = l->client.lost;

		if (l->flooded)
			pace_step(&pace, CLIENT_BATCH);
		r = client_ask(&l->client);
		/* Where nobody gets an answer it takes long to see that. */
		if (l->client.lost - lost == CLIENT_BATCH)
			break;
	}
	stopped = pace_stop(&pace);
	if (!r)
		r = worlds_enter(scene->worlds, l->world);
	return r ? r : stopped;
}

/*
 * Half-open connections of an earlier turn are forgotten, then there are so
 * many that without SYN cookies there is no room for more, as in any flood that
 * has gone on for a moment.
 */
static int begin_syn_flood(struct legit *l, const struct legit_scene *scene, int fd)
{
	double ns;

	if (shutdown(fd, SHUT_RD) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	if (!l->flooded)
		return 0;
	return injector_run(scene->injector, scene->worlds->ifindex[l->world], QUEUE_FILL, false,
			    &ns);
}

static int take_turn(struct legit *legit, const struct legit_scene *scene, unsigned int batches,
		     const atomic_bool *until)
{
	bool tcp = is_tcp(scene), steered = legit->how != LEGIT_ANY;
	/* With a program this is where nothing should arrive. */
	_cleanup_close_ int any = server_socket(scene->v6, tcp, NULL, FLOOD_PORT);
	_cleanup_close_ int link = -1;
	int fd = steered ? legit->target.fd[0] : any;
	struct server server;
	int r = 0;

	if (any < 0)
		return any;
	if (legit->program >= 0) {
		link = kernel_attach(legit->program, scene->worlds->netns[legit->world]);
		if (link < 0)
			return link;
	}
	setting_draw(&legit->setting, scene->injector->order);
	injector_aim(scene->injector, scene->v6, tcp, legit->setting.drawn);
	if (tcp)
		r = begin_syn_flood(legit, scene, fd);
	if (!r)
		r = server_start(&server, fd, tcp, scene->cpu_server);
	if (r < 0)
		return r;
	r = ask(legit, scene, batches, until);
	server_stop(&server);
	if (steered)
		legit->astray += count_arrivals(any, tcp);
	return r;
}

int legit_turn(struct legit *legit, const struct legit_scene *scene, unsigned int batches,
	       const atomic_bool *until)
{
	int r = worlds_enter(scene->worlds, legit->world), back;

	if (!r)
		r = take_turn(legit, scene, batches, until);
	back = worlds_enter(scene->worlds, WORLD_MAIN);
	return r ? r : back;
}
