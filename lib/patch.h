/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A table made from another: a copy in which one prefix has another action.
 * Nothing else is compiled, so that a change costs the copying and no more.
 *
 * What makes it right: the prefix's entry is always put, whatever the entries
 * around it were joined to, and with nothing inside the prefix it decides for
 * all of it. So it is done only
 *  - where no rules' prefix is inside it, nor was when all was last compiled:
 *    entries and markers of rules that are gone since stay, which the longest
 *    prefix of such (family_params.removed) remembers;
 *  - where its length is one that the searches know already;
 *  - where the lines have room for it and for the markers on the way to it;
 *  - where its rules need no SOURCES node, which has lines of its own;
 *  - while what patches leave behind unused is a small part of the table
 *    (table_header.patched).
 * What it passes on to is compiled from the rules of the prefixes around it,
 * never taken from the table, where such an action may have been joined away.
 * All else goes through compile(). Pure.
 */
#ifndef ANYBIND_PATCH_H
#define ANYBIND_PATCH_H

#include "part.h"

struct patch;

/*
 * @part: its services with ids, those of the table with the ids that they
 * have there. Must stay until the patch is freed, as must its table. A
 * negative errno, nothing reported: compile() decides.
 */
int patch(struct patch **ret, const struct part *part);
void patch_free(struct patch *patch);

struct image patch_image(const struct patch *patch);

#endif
