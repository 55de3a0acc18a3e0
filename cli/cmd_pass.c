// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "commands.h"
#include "statement.h"

const struct command cmd_pass = {
	.name = "pass",
	.group = "Rules",
	.arguments = "PROTO PREFIX PORTS [from PREFIX] [dev IFNAME]",
	.summary = "leave packets to the normal socket lookup",
	.description =
		"Adds one rule: packets that match are looked up as if no dispatcher were there. "
		"It makes exceptions from wider rules. Adding a rule that is there already changes "
		"nothing. A rule with the same match and another verdict is refused without "
		"`--replace`.\n\n"
		"The dispatcher is loaded first where none is.",
	.words = statement_words + 1,
	.options = statement_options,
	.examples =
		(const struct example_row[]){
			{"anybind pass tcp any 22",
			 "Leave ssh alone on every prefix for which no longer one says otherwise."},
			{"anybind pass tcp,udp 192.0.2.0/24 any from 198.51.100.0/24",
			 "Nothing that comes from one network is steered."},
			{NULL},
		},
	.complete = STATEMENT_COMPLETE,
	.min_words = 1,
	.max_words = -1,
	.run = statement_add,
	.print = statement_print,
};
