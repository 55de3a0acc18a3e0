/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Rules as the design with LPM lookups (see peers.bpf.c) keeps them. */
#ifndef ANYBIND_BENCH_TRIE_H
#define ANYBIND_BENCH_TRIE_H

#include "rules.h"

int trie_fill(int map, const struct host_rules *rules);

#endif
