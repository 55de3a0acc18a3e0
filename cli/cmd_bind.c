// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "commands.h"
#include "statement.h"

const struct command cmd_bind = {
	.name = "bind",
	.group = "Rules",
	.arguments = "NAME PROTO PREFIX PORTS [from PREFIX] [dev IFNAME]",
	.summary = "steer packets to a service's socket",
	.description =
		"Adds one rule: packets that match go to the socket that is registered for the "
		"service. Adding a rule that is there already changes nothing. A rule with the "
		"same match and another verdict is refused without `--replace`.\n\n"
		"The dispatcher is loaded first where none is. A service without a usable socket "
		"drops its packets, or passes them on if `anybind service` says so.\n\n"
		"Warned of, and done: a rule that takes traffic from a listener of another "
		"program, a prefix that is not local, and all UDP ports of an address that the "
		"host itself uses as a client.",
	.words = statement_words,
	.options = statement_options,
	.examples =
		(const struct example_row[]){
			{"anybind bind web tcp 192.0.2.0/24 80,443",
			 "Two ports of all addresses of a prefix."},
			{"anybind bind game tcp,udp 2001:db8::7 any except 22",
			 "All ports of one address but the one for ssh."},
			{"anybind bind dns udp any 53 dev eth0 --replace",
			 "Port 53 of all addresses, for packets that come in by eth0; replacing "
			 "another rule for them."},
			{NULL},
		},
	.complete = STATEMENT_COMPLETE,
	.min_words = 1,
	.max_words = -1,
	.run = statement_add,
	.print = statement_print,
};
