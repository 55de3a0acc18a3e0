// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Rules change beside a flood: do the clients notice? Each change replaces all
 * rules by others that steer the same packets to the same socket; in between
 * there must be no moment without.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "flood_bench.h"
#include "flood_changer.h"
#include "flood_legit.h"
#include "flood_report.h"
#include "flood_thread.h"
#include "flood_watch.h"

/* Batches without changes, to compare with. */
#define BATCHES 2000

/* Each change of a million rules takes a second or two. */
static const struct scale {
	const char *name;
	struct place place;
	unsigned int one_in; /* of the changes asked for */
} scales[] = {
	{ "1 rule", { "/24", PLACE_NET, 24, 120, 250 }, 1 },
	{ "10000 rules", { "10000 hosts", PLACE_HOSTS, 0, 0, 10000 }, 1 },
	{ "1000000 rules", { "1000000 hosts", PLACE_HOSTS, 0, 0, 1000000 }, 100 },
};

struct watched {
	struct client client;
	uint64_t astray;
	double late_ms; /* of the CPU that was late most */
};

static void parse(struct anybind_ruleset **ret, const char *text, size_t size)
{
	struct anybind_report *report = anybind_report_new();
	int r = anybind_ruleset_parse(ret, text, size, "rules", report);

	if (r < 0)
		die(r, "rules: %s", first_message(report));
	anybind_report_free(report);
}

/* Those of the setting for port 443, and the same for all ports. */
static void two_rulesets(const struct setting *setting, struct anybind_ruleset *ret[2])
{
	struct host_rules all_ports = setting->rules;
	char *text;
	size_t size;
	int r;

	parse(&ret[0], setting->text, setting->text_size);
	for (size_t i = 0; i < all_ports.n; i++)
		all_ports.v[i].port = 0;
	r = host_rules_text(&all_ports, &text, &size);
	if (r < 0)
		die(r, "rules");
	parse(&ret[1], text, size);
	free(text);
}

static struct anybind *put_in_force(const struct anybind_ruleset *ruleset, int fd)
{
	struct anybind_options options = { .size = sizeof(options) };
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets = NULL;
	struct anybind *anybind = NULL;
	int r = anybind_open(&anybind, &options, report);

	if (r >= 0)
		r = anybind_commit(anybind, ruleset, ANYBIND_FORCE, report);
	if (r >= 0)
		r = anybind_sockets_of_fds(anybind, &sockets, &fd, 1, report);
	if (r >= 0)
		r = anybind_register(anybind, "s0", sockets, NULL, report);
	if (r < 0)
		die(r, "anybind: %s", first_message(report));
	anybind_sockets_free(sockets);
	anybind_report_free(report);
	return anybind;
}

/* Clients ask while @until is false or, without it, for a while. */
static struct watched watch_clients(struct bench *b, struct legit *legit,
				    const struct legit_scene *scene, const atomic_bool *until)
{
	struct watched watched = { 0 };
	struct watch watch[2];
	int r = watch_start(&watch[0], b->options.cpu);

	if (!r)
		r = watch_start(&watch[1], b->options.cpu_other);
	legit->astray = 0;
	if (!r)
		r = legit_turn(legit, scene, BATCHES, until);
	if (r < 0)
		die(r, "clients beside changes");
	for (unsigned int i = 0; i < 2; i++) {
		watch_stop(&watch[i]);
		if (watch[i].late_ms > watched.late_ms)
			watched.late_ms = watch[i].late_ms;
	}
	watched.astray = legit->astray;
	r = legit_take_client(legit, scene, &watched.client);
	if (r < 0)
		die(r, "clients");
	return watched;
}

static json_t *report(struct watched *w, const char *name)
{
	json_t *json = clients_json(name, &w->client, w->astray);

	clients_print(name, &w->client, w->astray);
	printf("  %-30s a CPU let nobody run for %.1f ms at most\n", "", w->late_ms);
	json_object_set_new(json, "cpu_late_ms", json_real(w->late_ms));
	client_free(&w->client);
	return json;
}

static void run_scale(struct bench *b, const struct legit_scene *scene, const struct scale *scale)
{
	struct changer changer = { .changes = b->options.changes / scale->one_in,
				   .cpu = b->options.cpu_other };
	struct anybind_ruleset *rulesets[2];
	struct watched with, without;
	struct legit legit;
	json_t *rows = json_array();
	int r = legit_new(&legit, scene, &scale->place, LEGIT_IN_FORCE, NULL);

	if (r < 0)
		die(r, "cannot set up %s", scale->name);
	two_rulesets(&legit.setting, rulesets);
	changer.anybind = put_in_force(rulesets[1], legit.target.fd[0]);
	changer.rulesets[0] = rulesets[0];
	changer.rulesets[1] = rulesets[1];
	without = watch_clients(b, &legit, scene, NULL);
	r = changer_start(&changer);
	if (r < 0)
		die(r, "thread");
	with = watch_clients(b, &legit, scene, &changer.done);
	r = changer_wait(&changer);
	if (r < 0)
		die(r, "change %u of %s", changer.made + 1, scale->name);
	json_array_append_new(rows, report(&without, "without changes"));
	json_array_append_new(rows, report(&with, "with changes"));
	printf("  %-30s %u changes of %s, %.1f ms each\n", "", changer.made, scale->name,
	       changer.seconds * 1e3 / changer.made);
	json_array_append_new(b->changes,
			      json_pack("{s:s, s:s, s:s, s:i, s:f, s:o}", "flood",
					flood_names[scene->kind], "family",
					scene->v6 ? "IPv6" : "IPv4", "rules", scale->name,
					"changes", changer.made, "ms_each",
					changer.seconds * 1e3 / changer.made, "rows", rows));
	r = anybind_unload(changer.anybind, NULL);
	if (r < 0)
		die(r, "unload");
	anybind_close(changer.anybind);
	for (unsigned int i = 0; i < 2; i++)
		anybind_ruleset_free(rulesets[i]);
	legit_free(&legit);
}

/* Without SYN cookies a SYN flood leaves clients nothing that changes could take. */
void run_changes(struct bench *b)
{
	for (unsigned int v6 = 0; v6 < 2; v6++)
		for (enum flood_kind kind = 0; kind < FLOOD_KINDS; kind++) {
			struct legit_scene scene = { &b->worlds, &b->injector, b->options.cpu,
						     b->options.cpu_other, kind, v6 };

			for (unsigned int i = 0; i < ARRAY_SIZE(scales); i++) {
				if (kind == FLOOD_SYN ||
				    !is_wanted(b, "changes", kind, v6, scales[i].name))
					continue;
				pin_thread(b->options.cpu_other, NICE_FIRST);
				use_syncookies(b, kind == FLOOD_COOKIES);
				clients_print_heading(scales[i].name, kind, v6);
				run_scale(b, &scene, &scales[i]);
				if (scales[i].place.n > LARGE)
					wait_for_quiet();
			}
		}
}
