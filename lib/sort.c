/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Radix sort, as comparing a million rules takes most of a second. The order
 * is that of a key of KEY_WORDS 64-bit words for each rule. Many rules are
 * dealt out in place by the first byte of the key in which they differ, over
 * and over; the parts that come of it fit a cache near the core, and in there
 * only small items are moved before the rules are, once.
 */
#include "sort.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define KEY_WORDS 7
/* Rules of a part: 192 KiB. */
#define PART_MAX 4096
/* Shorter runs of items are sorted by insertion. */
#define RUN_MIN 48

struct item {
	uint64_t word;
	uint32_t index; /* in the part */
};

struct sorter {
	struct rule *rules;
	uint32_t *lines;
	struct item *items, *spare; /* PART_MAX of each */
};

static uint64_t load(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return be64toh(word);
}

/* rule_compare()'s order, and that of the lines where it leaves a choice. */
static uint64_t key_word(const struct sorter *sorter, size_t i, unsigned int word)
{
	const struct rule *rule = &sorter->rules[i];

	switch (word) {
	case 0:
		return (uint64_t)rule->family << 56 | load(rule->dst) >> 8;
	case 1:
		return load(rule->dst + 7);
	case 2:
		return (uint64_t)rule->dst[15] << 56 | (uint64_t)rule->dst_len << 48 |
		       (uint64_t)rule->proto << 40 |
		       (uint64_t)(uint16_t)(rule->port_hi - rule->port_lo) << 24 |
		       (uint64_t)rule->port_lo << 8 | (uint64_t)(255 - rule->src_len);
	case 3:
		return load(rule->src);
	case 4:
		return load(rule->src + 8);
	case 5:
		return (uint16_t)(rule->dev - 1);
	default:
		return sorter->lines[i];
	}
}

static bool is_after(const struct sorter *sorter, size_t a, size_t b)
{
	int d = rule_compare(&sorter->rules[a], &sorter->rules[b]);

	return d > 0 || (d == 0 && sorter->lines[a] > sorter->lines[b]);
}

static void insertion_sort(const struct sorter *sorter, size_t part, size_t begin, size_t end)
{
	struct item *items = sorter->items;

	for (size_t i = begin + 1; i < end; i++) {
		struct item item = items[i];
		size_t j = i;

		for (; j > begin && is_after(sorter, part + items[j - 1].index, part + item.index);
		     j--)
			items[j] = items[j - 1];
		items[j] = item;
	}
}

/* By one byte of the items' words, stable. */
static void sort_by_byte(const struct sorter *sorter, size_t begin, size_t end, unsigned int shift)
{
	size_t starts[256] = {0}, sum = begin;

	for (size_t i = begin; i < end; i++)
		starts[sorter->items[i].word >> shift & 255]++;
	for (size_t i = 0; i < 256; i++) {
		size_t n = starts[i];

		starts[i] = sum;
		sum += n;
	}
	for (size_t i = begin; i < end; i++)
		sorter->spare[starts[sorter->items[i].word >> shift & 255]++] = sorter->items[i];
	memcpy(sorter->items + begin, sorter->spare + begin, (end - begin) * sizeof(struct item));
}

/* Items of the part that agree in the words before @word. */
static void sort_run(const struct sorter *sorter, size_t part, size_t begin, size_t end,
		     unsigned int word)
{
	struct item *items = sorter->items;
	uint64_t differing = 0;

	if (end - begin < RUN_MIN) {
		insertion_sort(sorter, part, begin, end);
		return;
	}
	for (size_t i = begin; i < end; i++) {
		items[i].word = key_word(sorter, part + items[i].index, word);
		differing |= items[i].word ^ items[begin].word;
	}
	for (unsigned int shift = 0; shift < 64; shift += 8)
		if (differing >> shift & 255)
			sort_by_byte(sorter, begin, end, shift);
	for (size_t i = begin, next; i < end && word + 1 < KEY_WORDS; i = next) {
		uint64_t same = items[i].word;

		for (next = i + 1; next < end && items[next].word == same; next++)
			;
		if (next - i > 1)
			sort_run(sorter, part, i, next, word + 1);
	}
}

/* Follows each cycle of the permutation; a place that is done points to itself. */
static void permute(struct item *items, struct rule *rules, uint32_t *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct rule rule = rules[i];
		uint32_t line = lines[i];
		size_t at = i;

		while (items[at].index != i) {
			size_t from = items[at].index;

			rules[at] = rules[from];
			lines[at] = lines[from];
			items[at].index = (uint32_t)at;
			at = from;
		}
		rules[at] = rule;
		lines[at] = line;
		items[at].index = (uint32_t)at;
	}
}

static void swap(const struct sorter *sorter, size_t a, size_t b)
{
	struct rule rule = sorter->rules[a];
	uint32_t line = sorter->lines[a];

	sorter->rules[a] = sorter->rules[b];
	sorter->lines[a] = sorter->lines[b];
	sorter->rules[b] = rule;
	sorter->lines[b] = line;
}

/* Deals the rules out by one byte of the key; those of byte i end at @ret_ends[i]. */
static void deal_by_byte(const struct sorter *sorter, size_t begin, size_t end, unsigned int word,
			 unsigned int shift, size_t ret_ends[256])
{
	size_t next[256] = {0}, sum = begin;

	for (size_t i = begin; i < end; i++)
		next[key_word(sorter, i, word) >> shift & 255]++;
	for (size_t i = 0; i < 256; i++) {
		sum += next[i];
		next[i] = sum - next[i];
		ret_ends[i] = sum;
	}
	for (size_t i = 0; i < 256; i++)
		while (next[i] < ret_ends[i]) {
			size_t to = key_word(sorter, next[i], word) >> shift & 255;

			if (to != i)
				swap(sorter, next[i], next[to]);
			next[to]++;
		}
}

static void sort_part(const struct sorter *sorter, size_t begin, size_t end)
{
	uint64_t differing = 0;
	unsigned int word = 0;
	size_t ends[256];

	if (end - begin <= PART_MAX) {
		for (size_t i = 0; i < end - begin; i++)
			sorter->items[i].index = (uint32_t)i;
		sort_run(sorter, begin, 0, end - begin, 0);
		permute(sorter->items, sorter->rules + begin, sorter->lines + begin, end - begin);
		return;
	}
	for (; word < KEY_WORDS && !differing; word++)
		for (size_t i = begin; i < end; i++)
			differing |= key_word(sorter, i, word) ^ key_word(sorter, begin, word);
	if (!differing)
		return;
	deal_by_byte(sorter, begin, end, word - 1,
		     (63 - (unsigned int)__builtin_clzll(differing)) & ~7u, ends);
	for (size_t i = 0; i < 256; i++) {
		size_t start = i ? ends[i - 1] : begin;

		if (ends[i] - start > 1)
			sort_part(sorter, start, ends[i]);
	}
}

int rules_sort(struct rule *rules, uint32_t *lines, size_t n)
{
	_cleanup_free_ struct item *items = NULL;
	size_t sorted = 1;

	while (sorted < n && rule_compare(&rules[sorted - 1], &rules[sorted]) <= 0)
		sorted++;
	if (sorted >= n)
		return 0;
	items = calloc(PART_MAX, 2 * sizeof(*items));
	if (!items)
		return -ENOMEM;
	sort_part(&(struct sorter){rules, lines, items, items + PART_MAX}, 0, n);
	return 0;
}
