/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From the rules of one destination prefix to one action. */
#ifndef ANYBIND_BUILDER_H
#define ANYBIND_BUILDER_H

#include "nodes.h"
#include "prefixes.h"
#include "ruleset.h"

/* Where compiled rules go, and what is needed on the way. */
struct builder {
	const struct anybind_ruleset *rs;
	struct nodes nodes;
	struct lines lines;
	struct source_memo *memos; /* SOURCES nodes made so far */
	size_t n_memos, cap_memos;
};

/* Services' fallbacks, the first words of all; *ret_n of them, 0 where no service has one. */
int builder_add_fallbacks(struct builder *builder, uint32_t *ret_n);

/*
 * @rules: all @n rules of one prefix, in canonical order. @other: the action
 * of the next shorter prefix, for packets that none of them takes. @is_fallback:
 * that is the family's default action, so that PORT and PROTO may be used.
 * -ENOMEM, -E2BIG.
 */
int ports_compile(struct builder *builder, const struct rule *rules, size_t n, uint32_t other,
		  bool is_fallback, uint32_t *ret_action);

/*
 * The action for @n rules that all have the same destination prefix, protocol
 * and width of port range, strongest first; @other where none matches.
 */
int sources_compile(struct builder *builder, const struct rule *const *rules, size_t n,
		    uint32_t other, uint32_t *ret_action);

uint32_t verdict_action(const struct builder *builder, const struct rule *rule);
void builder_free(struct builder *builder);

#endif
