/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Follows as documents and as text; in cmd_follow.c. */
#ifndef ANYBIND_CLI_FOLLOW_H
#define ANYBIND_CLI_FOLLOW_H

#include "output.h"

json_t *follow_document(const struct anybind_follow_info *follow);

/* "nginx.service (/system.slice/nginx.service), tcp 0.0.0.0:80" */
void follow_print(const json_t *follow);

#endif
