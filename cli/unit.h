/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Units of systemd. */
#ifndef ANYBIND_CLI_UNIT_H
#define ANYBIND_CLI_UNIT_H

#include "output.h"

/* As systemctl takes it: "nginx" is "nginx.service". To be freed. */
char *unit_name(const char *word);

/*
 * The cgroup of the unit @name, a path in the hierarchy; to be freed. Errors go
 * to @output: -ENOENT, there is no such unit; -ESRCH, it has no cgroup now;
 * -ENOTSUP, no systemd answers.
 */
int unit_cgroup(const char *name, char **ret_path, struct output *output);

#endif
