// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "commands.h"
#include "statement.h"

const struct command cmd_service = {
	.name = "service",
	.group = "Rules",
	.arguments = "NAME [missing drop|pass]",
	.summary = "declare a service and what it does without a socket",
	.description =
		"Declares a service. `anybind bind` and `anybind register` declare one that is new "
		"too; this says what happens to its packets while no usable socket is registered "
		"for it. Declaring what is there already changes nothing; declaring it differently "
		"is refused without `--replace`.\n\n"
		"The dispatcher is loaded first where none is. To take the declaration back: "
		"`anybind unbind service NAME`.",
	.words =
		(const struct word_row[]){
			{"NAME", "1 to 64 letters, digits and . _ - @ : characters."},
			{"missing",
			 "Without a usable socket: `drop` lets nobody else get its packets, `pass` "
			 "leaves them to the normal lookup. If not given, drop."},
			{NULL},
		},
	.options = statement_options,
	.examples =
		(const struct example_row[]){
			{"anybind service web missing pass",
			 "While web is down, a program that listens on the port gets its packets."},
			{"anybind service web missing drop --replace", "Nobody else any more."},
			{NULL},
		},
	.complete = "missing drop pass",
	.min_words = 1,
	.max_words = -1,
	.run = statement_add,
	.print = statement_print,
};
