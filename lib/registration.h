/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What registering and following have in common; in registration.c. */
#ifndef ANYBIND_REGISTRATION_H
#define ANYBIND_REGISTRATION_H

#include "dispatcher.h"
#include "registry.h"

/* -EINVAL, said, where @service can be no service's name. */
int registration_check_name(const char *service, struct anybind_report *report);

/*
 * Makes sure that the rules in force declare @service. @sockets: of a new one,
 * which is not declared if the kernel would refuse them; or NULL.
 */
int registration_declare(struct anybind *a, const char *service,
			 const struct anybind_sockets *sockets, struct anybind_report *report);

/*
 * Opens the registry of the dispatcher in force and finds @service in it;
 * returns its id. -ENOENT. @current and @registry are to be closed in any case.
 */
int registration_find(struct anybind *a, const char *service, struct current *current,
		      struct registry *registry, struct anybind_report *report);

#endif
