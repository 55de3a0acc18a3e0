/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The programs that are compared, each loaded with one set of rules. */
#ifndef ANYBIND_BENCH_PROGRAMS_H
#define ANYBIND_BENCH_PROGRAMS_H

#include "kernel.h"
#include "peers.h"
#include "rules.h"

enum program { PASS, FIXED, LPM, ANYBIND, PROGRAMS };
extern const char *const program_names[PROGRAMS];

/* A UDP socket for each service in one family. */
struct sockets {
	int fd[SERVICES];
	uint16_t port[SERVICES]; /* host order */
	uint64_t cookie[SERVICES];
};
/* In the network namespace of the caller, whose lo is up. */
int sockets_open(struct sockets *ret, bool v6);
void sockets_close(struct sockets *sockets);

struct programs {
	int fd[PROGRAMS]; /* -1: left out */
	struct peers_bpf *peers;
	struct generation generation;
	struct kernel_maps maps;
};

/* @with_lpm: its trie takes minutes to fill and to free where it is large. */
int programs_load(struct programs *ret, const struct host_rules *rules,
		  const struct sockets *sockets, bool with_lpm, struct anybind_report *report);
void programs_close(struct programs *programs);

/*
 * Runs one program @repeat times for the rule's destination. *ret_ns: CPU time
 * of one run. -EBADMSG: it did not choose the socket that it should.
 */
int programs_run(const struct programs *programs, enum program which,
		 const struct host_rule *rule, const struct sockets *sockets, bool v6,
		 unsigned int repeat, double *ret_ns);

/*
 * Nanoseconds of CPU time that this thread has used: unlike the clock it leaves
 * out what other processes took in between.
 */
double cpu_time(void);

#endif
