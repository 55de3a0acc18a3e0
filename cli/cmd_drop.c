// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "commands.h"
#include "statement.h"

const struct command cmd_drop = {
	.name = "drop",
	.group = "Rules",
	.arguments = "PROTO PREFIX PORTS [from PREFIX] [dev IFNAME]",
	.summary = "let no socket have packets",
	.description =
		"Adds one rule: for packets that match, the socket lookup fails, even if a program "
		"listens there. The sender gets what a closed port gives: a TCP reset or an ICMP "
		"port unreachable. Connections that exist go on. Adding a rule that is there "
		"already changes nothing. A rule with the same match and another verdict is "
		"refused without `--replace`.\n\n"
		"The dispatcher is loaded first where none is.",
	.words = statement_words + 1,
	.options = statement_options,
	.examples =
		(const struct example_row[]){
			{"anybind drop tcp 192.0.2.0/24 25", "No mail server on a prefix."},
			{"anybind drop udp any 53 dev eth0",
			 "No name server for what comes in by eth0."},
			{NULL},
		},
	.complete = STATEMENT_COMPLETE,
	.min_words = 1,
	.max_words = -1,
	.run = statement_add,
	.print = statement_print,
};
