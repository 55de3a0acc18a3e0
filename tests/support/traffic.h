/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Clients and servers: each waits for what has to happen and fails the test if it does not. */
#ifndef ANYBIND_TESTS_TRAFFIC_H
#define ANYBIND_TESTS_TRAFFIC_H

/*
 * A client's socket on its way to @endpoint, with a datagram sent if it is of
 * UDP. Errors show when it is asked for them.
 */
int traffic_dial(int protocol, const char *endpoint);

/* Takes the connection that waits at @listener; it has to be dialled to @endpoint. */
int traffic_accept(int listener, const char *endpoint);

/* Takes one message of traffic_dial() or traffic_talk(). */
void traffic_receive(int fd);
void traffic_talk(int from, int to);

/* What goes to @endpoint reaches @server, or is refused (RST, ICMP port unreachable). */
void traffic_expect_arrival(int protocol, const char *endpoint, int server);
void traffic_expect_refusal(int protocol, const char *endpoint);

#endif
