/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The policy as a file of this system, with its users and groups. */
#ifndef ANYBIND_CLI_AGENT_POLICY_H
#define ANYBIND_CLI_AGENT_POLICY_H

#include "output.h"

#define AGENT_POLICY "/etc/anybind/policy"

/*
 * All errors of the file are in @out. -EPERM: others than root could have
 * written it. -EINVAL: it is no file, or has errors.
 */
int agent_policy_read(const char *file, struct anybind_policy **ret_policy, struct output *out);

#endif
