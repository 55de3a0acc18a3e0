/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Registered sockets as people want to see them. */
#ifndef ANYBIND_INSPECT_H
#define ANYBIND_INSPECT_H

#include "facts.h"
#include "process.h"
#include "members.h"

/* All bound sockets of a namespace and who holds them; found once, asked often. */
struct census {
	struct listener *listeners; /* by cookie */
	struct owner *owners;	    /* of listeners[i] */
	size_t *order;		    /* indices, by place and user */
	unsigned int *members;	    /* of listeners[i]'s reuseport group; 0: not counted yet */
	size_t n;
};

int census_take(struct census *ret, const struct netns *ns);
void census_free(struct census *census);

/* What info's strings point to. */
struct socket_text {
	char address[64];
	char program[32];
	char how[24];
};

/* What is known of the socket with @cookie in @slot; the cookie at least. */
void census_describe(const struct census *census, uint32_t slot, uint64_t cookie,
		     struct anybind_socket_info *ret, struct socket_text *text);

#endif
