// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "cleanup.h"

/* An index must fit beside an action's tag. */
#define WORDS_MAX (1u << (32 - ACTION_SHIFT))

int nodes_append(struct nodes *nodes, const uint32_t *words, size_t n)
{
	if (nodes->n + n > WORDS_MAX)
		return -E2BIG;
	if (nodes->n + n > nodes->cap) {
		size_t cap = (nodes->n + n) * 2;
		uint32_t *grown = reallocarray(nodes->words, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		nodes->words = grown;
		nodes->cap = cap;
	}
	if (n)
		memcpy(nodes->words + nodes->n, words, n * sizeof(*words));
	nodes->n += n;
	return 0;
}

static uint64_t hash_words(const uint32_t *words, size_t n)
{
	uint64_t hash = n;

	for (size_t i = 0; i < n; i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	return hash;
}

/* The node's place in the index, or the free place where it would go. */
static struct node_ref *find_ref(const struct nodes *nodes, const uint32_t *words, size_t n)
{
	for (size_t i = hash_words(words, n);; i++) {
		struct node_ref *ref = &nodes->index[i & (nodes->size - 1)];

		if (!ref->n || (ref->n == n && !memcmp(nodes->words + ref->at, words, n * 4)))
			return ref;
	}
}

static int grow_index(struct nodes *nodes)
{
	struct nodes grown = *nodes;

	grown.size = nodes->size ? nodes->size * 2 : 256;
	grown.index = calloc(grown.size, sizeof(*grown.index));
	if (!grown.index)
		return -ENOMEM;
	for (size_t i = 0; i < nodes->size; i++) {
		const struct node_ref *ref = &nodes->index[i];

		if (ref->n)
			*find_ref(&grown, nodes->words + ref->at, ref->n) = *ref;
	}
	free(nodes->index);
	*nodes = grown;
	return 0;
}

int nodes_add(struct nodes *nodes, const uint32_t *words, size_t n, uint32_t *ret_at)
{
	struct node_ref *ref;
	uint32_t at = nodes->n;
	int r;

	if (nodes->used * 2 >= nodes->size) {
		r = grow_index(nodes);
		if (r < 0)
			return r;
	}
	ref = find_ref(nodes, words, n);
	if (!ref->n) {
		r = nodes_append(nodes, words, n);
		if (r < 0)
			return r;
		*ref = (struct node_ref){ .at = at, .n = n };
		nodes->used++;
	}
	*ret_at = ref->at;
	return 0;
}

void nodes_free(struct nodes *nodes)
{
	free(nodes->words);
	free(nodes->index);
	*nodes = (struct nodes){ 0 };
}
