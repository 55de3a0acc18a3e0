// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "fallback.h"

/* Canonical order as far as the prefix decides it. */
static int compare_prefix(const struct rule *a, const struct rule *b)
{
	int d = a->family - b->family;

	if (!d)
		d = memcmp(a->dst, b->dst, sizeof(a->dst));
	return d ? d : a->dst_len - b->dst_len;
}

size_t part_find(const struct anybind_ruleset *rs, uint8_t family, const uint8_t dst[16],
		 uint8_t len, size_t *ret_begin)
{
	struct rule key = { .family = family, .dst_len = len };
	size_t low = 0, high = rs->n_rules, end;

	memcpy(key.dst, dst, sizeof(key.dst));
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_prefix(&rs->rules[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < rs->n_rules && !compare_prefix(&rs->rules[end], &key); end++)
		;
	*ret_begin = low;
	return end - low;
}

static bool one_prefix(const struct anybind_ruleset *delta)
{
	for (size_t i = 1; i < delta->n_rules; i++)
		if (compare_prefix(&delta->rules[0], &delta->rules[i]))
			return false;
	return !delta->n_rules || delta->rules[0].dst_len;
}

/* New services, or the same as before; nobody's policy and no fallback changes. */
static bool plain_services(const struct anybind_ruleset *rs, const struct anybind_ruleset *delta)
{
	for (size_t j = 0; j < delta->n_services; j++) {
		int i = ruleset_find_service(rs, delta->services[j].name);

		if (delta->services[j].fallback)
			return false;
		if (delta->declarations && !delta->declarations[j].is_explicit)
			continue;
		if (i >= 0 && !fallback_same_policy(rs, (size_t)i, delta, j))
			return false;
	}
	return true;
}

static int copy(void *ret, size_t *ret_n, size_t *ret_cap, const void *array, size_t n, size_t each)
{
	void *new = malloc(n * each + 1);

	if (!new)
		return -ENOMEM;
	memcpy(new, array, n * each);
	*(void **)ret = new;
	*ret_n = *ret_cap = n;
	return 0;
}

/* The prefix's rules as they are, with all services and devices. */
static int take_out(struct part *part, const struct anybind_ruleset *all,
		    struct anybind_report *report)
{
	struct anybind_ruleset *rs;
	int r = anybind_ruleset_new(&part->after);

	rs = part->after;
	if (!r)
		r = copy(&rs->services, &rs->n_services, &rs->cap_services, all->services,
			 all->n_services, sizeof(*rs->services));
	if (!r)
		r = copy(&rs->devices, &rs->n_devices, &rs->cap_devices, all->devices,
			 all->n_devices, sizeof(*rs->devices));
	if (!r)
		r = copy(&rs->rules, &rs->n_rules, &rs->cap_rules, all->rules + part->begin,
			 part->n_before, sizeof(*rs->rules));
	if (!r)
		r = ruleset_validate_part(rs);
	if (r == -EUCLEAN)
		return table_damaged(report);
	return r < 0 ? report_oom(report) : 0;
}

/* Where the services that there were have gone. */
static int number_services(struct part *part, const struct anybind_ruleset *all,
			   struct anybind_report *report)
{
	part->services = malloc((all->n_services + 1) * sizeof(*part->services));
	if (!part->services)
		return report_oom(report);
	for (size_t i = 0; i < all->n_services; i++) {
		part->services[i] = (uint32_t)ruleset_find_service(part->after,
								   all->services[i].name);
		part->renumbers |= part->services[i] != i;
	}
	return 0;
}

int ruleset_edit(struct anybind_ruleset *rs, const struct anybind_ruleset *delta,
		 enum anybind_edit edit, struct anybind_report *report)
{
	int r;

	if (edit != ANYBIND_REMOVE)
		return anybind_ruleset_add(rs, delta, edit == ANYBIND_REPLACE, report);
	r = anybind_ruleset_remove(rs, delta, report);
	return r < 0 ? r : 1;
}

static int edit_part(struct part *part, const struct anybind_ruleset *delta,
		     enum anybind_edit edit, struct anybind_report *report)
{
	const struct anybind_ruleset all = table_view(part->table);
	size_t n_devices = all.n_devices;
	int r;

	if (delta->n_rules) {
		part->prefix.family = delta->rules[0].family;
		part->prefix.dst_len = delta->rules[0].dst_len;
		memcpy(part->prefix.dst, delta->rules[0].dst, sizeof(part->prefix.dst));
		part->n_before = part_find(&all, part->prefix.family, part->prefix.dst,
					   part->prefix.dst_len, &part->begin);
	}
	r = take_out(part, &all, report);
	if (r < 0)
		return r;
	if (!plain_services(part->after, delta))
		return -EAGAIN;
	r = ruleset_edit(part->after, delta, edit, report);
	if (r <= 0)
		return r;
	if (part->after->n_devices != n_devices ||
	    all.n_rules + part->after->n_rules > RULESET_RULES_MAX)
		return -EAGAIN;
	return number_services(part, &all, report) < 0 ? -ENOMEM : 1;
}

int part_edit(struct part *ret, const struct table *table, const struct anybind_ruleset *delta,
	      enum anybind_edit edit, struct anybind_report *report)
{
	struct part part = { .table = table };
	int r;

	if (!one_prefix(delta))
		return -EAGAIN;
	/* Services and devices that rules leave behind may be others' as well. */
	if (edit == ANYBIND_REMOVE && (!delta->n_rules || delta->n_devices))
		return -EAGAIN;
	r = edit_part(&part, delta, edit, report);
	if (r > 0)
		*ret = part;
	else
		part_done(&part);
	return r;
}

void part_done(struct part *part)
{
	anybind_ruleset_free(part->after);
	free(part->services);
	*part = (struct part){ 0 };
}
