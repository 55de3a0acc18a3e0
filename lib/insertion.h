/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets into a service's slots. */
#ifndef ANYBIND_INSERTION_H
#define ANYBIND_INSERTION_H

#include "dispatcher.h"
#include "members.h"
#include "socket.h"

/*
 * Registers @sockets for the service with @id: all of them, or none and what
 * was registered before stays. The write lock must be held. Failures are
 * reported; also, as a warning, what then could not be put back.
 */
int insertion_run(const struct anybind *a, const struct registry *registry, uint32_t id,
		  const struct anybind_sockets *sockets,
		  const struct anybind_register_options *options, struct anybind_report *report);

#endif
