// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What a lookup costs: four sk_lookup programs, in turn within each round, on
 * one destination and on many. Works in network and mount namespaces of its
 * own and fails if any lookup finds another socket than it should.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cleanup.h"
#include "lookup_report.h"
#include "spread.skel.h"

#define SIZES_MAX 16
/* The trie takes minutes to fill and to free above this. */
#define LPM_RULES_MAX 400000
/* Lookups that warm the caches: as many as there are rules, within these. */
#define WARM_MIN 4096
#define WARM_MAX 262144

/* Program runs in one hot sample, and samples for each round. */
#define HOT_RUNS 32768
#define HOT_ROUNDS 10

struct options {
	unsigned int rounds, cpu;
	unsigned int lookups; /* in one sample */
	size_t sizes[SIZES_MAX];
	unsigned int n_sizes;
	bool full;
	const char *json;
};

struct bench {
	struct options options;
	struct spread_bpf *spread;
	union destinations *order; /* mapped */
	struct sockets sockets[2]; /* IPv4, IPv6 */
	json_t *cases;
};

__attribute__((noreturn, format(printf, 2, 3))) static void die(int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "lookup: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, code ? ": %s\n" : "\n", strerrordesc_np(-code));
	va_end(ap);
	exit(1);
}

/* ---- one case ---- */

static void look_up(const struct bench *b, unsigned int lookups, double *ret_ns)
{
	char packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = (lookups + LOOKUPS_PER_RUN - 1) / LOOKUPS_PER_RUN);
	double before = cpu_time();

	if (bpf_prog_test_run_opts(bpf_program__fd(b->spread->progs.spread), &opts) < 0)
		die(-errno, "test run of the lookups");
	*ret_ns = (cpu_time() - before) / (opts.repeat * LOOKUPS_PER_RUN);
}

static void expect_port(struct bench *b, enum program which, const struct sockets *sockets)
{
	b->spread->bss->by_rule = which == LPM || which == ANYBIND ? 0xffff : 0;
	b->spread->bss->always = which == FIXED ? sockets->port[0] : 0;
}

static void measure_spread(struct bench *b, enum program which, const struct host_rules *rules,
			   struct lookup_case *c)
{
	size_t warm = rules->n < WARM_MIN ? WARM_MIN : rules->n > WARM_MAX ? WARM_MAX : rules->n;
	double ns;

	expect_port(b, which, &b->sockets[rules->v6]);
	look_up(b, warm, &ns);
	look_up(b, b->options.lookups, &ns);
	samples_add(&c->spread[which], ns);
	if (b->spread->bss->mismatches)
		die(0, "%s, %zu rules: %llu lookups found another socket than they should",
		    program_names[which], rules->n, b->spread->bss->mismatches);
}

static void measure_hot(struct bench *b, const struct programs *programs, enum program which,
			const struct host_rules *rules, const struct host_rule *rule,
			struct lookup_case *c)
{
	double ns = 0;

	for (int warming = 1; warming >= 0; warming--) {
		int r = programs_run(programs, which, rule, &b->sockets[rules->v6], rules->v6,
				     warming ? HOT_RUNS / 8 : HOT_RUNS, &ns);

		if (r < 0)
			die(r, "test run of %s, %zu rules", program_names[which], rules->n);
	}
	samples_add(&c->hot[which], ns);
}

static void run_spread(struct bench *b, const struct programs *programs,
		       const struct host_rules *rules, struct lookup_case *c)
{
	_cleanup_close_ int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int link = kernel_attach(programs->fd[PASS], netns);
	int attached = programs->fd[PASS];

	if (link < 0)
		die(link, "cannot attach");
	for (unsigned int round = 0; round < b->options.rounds; round++)
		for (unsigned int turn = 0; turn < PROGRAMS; turn++) {
			/* Who follows whom changes from round to round. */
			enum program which = (turn + round) % PROGRAMS;
			int r;

			if (programs->fd[which] < 0)
				continue;
			r = kernel_swap(link, programs->fd[which], attached);
			if (r < 0)
				die(r, "cannot swap programs");
			attached = programs->fd[which];
			measure_spread(b, which, rules, c);
		}
}

/* Short turns, many rounds: the machine's speed must not change within a round. */
static void run_hot(struct bench *b, const struct programs *programs,
		    const struct host_rules *rules, struct lookup_case *c)
{
	for (unsigned int round = 0; round < HOT_ROUNDS * b->options.rounds; round++)
		for (unsigned int turn = 0; turn < PROGRAMS; turn++) {
			enum program which = (turn + round) % PROGRAMS;

			if (programs->fd[which] >= 0)
				measure_hot(b, programs, which, rules, &rules->v[round % rules->n],
					    c);
		}
}

