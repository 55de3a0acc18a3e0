// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Floods, and who gets their packets to a socket: what that costs, how real
 * clients fare beside it, and whether changes of the rules show. See
 * docs/performance.md; bench/flood runs this.
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flood_bench.h"

void die(int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "flood: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, code ? ": %s\n" : "\n", strerrordesc_np(-code));
	va_end(ap);
	exit(1);
}

const char *first_message(const struct anybind_report *report)
{
	return report && anybind_report_count(report) ? anybind_report_get(report, 0)->text :
							"no more is known";
}

bool is_wanted(const struct bench *b, const char *part, enum flood_kind kind, bool v6,
	       const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "%s %s %s", flood_names[kind], v6 ? "IPv6" : "IPv4", what);
	return (!b->options.part || strstr(b->options.part, part)) &&
	       (!b->options.only ||
		!fnmatch(b->options.only, name, FNM_CASEFOLD | FNM_EXTMATCH));
}

void use_syncookies(struct bench *b, bool on)
{
	for (enum world world = WORLDS; world-- > 0;) { /* MAIN is the last */
		int r = worlds_enter(&b->worlds, world);

		if (!r)
			r = set_syncookies(on);
		if (r < 0)
			die(r, "cannot set tcp_syncookies");
	}
}

static void set_up(struct bench *b)
{
	int r;

	/* The shell's connection is none of the benchmark's business. */
	unsetenv("SSH_CONNECTION");
	r = injector_open(&b->injector);
	if (r < 0)
		die(r, "cannot load the program that makes packets (are you root?)");
	r = worlds_new(&b->worlds, &b->injector);
	if (r < 0)
		die(r, "cannot make network namespaces");
	b->cells = json_array();
	b->clients = json_array();
	b->changes = json_array();
}

static void write_json(const struct bench *b)
{
	const struct flood_options *o = &b->options;
	json_t *root = json_pack("{s:i, s:s, s:i, s:i, s:i, s:i, s:O, s:O, s:O}", "version", 1,
				 "benchmark", "flood", "rounds", o->rounds, "turns", o->turns,
				 "packets", o->packets, "warm_max", o->field.warm_max, "cells",
				 b->cells, "clients", b->clients, "changes", b->changes);

	if (json_dump_file(root, o->json, JSON_INDENT(1)) < 0)
		die(-EIO, "cannot write %s", o->json);
	json_decref(root);
}

/* ---- the command line ---- */

enum number { ROUNDS, TURNS, PACKETS, WARM, LPM_MAX, CHANGES, CPU, CPU_OTHER, NUMBERS };

static const char usage[] =
	"usage: flood [--only PATTERN] [--part PARTS] [--rounds N] [--turns N] [--packets N]\n"
	"             [--warm N] [--lpm-max N] [--changes N] [--cpu N] [--cpu-other N]\n"
	"             [--json FILE]\n"
	"  --only       what matches the shell pattern, like '* IPv4 400000 hosts'\n"
	"  --part       of cost,clients,changes\n"
	"  --turns      of each competitor in a round\n"
	"  --packets    in one block\n"
	"  --warm       at most so many packets before each block\n"
	"  --lpm-max    rules up to which LPM tries take part\n"
	"  --changes    of 1 and of 10000 rules\n"
	"  --cpu        of flood and servers, --cpu-other of clients\n";

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || n > max) {
		fprintf(stderr, "flood: not a number up to %lu: %s\n", max, text);
		exit(2);
	}
	return n;
}

static void set_number(struct flood_options *o, enum number which, const char *text)
{
	switch (which) {
	case ROUNDS:
		o->rounds = number(text, 30);
		break;
	case TURNS:
		o->turns = number(text, 30);
		break;
	case PACKETS:
		o->packets = number(text, 1000000);
		break;
	case WARM:
		o->field.warm_max = number(text, 1000000);
		break;
	case LPM_MAX:
		o->field.lpm_max = number(text, 1000000);
		break;
	case CHANGES:
		o->changes = number(text, 100000);
		break;
	case CPU:
		o->cpu = number(text, 1023);
		break;
	default:
		o->cpu_other = number(text, 1023);
	}
}

static void read_options(int argc, char *argv[], struct flood_options *o)
{
	static const struct option names[] = {
		[ROUNDS] = { "rounds", required_argument, NULL, ROUNDS },
		[TURNS] = { "turns", required_argument, NULL, TURNS },
		[PACKETS] = { "packets", required_argument, NULL, PACKETS },
		[WARM] = { "warm", required_argument, NULL, WARM },
		[LPM_MAX] = { "lpm-max", required_argument, NULL, LPM_MAX },
		[CHANGES] = { "changes", required_argument, NULL, CHANGES },
		[CPU] = { "cpu", required_argument, NULL, CPU },
		[CPU_OTHER] = { "cpu-other", required_argument, NULL, CPU_OTHER },
		{ "only", required_argument, NULL, 'o' },
		{ "part", required_argument, NULL, 'p' },
		{ "json", required_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (c < NUMBERS) {
			set_number(o, c, optarg);
		} else if (c == 'o') {
			o->only = optarg;
		} else if (c == 'p') {
			o->part = optarg;
		} else if (c == 'j') {
			o->json = optarg;
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
}

int main(int argc, char *argv[])
{
	struct bench b = {
		.options = { .rounds = 7,
			     .turns = 8,
			     .cpu = 1,
			     .packets = 2500,
			     .changes = 1000,
			     .field = { .lpm_max = 400000, .warm_max = 10000 } },
	};

	read_options(argc, argv, &b.options);
	set_up(&b);
	run_cells(&b);
	run_clients(&b);
	run_changes(&b);
	if (b.options.json)
		write_json(&b);
	injector_close(&b.injector);
	json_decref(b.cells);
	json_decref(b.clients);
	json_decref(b.changes);
	return 0;
}
