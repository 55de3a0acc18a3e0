/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What an agent and a program say to each other over a unix socket of type
 * SOCK_SEQPACKET, documented in anybind-agent(8). A connection is one request,
 * one answer, and the end. Both sides are on one machine: numbers are in its
 * byte order, errno values its own.
 */
#ifndef ANYBIND_AGENT_WIRE_H
#define ANYBIND_AGENT_WIRE_H

#include <assert.h>
#include <stdint.h>

#include "anybind.h"

#define AGENT_MAGIC "ANYB" /* without the NUL */
#define AGENT_VERSION 1

enum agent_command { AGENT_REGISTER = 1 };

/* The whole message; the sockets come with it, as SCM_RIGHTS. */
struct agent_request {
	char magic[4];
	uint16_t version;
	uint16_t command;		/* enum agent_command */
	char service[ANYBIND_NAME_MAX]; /* filled up with NUL bytes; none if it is that long */
};

/* Followed by text_len bytes of text and hint_len bytes of hint, UTF-8 without NUL. */
struct agent_answer {
	char magic[4];
	uint16_t version;
	uint16_t sockets;   /* how many were registered */
	int32_t code;	    /* 0 or a negative errno value */
	int16_t descriptor; /* the one at fault, counted from 0; -1: not said */
	uint16_t text_len;  /* what failed; 0 on success */
	uint16_t hint_len;  /* what to do; may be 0 */
	uint16_t unused;    /* 0 */
};

static_assert(sizeof(struct agent_request) == 72, "no padding");
static_assert(sizeof(struct agent_answer) == 20, "no padding");

#define AGENT_TEXT_MAX 1000 /* of each of text and hint */
#define AGENT_ANSWER_MAX (sizeof(struct agent_answer) + 2 * (size_t)AGENT_TEXT_MAX)

/*
 * Seconds. The agent ends a client that has not sent its request in the first
 * time, and one that is not done, for whatever reason, in the second.
 */
#define AGENT_REQUEST_SECONDS 5
#define AGENT_CLIENT_SECONDS 30

#endif
