/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Paths of pins within a namespace's folder; only for state*.c. */
#ifndef ANYBIND_STATE_PATH_H
#define ANYBIND_STATE_PATH_H

#include <limits.h>

/* A path within the folder; longer than any that state_init() lets pass. */
#define PIN_MAX (PATH_MAX + 64)

/* "PATH/NAME" */
const char *state_pin_path(char ret[PIN_MAX], const char *path, const char *name);

/* Removes all follows in the folder @path, wherever they are in their life. */
void state_remove_follows(const char *path);

#endif
