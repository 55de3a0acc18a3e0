/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Radix sort, as comparing a million 48-byte rules takes most of a second.
 * rule_compare()'s order is that of KEY_WORDS 64-bit words; the rules are
 * sorted by the first, runs that agree in it by the second, and so on. Only
 * small items with an index move; the rules are permuted once, in place.
 */
#include "sort.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define KEY_WORDS 6
/* Shorter runs are sorted by insertion. */
#define RUN_MIN 48

struct item {
	uint64_t word;
	uint32_t index;
};

struct sorter {
	const struct rule *rules;
	struct item *items, *spare;
};

static uint64_t load(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return be64toh(word);
}

static uint64_t key_word(const struct rule *rule, unsigned int i)
{
	switch (i) {
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
	default:
		return (uint16_t)(rule->dev - 1);
	}
}

static void insertion_sort(const struct sorter *sorter, size_t begin, size_t end)
{
	struct item *items = sorter->items;

	for (size_t i = begin + 1; i < end; i++) {
		struct item item = items[i];
		size_t j = i;

		for (; j > begin && rule_compare(&sorter->rules[items[j - 1].index],
						 &sorter->rules[item.index]) > 0;
		     j--)
			items[j] = items[j - 1];
		items[j] = item;
	}
}

/* One byte of the words, stable. */
static void sort_by_byte(const struct sorter *sorter, size_t begin, size_t end, unsigned int shift)
{
	size_t starts[256] = { 0 }, sum = begin;

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

static void sort_run(const struct sorter *sorter, size_t begin, size_t end, unsigned int word)
{
	struct item *items = sorter->items;
	uint64_t differing = 0;

	if (end - begin < RUN_MIN) {
		insertion_sort(sorter, begin, end);
		return;
	}
	if (word == KEY_WORDS)
		return;
	for (size_t i = begin; i < end; i++) {
		items[i].word = key_word(&sorter->rules[items[i].index], word);
		differing |= items[i].word ^ items[begin].word;
	}
	for (unsigned int shift = 0; shift < 64; shift += 8)
		if (differing >> shift & 255)
			sort_by_byte(sorter, begin, end, shift);
	for (size_t i = begin, next; i < end; i = next) {
		uint64_t same = items[i].word;

		for (next = i + 1; next < end && items[next].word == same; next++)
			;
		if (next - i > 1)
			sort_run(sorter, i, next, word + 1);
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

int rules_sort(struct rule *rules, uint32_t *lines, size_t n)
{
	_cleanup_free_ struct item *items = NULL, *spare = NULL;
	size_t sorted = 1;

	while (sorted < n && rule_compare(&rules[sorted - 1], &rules[sorted]) <= 0)
		sorted++;
	if (sorted >= n)
		return 0;
	items = malloc(n * sizeof(*items));
	spare = malloc(n * sizeof(*spare));
	if (!items || !spare)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		items[i].index = (uint32_t)i;
	sort_run(&(struct sorter){ rules, items, spare }, 0, n, 0);
	permute(items, rules, lines, n);
	return 0;
}
