// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "command.h"

#include <string.h>

#include "commands.h"
#include "word.h"

const struct command *const commands[] = {
	&cmd_load,     &cmd_unload,

	&cmd_bind,     &cmd_pass,	&cmd_drop,     &cmd_service,
	&cmd_unbind,   &cmd_apply,	&cmd_check,    &cmd_diff,

	&cmd_register, &cmd_register_pid, &cmd_unregister, &cmd_follow, &cmd_unfollow,
	&cmd_run,      &cmd_agent,

	&cmd_status,   &cmd_rules,	&cmd_services, &cmd_explain,

	NULL,
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

const struct command *command_near(const char *name)
{
	const struct command *near = NULL;
	unsigned int distance = 3;

	for (size_t i = 0; commands[i]; i++) {
		unsigned int d = word_distance(name, commands[i]->name);

		/* Every short word is near to every other. */
		if (d < distance && d < strlen(name)) {
			distance = d;
			near = commands[i];
		}
	}
	return near;
}
