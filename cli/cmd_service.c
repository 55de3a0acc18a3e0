// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "commands.h"
#include "statement.h"

const struct command cmd_service = {
	.name = "service",
	.group = "Rules",
	.arguments = "NAME [missing drop|pass] [fallback OTHER|none]",
	.summary = "declare a service and what it does without a socket",
	.description =
		"Declares a service. `anybind bind` and `anybind register` declare one that is new "
		"too; this says what happens to its packets while no usable socket is registered "
		"for it. With a fallback they go to another service's socket; the fallback's own "
		"fallback comes next, and so on, up to 16. Only if none of them has one does "
		"`missing` say what becomes of the packet: that of NAME, whatever those of the "
		"others are.\n\n"
		"A declaration is one whole: what it does not give is as if never given. Declaring "
		"what is there already changes nothing; declaring it differently is refused "
		"without `--replace`.\n\n"
		"The dispatcher is loaded first where none is. To take the declaration back: "
		"`anybind unbind service NAME`.",
	.words =
		(const struct word_row[]){
			{"NAME", "1 to 64 letters, digits and . _ - @ : characters."},
			{"missing",
			 "Without a usable socket: `drop` lets nobody else get its packets, `pass` "
			 "leaves them to the normal lookup. If not given, drop."},
			{"fallback",
			 "The service that gets the packets then; one that is new is declared by "
			 "this. `none`, as if not given: no other. Fallbacks that lead back to where "
			 "they began are refused."},
			{NULL},
		},
	.options = statement_options,
	.examples =
		(const struct example_row[]){
			{"anybind service web missing pass",
			 "While web is down, a program that listens on the port gets its packets."},
			{"anybind service web missing drop --replace", "Nobody else any more."},
			{"anybind service web fallback sorry --replace",
			 "While web is down, a maintenance page."},
			{"anybind service web fallback none --replace", "No longer."},
			{NULL},
		},
	.complete = "missing drop pass fallback none",
	.min_words = 1,
	.max_words = -1,
	.run = statement_add,
	.print = statement_print,
};
