/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The table's words: fallbacks, then nodes, each kept once however often it is used. */
#ifndef ANYBIND_NODES_H
#define ANYBIND_NODES_H

#include <stddef.h>
#include <stdint.h>

struct nodes {
	uint32_t *words;
	size_t n, cap;
	uint32_t base; /* words before those here, which are elsewhere */
	struct node_ref { uint32_t at, n; } *index; /* open addressing; n 0: free */
	size_t used, size;			    /* of index; size a power of two */
};

/* Appends words that are no node. -ENOMEM, -E2BIG. */
int nodes_append(struct nodes *nodes, const uint32_t *words, size_t n);

/* Index of a node with these @n words, new or the one that is there already. */
int nodes_add(struct nodes *nodes, const uint32_t *words, size_t n, uint32_t *ret_at);

void nodes_free(struct nodes *nodes);

#endif
