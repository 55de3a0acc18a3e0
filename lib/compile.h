/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From a ruleset to the table that the program in the kernel reads. Pure. */
#ifndef ANYBIND_COMPILE_H
#define ANYBIND_COMPILE_H

#include "abi.h"
#include "ruleset.h"

/* The most that a BPF program may address in one map value. */
#define IMAGE_MAX (512ull << 20)
/* Lines begin at the first cache line behind the header. */
#define IMAGE_LINES_OFFSET ((sizeof(struct table_header) + 63) / 64 * 64)

struct compiled;

/*
 * Offsets and sizes of an image with so many lines and words as @header's
 * params say, @rs's services and devices, and @n_rules rules.
 */
void image_lay_out(struct table_header *header, const struct anybind_ruleset *rs, size_t n_rules);

/*
 * @rs: sealed, its services with ids, its devices resolved. -ENOMEM; -E2BIG:
 * more than a table can hold. @rs must stay until compile_write().
 */
int compile(struct compiled **ret, const struct anybind_ruleset *rs,
	    struct anybind_report *report);
void compile_free(struct compiled *compiled);

/* Bytes of the whole image, and of the part that lookups may read. */
size_t compile_size(const struct compiled *compiled);

const struct table_params *compile_params(const struct compiled *compiled);

/* Writes the image, compile_size() bytes; @changed: CLOCK_REALTIME seconds. */
void compile_write(const void *compiled, uint64_t generation, uint64_t changed, void *image);

#endif
