// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "overlay.h"

#include <string.h>

/* A slot of a line, as found. */
struct place {
	uint32_t line;
	unsigned int slot;
};

static const void *read_line(const struct overlay *o, uint32_t at)
{
	for (size_t i = 0; i < o->n_lines; i++)
		if (o->lines[i].at == at)
			return o->lines[i].v;
	return o->old[at];
}

/* The changed line; NULL: there are too many of them. */
static void *edit_line(struct overlay *o, uint32_t at)
{
	struct overlay_line *line;

	for (size_t i = 0; i < o->n_lines; i++)
		if (o->lines[i].at == at)
			return o->lines[i].v;
	if (o->n_lines == OVERLAY_MAX)
		return NULL;
	line = &o->lines[o->n_lines++];
	line->at = at;
	memcpy(line->v, o->old[at], sizeof(line->v));
	return line->v;
}

static uint8_t flags_of(bool v6, const void *line)
{
	return v6 ? ((const struct line6 *)line)->flags : ((const struct line4 *)line)->flags;
}

static bool is_at(bool v6, const void *line, unsigned int i, uint64_t hi, uint64_t lo, uint8_t len)
{
	const struct line4 *line4 = line;
	const struct line6 *line6 = line;

	if (v6)
		return line6->len[i] == len && line6->key[i][0] == hi && line6->key[i][1] == lo;
	return line4->len[i] == len && line4->key[i] == lo;
}

static bool find(const struct overlay *o, const struct entry *entry, struct place *ret)
{
	__u64 hi, lo, home = line_home(o->v6, o->mul, o->n, entry, &hi, &lo);

	for (unsigned int probe = 0; probe < PROBES_MAX && home + probe < o->n; probe++) {
		const void *line = read_line(o, home + probe);

		for (unsigned int i = 0; i < (o->v6 ? LINE6_SLOTS : LINE4_SLOTS); i++)
			if (is_at(o->v6, line, i, hi, lo, entry->len)) {
				*ret = (struct place){ home + probe, i };
				return true;
			}
		if (!(flags_of(o->v6, line) & LINE_NEXT))
			return false;
	}
	return false;
}

static bool insert(struct overlay *o, const struct entry *entry)
{
	__u64 hi, lo, home = line_home(o->v6, o->mul, o->n, entry, &hi, &lo);

	for (unsigned int probe = 0; probe < PROBES_MAX && home + probe < o->n; probe++) {
		void *line = edit_line(o, home + probe);

		if (!line)
			return false;
		if (line_put(o->v6, line, entry, hi, lo))
			return true;
	}
	return false;
}

bool overlay_find(const struct overlay *o, const struct entry *entry, uint32_t *ret_action)
{
	struct place place;
	const void *line;

	if (!find(o, entry, &place))
		return false;
	line = read_line(o, place.line);
	*ret_action = o->v6 ? ((const struct line6 *)line)->action[place.slot]
			    : ((const struct line4 *)line)->action[place.slot];
	return true;
}

bool overlay_put(struct overlay *o, const struct entry *entry)
{
	struct place place;
	void *line;

	if (!find(o, entry, &place))
		return insert(o, entry);
	line = edit_line(o, place.line);
	if (line && o->v6)
		((struct line6 *)line)->action[place.slot] = entry->action;
	else if (line)
		((struct line4 *)line)->action[place.slot] = entry->action;
	return line;
}

bool overlay_mark(struct overlay *o, const struct entry *entry)
{
	struct place place;
	void *line;

	if (!find(o, entry, &place))
		return insert(o, entry);
	line = edit_line(o, place.line);
	if (line && o->v6)
		((struct line6 *)line)->flags |= 1 << place.slot;
	else if (line)
		((struct line4 *)line)->flags |= 1 << place.slot;
	return line;
}
