// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Rules change beside a flood: do the clients notice? Each change replaces all
 * rules by others that steer the same packets to the same socket, or adds a rule
 * and takes it out again; in between there must be no moment without.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "flood_bench.h"
#include "flood_changer.h"
#include "flood_legit.h"
#include "flood_memory.h"
#include "flood_report.h"
#include "flood_thread.h"
#include "flood_watch.h"

/* Batches without changes, to compare with. */
#define BATCHES 2000

/* MiB that others take meanwhile: smaller generations cannot be told from that. */
#define MEMORY_NOISE 2
/* More than all generations that are there at once. */
#define TOUCHED_MIB 512

static const struct scale {
	const char *name;
	struct place place;
	unsigned int one_in; /* of the changes asked for: each of a million rules takes a second */
	bool edit;	     /* one rule comes and goes, the others stay */
} scales[] = {
	{ "1 rule", { "/24", PLACE_NET, 24, 120, 250 }, 1 },
	{ "10000 rules", { "10000 hosts", PLACE_HOSTS, 0, 0, 10000 }, 1 },
	{ "1 of 1000000 rules", { "1000000 hosts", PLACE_HOSTS, 0, 0, 1000000 }, 1, true },
	{ "1000000 rules", { "1000000 hosts", PLACE_HOSTS, 0, 0, 1000000 }, 100 },
};

struct watched {
	struct client client;
	uint64_t astray;
	double late_ms; /* of the CPU that was late most */
};

static struct anybind_ruleset *parse(const char *text, size_t size)
{
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *ruleset;
	int r = anybind_ruleset_parse(&ruleset, text, size, "rules", report);

	if (r < 0)
		die(r, "rules: %s", first_message(report));
	anybind_report_free(report);
	return ruleset;
}

/* The first @n rules of the setting, for another port. */
static struct anybind_ruleset *with_port(const struct setting *setting, size_t n, uint16_t port)
{
	struct host_rules rules = setting->rules;
	struct anybind_ruleset *ruleset;
	char *text;
	size_t size;
	int r;

	rules.n = n;
	for (size_t i = 0; i < n; i++)
		rules.v[i].port = port;
	r = host_rules_text(&rules, &text, &size);
	if (r < 0)
		die(r, "rules");
	ruleset = parse(text, size);
	free(text);
	return ruleset;
}

/* All of the setting's rules, in turn for its port and for all; or one more and one less. */
static void rules_new(struct changer *changer, const struct setting *setting, bool edit)
{
	changer->rulesets[0] = parse(setting->text, setting->text_size);
	if (edit)
		changer->delta = with_port(setting, 1, FLOOD_PORT + 1);
	else
		changer->rulesets[1] = with_port(setting, setting->rules.n, 0);
}

static void rules_free(struct changer *changer)
{
	for (unsigned int i = 0; i < 2; i++)
		anybind_ruleset_free(changer->rulesets[i]);
	anybind_ruleset_free(changer->delta);
}

/* A dispatcher whose only service has a socket, and no rules. */
static struct anybind *load(int fd)
{
	struct anybind_options options = { .size = sizeof(options) };
	struct anybind_report *report = anybind_report_new();
	struct anybind_sockets *sockets = NULL;
	struct anybind *anybind = NULL;
	int r = anybind_open(&anybind, &options, report);

	if (r >= 0)
		r = anybind_load(anybind, report);
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

/* Memory of the kernel, in MiB. */
struct room {
	double one;  /* generation more or less */
	double most; /* at once while rules change */
};

static json_t *report_changes(const struct legit_scene *scene, const struct scale *scale,
			      const struct changer *changer, const struct room *room, json_t *rows)
{
	double ms_each = changer->seconds * 1e3 / changer->made;

	printf("  %-30s %u changes of %s, %.1f ms each\n", "", changer->made, scale->name, ms_each);
	printf("  %-30s a generation is %.1f MiB, at most %.1f MiB were there", "", room->one,
	       room->most);
	if (changer->level_mib)
		printf(", one was freed after %.0f ms at most", changer->freed_ms);
	printf("\n");
	return json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:o}", "flood",
			 flood_names[scene->kind], "family", scene->v6 ? "IPv6" : "IPv4", "rules",
			 scale->name, "changes", changer->made, "ms_each", ms_each, "generation_mib",
			 room->one, "most_mib", room->most, "freed_ms", changer->freed_ms, "rows",
			 rows);
}

/* What is in force before and after that of the changer is as large as its own. */
static void change_beside_clients(struct bench *b, struct legit *legit,
				  const struct legit_scene *scene, const struct scale *scale,
				  struct changer *changer)
{
	json_t *rows = json_array();
	struct watched with, without;
	struct memory memory;
	struct room room;
	double before;
	int r;

	changer->anybind = load(legit->target.fd[0]);
	before = memory_used();
	r = anybind_commit(changer->anybind, changer->rulesets[0], ANYBIND_FORCE, NULL);
	if (r < 0)
		die(r, "%s", scale->name);
	without = watch_clients(b, legit, scene, NULL);
	room.one = memory_used() - before;
	if (room.one > MEMORY_NOISE)
		changer->level_mib = before + room.one + MEMORY_NOISE;
	memory_touch(TOUCHED_MIB);
	r = memory_start(&memory, b->options.cpu_other);
	if (!r)
		r = changer_start(changer);
	if (r < 0)
		die(r, "thread");
	with = watch_clients(b, legit, scene, &changer->done);
	r = changer_wait(changer);
	memory_stop(&memory);
	if (r < 0)
		die(r, "change %u of %s", changer->made + 1, scale->name);
	room.most = memory.most - before;
	json_array_append_new(rows, report(&without, "without changes"));
	json_array_append_new(rows, report(&with, "with changes"));
	json_array_append_new(b->changes, report_changes(scene, scale, changer, &room, rows));
}

static void run_scale(struct bench *b, const struct legit_scene *scene, const struct scale *scale)
{
	struct changer changer = { .changes = 1 + (b->options.changes - 1) / scale->one_in,
				   .cpu = b->options.cpu_other };
	struct legit legit;
	int r = legit_new(&legit, scene, &scale->place, LEGIT_IN_FORCE, NULL);

	if (r < 0)
		die(r, "cannot set up %s", scale->name);
	rules_new(&changer, &legit.setting, scale->edit);
	change_beside_clients(b, &legit, scene, scale, &changer);
	r = anybind_unload(changer.anybind, NULL);
	if (r < 0)
		die(r, "unload");
	anybind_close(changer.anybind);
	rules_free(&changer);
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