static void run_case(struct bench *b, size_t n, bool v6, bool ports_differ)
{
	struct anybind_report *report = anybind_report_new();
	struct lookup_case c = { n, v6, ports_differ };
	struct programs programs;
	struct host_rules rules;
	int r = host_rules_new(&rules, n, v6, ports_differ);

	if (!r)
		r = programs_load(&programs, &rules, &b->sockets[v6],
				  n <= LPM_RULES_MAX || b->options.full, report);
	if (r < 0)
		die(r, "cannot load %zu rules: %s", n,
		    report && anybind_report_count(report) ? anybind_report_get(report, 0)->text :
							     "no more is known");
	host_rules_draw(&rules, b->sockets[v6].port, b->order);
	b->spread->bss->v6 = v6;
	b->spread->bss->position = 0;
	run_spread(b, &programs, &rules, &c);
	run_hot(b, &programs, &rules, &c);
	lookup_print_case(&c);
	json_array_append_new(b->cases, lookup_case_json(&c));
	programs_close(&programs);
	host_rules_free(&rules);
	anybind_report_free(report);
}

/* ---- set-up ---- */

static void enter_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	_cleanup_close_ int fd = -1;

	if (unshare(CLONE_NEWNET) < 0)
		die(-errno, "cannot make a network namespace (are you root?)");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		die(-errno, "cannot set lo up");
}

static void pin_to_cpu(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die(-errno, "cannot run on CPU %u", cpu);
}

static void set_up(struct bench *b)
{
	size_t size;
	int r = 0;

	enter_namespace();
	pin_to_cpu(b->options.cpu);
	for (unsigned int v6 = 0; v6 < 2 && !r; v6++)
		r = sockets_open(&b->sockets[v6], v6);
	if (r < 0)
		die(r, "cannot open sockets");
	b->spread = spread_bpf__open_and_load();
	if (!b->spread)
		die(-errno, "cannot load the program that looks up");
	r = kernel_mmap(bpf_map__fd(b->spread->maps.order), true, (void **)&b->order, &size);
	if (r < 0)
		die(r, "cannot map the destinations");
	b->cases = json_array();
}

static void write_json(const struct bench *b)
{
	json_t *root = json_pack("{s:i, s:s, s:i, s:O}", "version", 1, "benchmark", "lookup",
				 "rounds", b->options.rounds, "cases", b->cases);

	if (json_dump_file(root, b->options.json, JSON_INDENT(2)) < 0)
		die(-EIO, "cannot write %s", b->options.json);
	json_decref(root);
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || n > max || !n) {
		fprintf(stderr, "lookup: not a number from 1 to %lu: %s\n", max, text);
		exit(2);
	}
	return n;
}

static void read_sizes(char *list, struct options *o)
{
	o->n_sizes = 0;
	for (char *word = strtok(list, ","); word && o->n_sizes < SIZES_MAX;
	     word = strtok(NULL, ","))
		o->sizes[o->n_sizes++] = number(word, RULESET_RULES_MAX);
}

static const char usage[] =
	"usage: lookup [--quick] [--full] [--rounds N] [--sizes N,N,...] [--cpu N] [--json FILE]\n"
	"  --quick   three rounds with 160, 10000 and 400000 rules\n"
	"  --full    the LPM design above 400000 rules, too\n";

static void read_options(int argc, char *argv[], struct options *o)
{
	static const struct option names[] = {
		{ "quick", no_argument, NULL, 'q' },	     { "full", no_argument, NULL, 'f' },
		{ "rounds", required_argument, NULL, 'r' },  { "sizes", required_argument, NULL, 's' },
		{ "cpu", required_argument, NULL, 'c' },     { "json", required_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },	     { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (c == 'q') {
			o->rounds = 3;
			o->n_sizes = 3;
			memcpy(o->sizes, (size_t[]){ 160, 10000, 400000 }, 3 * sizeof(*o->sizes));
		} else if (c == 'f') {
			o->full = true;
		} else if (c == 'r') {
			o->rounds = number(optarg, ROUNDS_MAX / HOT_ROUNDS);
		} else if (c == 's') {
			read_sizes(optarg, o);
		} else if (c == 'c') {
			o->cpu = number(optarg, CPU_SETSIZE - 1);
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
		.options = {
			.rounds = 7,
			.cpu = 1,
			.lookups = 32768,
			.sizes = { 1, 160, 10000, 100000, 400000, 1000000 },
			.n_sizes = 6,
		},
	};

	read_options(argc, argv, &b.options);
	set_up(&b);
	lookup_print_heading();
	for (unsigned int i = 0; i < b.options.n_sizes; i++)
		for (unsigned int kind = 0; kind < 4; kind++)
			run_case(&b, b.options.sizes[i], kind & 1, kind & 2);
	if (b.options.json)
		write_json(&b);
	for (unsigned int v6 = 0; v6 < 2; v6++)
		sockets_close(&b.sockets[v6]);
	spread_bpf__destroy(b.spread);
	json_decref(b.cases);
	return 0;
}
