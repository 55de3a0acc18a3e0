// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Clients beside a flood: who gets an answer, and how soon. */
#include <stdio.h>

#include "cleanup.h"
#include "flood_bench.h"
#include "flood_legit.h"
#include "flood_report.h"
#include "flood_thread.h"

/* Batches of one turn; there are as many turns as rounds. */
#define BATCHES 60

static const struct place net = { "/24", PLACE_NET, 24, 120, 250 };
static const struct place hosts = { "10000 hosts", PLACE_HOSTS, 0, 0, 10000 };
static const struct place million = { "1000000 hosts", PLACE_HOSTS, 0, 0, 1000000 };

static const struct row {
	const char *name;
	const struct place *place;
	enum legit_how how;
	bool alone; /* without a flood */
} rows[] = {
	{ "INADDR_ANY, no flood", &hosts, LEGIT_ANY, true },
	{ "INADDR_ANY", &hosts, LEGIT_ANY, false },
	{ "nftables TPROXY", &hosts, LEGIT_TPROXY, false },
	{ "two LPM lookups, 10000 rules", &hosts, LEGIT_LPM, false },
	{ "anybind, 1 rule", &net, LEGIT_ANYBIND, false },
	{ "anybind, 10000 rules", &hosts, LEGIT_ANYBIND, false },
	{ "anybind, 1000000 rules", &million, LEGIT_ANYBIND, false },
};

static void run_rows(struct bench *b, const struct legit_scene *scene, struct legit legit[])
{
	for (unsigned int round = 0; round < b->options.rounds; round++)
		for (unsigned int turn = 0; turn < ARRAY_SIZE(rows); turn++) {
			unsigned int i = (turn + round) % ARRAY_SIZE(rows);
			int r = legit_turn(&legit[i], scene, BATCHES, NULL);

			if (r < 0)
				die(r, "clients of %s", rows[i].name);
		}
}

static void report_rows(struct bench *b, const struct legit_scene *scene, struct legit legit[])
{
	json_t *found = json_array();

	clients_print_heading("Clients, one packet in five", scene->kind, scene->v6);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		clients_print(rows[i].name, &legit[i].client, legit[i].astray);
		json_array_append_new(found, clients_json(rows[i].name, &legit[i].client,
							  legit[i].astray));
	}
	json_array_append_new(b->clients, json_pack("{s:s, s:s, s:o}", "flood",
						    flood_names[scene->kind], "family",
						    scene->v6 ? "IPv6" : "IPv4", "rows", found));
}

static void run_scene(struct bench *b, const struct legit_scene *scene)
{
	struct anybind_report *report = anybind_report_new();
	struct legit legit[ARRAY_SIZE(rows)];

	use_syncookies(b, scene->kind == FLOOD_COOKIES);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = legit_new(&legit[i], scene, rows[i].place, rows[i].how, report);

		if (r < 0)
			die(r, "cannot set up %s: %s", rows[i].name, first_message(report));
		legit[i].flooded = !rows[i].alone;
	}
	run_rows(b, scene, legit);
	report_rows(b, scene, legit);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		legit_free(&legit[i]);
	anybind_report_free(report);
}

void run_clients(struct bench *b)
{
	for (unsigned int v6 = 0; v6 < 2; v6++)
		for (enum flood_kind kind = 0; kind < FLOOD_KINDS; kind++) {
			struct legit_scene scene = { &b->worlds, &b->injector, b->options.cpu,
						     b->options.cpu_other, kind, v6 };

			if (!is_wanted(b, "clients", kind, v6, "clients"))
				continue;
			pin_thread(b->options.cpu_other, NICE_FIRST);
			run_scene(b, &scene);
		}
}
