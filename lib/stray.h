/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a socket is that is neither a TCP listener nor an unconnected UDP socket. */
#ifndef ANYBIND_STRAY_H
#define ANYBIND_STRAY_H

#include <stdint.h>

#include "candidate.h"

/*
 * Looks for the socket with @cookie among all of @ns: connections, connected
 * UDP, MPTCP, UDP-Lite, TCP that does not listen. Returns the code of the
 * refusal; -ENOENT with no text where there is no such socket at all.
 */
int stray_refuse(const struct netns *ns, uint64_t cookie, struct refusal *ret);

#endif
