/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Pins of a generation's image: "table" and, of a large one, "rules0", "rules1", … */
#ifndef ANYBIND_STATE_IMAGE_H
#define ANYBIND_STATE_IMAGE_H

#include "kernel_image.h"

int image_pin(const struct image_maps *maps, const char *folder);
/* -ENOENT: no table. That a piece is missing shows in the size that the header says. */
int image_open(struct image_maps *ret, const char *folder);
/* Removes what there is of them, and the folder if nothing else is in it. */
void image_unpin(const char *folder);

#endif
