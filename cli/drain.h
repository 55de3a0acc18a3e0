/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* --wait: until sockets that get no new flows hold nothing. */
#ifndef ANYBIND_CLI_DRAIN_H
#define ANYBIND_CLI_DRAIN_H

#include "context.h"

struct cookies {
	uint64_t *v;
	size_t n;
};

void cookies_release(struct cookies *cookies);

/* With --wait: notes the sockets that @service has, before they change. */
void drain_note(struct cookies *noted, const struct context *context, struct anybind *anybind,
		const char *service);

/*
 * With --wait: waits for those noted that get no new flows now. To be called
 * without the lock, so that others need not wait, too.
 */
int drain_wait(struct cookies *noted, struct context *context, struct anybind *anybind,
	       const char *service);

#define OPTION_WAIT_ROW                                                                          \
	{"wait", 0, OPTION_NUMBER, "SECONDS",                                                    \
	 "Return when the service's sockets that get no new flows from now on (drained, "        \
	 "replaced or unregistered) have nothing left in their queues, so that they can be "     \
	 "closed without loss; fail if that takes longer.",                                      \
	 OPTION(wait), .min = 1}

#endif
