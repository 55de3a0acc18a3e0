/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The row of each cmd_NAME.c. */
#ifndef ANYBIND_CLI_COMMANDS_H
#define ANYBIND_CLI_COMMANDS_H

#include "command.h"

extern const struct command cmd_load, cmd_unload;
extern const struct command cmd_bind, cmd_pass, cmd_drop, cmd_service, cmd_unbind;
extern const struct command cmd_apply, cmd_check, cmd_diff;
extern const struct command cmd_register, cmd_register_pid, cmd_unregister, cmd_run, cmd_agent;
extern const struct command cmd_follow, cmd_unfollow;
extern const struct command cmd_status, cmd_rules, cmd_services, cmd_explain;

#endif
