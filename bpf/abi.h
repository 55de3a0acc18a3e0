/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the program in the kernel and the library agree on: the compiled
 * table, the counters and the slots. Any change here that an older reader
 * would misread needs a new ANYBIND_LAYOUT.
 *
 * The table is the single value of a BPF array, written once, then frozen:
 *
 *	header | lines | words | services | devices | rules
 *
 * "lines" are 64-byte hash buckets, one cache line each, that map a
 * destination (or source) prefix to an action. "words" hold what an action
 * may point to. Services, devices and rules are the text that the table was
 * compiled from (struct service, device and rule in lib/); the program never
 * reads them. Numbers are in the host's byte order unless said otherwise.
 */
#ifndef ANYBIND_ABI_H
#define ANYBIND_ABI_H

#include <linux/types.h>

#define ANYBIND_LAYOUT 1
#define ANYBIND_MAGIC "anybind"

/*
 * An action is what a lookup has come to so far; its low two bits say what
 * the rest means.
 *
 *	VERDICT	the end: a verdict
 *	PORT	one port: protocols, port, verdict; any other packet goes on with
 *		the family's default action
 *	PROTO	all ports: protocols, verdict; others as above
 *	NODE	index in `words` of a node
 *
 * PORT and PROTO exist so that the commonest rules are decided in the cache
 * line where the destination was found. They have room for 12 bits of verdict;
 * larger ones need a node.
 */
#define ACTION_VERDICT 0
#define ACTION_PORT 1
#define ACTION_PROTO 2
#define ACTION_NODE 3
#define ACTION_TAG 3
#define ACTION_SHIFT 2

/* PORT and PROTO: bits 2-3 protocols, 4-19 port, 20-31 verdict. */
#define ACTION_PORT_SHIFT 4
#define ACTION_VERDICT_SHIFT 20
#define ACTION_VERDICT_MAX 0xfff

#define PROTO_BIT_TCP 1
#define PROTO_BIT_UDP 2

/* A verdict: pass, drop, or a service: bit 0 `missing pass`, the others its id + 1. */
#define VERDICT_PASS 0
#define VERDICT_DROP 1
#define VERDICT_SERVICE(id, missing_pass) (((id) + 1) << 1 | (missing_pass))
#define VERDICT_IS_SERVICE(verdict) ((verdict) > VERDICT_DROP)
#define VERDICT_MISSING_PASS 1
#define VERDICT_ID(verdict) (((verdict) >> 1) - 1)
#define SERVICE_IDS 4096 /* also ANYBIND_SERVICES_MAX */

/*
 * Fallbacks: for each service id one word, the verdict that names the service
 * that gets its traffic when it has no usable socket, or 0. They form chains,
 * never a circle, of at most so many steps.
 */
#define FALLBACKS_MAX 16

/*
 * Nodes. The first word's low bits name the kind.
 *
 *	PORTS	0 kind | n_tcp << 8	1 n_udp		2 action for other ports
 *		3… n_tcp, then n_udp times: low port | high port << 16, action
 *		Ranges are sorted and disjoint.
 *	TEST	0 kind	1 action if so	2 action if not	3 ifindex, 0: any
 *		4… source: IPv4 address, mask; IPv6 address[4], mask[4]; network order
 *	SOURCES	0 kind | n_lengths << 8	1 action if none	2 first line	3 lines
 *		4 hash multiplier	6… prefix lengths, longest first, five words
 *		each: length, mask (high half, low half)
 */
#define NODE_PORTS 0
#define NODE_TEST 1
#define NODE_SOURCES 2
#define NODE_KIND 0xff
#define NODE_SHIFT 8
/* Words readable behind any valid index, so that a node's head needs one check. */
#define WORDS_SLACK 16

/*
 * A line maps (prefix, length) to an action. `len` is the prefix length, 0 in
 * an empty slot. `flags`: LINE_NEXT, the search goes on in the following line;
 * bit i, longer prefixes exist below that of slot i. Keys and masks are what a
 * load of the address in network order gives, host bits zero; of IPv6, each
 * half is two words, the address's first in the lower.
 */
#define LINE_NEXT 0x80
#define LINE4_SLOTS 7
#define LINE6_SLOTS 3
#define PROBES_MAX 16 /* lines that one search may touch */

struct line4 {
	__u32 key[LINE4_SLOTS];
	__u32 action[LINE4_SLOTS];
	__u8 len[LINE4_SLOTS];
	__u8 flags;
};

struct line6 {
	__u64 key[LINE6_SLOTS][2]; /* high half first */
	__u32 action[LINE6_SLOTS];
	__u8 len[LINE6_SLOTS];
	__u8 flags;
};

/*
 * Prefix lengths in use form a binary search tree; a search goes to `longer`
 * where the line has an entry with longer ones below, to `shorter` where it has none.
 * (Waldvogel, Varghese, Turner, Plattner: Scalable High Speed IP Routing
 * Lookups, SIGCOMM 1997. The tree is weighted and its height limited.)
 */
#define LEVELS_MAX 128
#define LEVEL_NONE 0xff
#define DEPTH_MAX 8

struct level {
	__u64 mask_hi, mask_lo; /* of the length; IPv4: mask_hi is 0 */
	__u32 len;
	__u8 shorter; /* index of a level, or LEVEL_NONE */
	__u8 longer;
	__u16 zero;
};

struct family_params {
	__u64 mul;	 /* hash multiplier, odd */
	__u64 offset;	 /* of the first line, in bytes from the start of the value */
	__u32 lines;	 /* 0: no prefixes but the default */
	__u32 fallback;	 /* default action: rules for /0, else pass; a VERDICT or NODE */
	__u32 n_levels;
	__u32 removed; /* longest prefix that patches left without rules; lib/patch.h */
	struct level levels[LEVELS_MAX]; /* the root first */
};

/* Constants of one generation; the program's copy is read-only data. */
struct table_params {
	__u32 lines;	   /* all lines */
	__u32 words;	   /* all words, without the slack */
	__u32 has_nodes;   /* else no action is a NODE, and the program has no walk() */
	__u32 n_fallbacks; /* words at the start; 0: no service has a fallback */
	__u64 lines_offset; /* in bytes from the start of the value */
	__u64 words_offset;
	struct family_params v4, v6;
};

struct table_header {
	char magic[8];
	__u32 layout;
	__u32 patched; /* words that patches have added since all was compiled; lib/patch.h */
	__u64 zero;	  /* read by the program; see dispatch.bpf.c */
	__u64 size;	  /* of all that follows from the start of the value */
	__u64 generation; /* counts changes since load */
	__u64 changed;	  /* CLOCK_REALTIME, seconds */
	__u64 services_offset, n_services;
	__u64 devices_offset, n_devices;
	__u64 rules_offset, n_rules;
	struct table_params params;
};

/*
 * Slots in the socket map. Each service id has one of its own for each family
 * and protocol, and a pool is there for services of several sockets.
 */
#define SLOT(id, udp, v6) ((id) << 2 | (udp) << 1 | (v6))
#define SLOTS_OWN (4 * SERVICE_IDS)
#define SLOTS_POOL 65536
#define SLOTS (SLOTS_OWN + SLOTS_POOL)

/*
 * A service of several sockets of one family and protocol has a group, found
 * by its own slot in a map of maps; without one, its own slot alone counts.
 * The group is an array, replaced as a whole and never changed:
 *
 *	0	mask of the table (its size - 1), index of its first place
 *	1	members that flows may go to, all members
 *	2…	members: slot, weight and GROUP_*; those with a weight first, then
 *		those that stand by, then the drained
 *	first…	table: slot, GROUP_WINDOW or 0
 *
 * A flow's hash picks a place. Where that socket cannot take it, members that
 * flows may go to are tried in turn.
 */
struct group_element {
	__u32 a, b;
};

#define GROUP_HEAD 2
#define GROUP_WEIGHT 0xffff
/* Of a reuseport group whose other member has the weight: takes over if that is gone. */
#define GROUP_STANDBY 0x10000
/* Not one socket but a window, named by its first slot. */
#define GROUP_WINDOW 0x20000

/*
 * A window is a run of slots of the pool for the sockets of a follow, which come
 * and go while the group stays as it is: the program at listen(2) fills them, and
 * a socket that closes leaves. It is one member, as a reuseport group is: all its
 * flows go to one socket, `best`, while that can take them; else the others are
 * tried and one that can becomes `best`. Where none could, as of `version`,
 * nobody tries again until that has changed: a service that is down costs no
 * search for each packet.
 */
#define WINDOW_SLOTS 64
#define WINDOWS (SLOTS_POOL / WINDOW_SLOTS)
#define WINDOW_OF(slot) (((slot) - SLOTS_OWN) / WINDOW_SLOTS)
/*
 * Newcomers take the first place that is free and, where none is, the last so
 * many in turn: whether a server that has more takes back its oldest or its
 * newest sockets, some that are here are left.
 */
#define WINDOW_TURNOVER (WINDOW_SLOTS / 2)

struct window {
	__u32 version;	 /* counts insertions, which come first */
	__u32 best[2];	 /* place in the window, for packets of IPv4 and of IPv6 */
	__u32 barren[2]; /* version as of which no socket takes such a packet */
	__u32 turnover;	 /* counts sockets that had to go because it was full */
	__u32 zero[2];
};

/*
 * A follow: what its program is to do and what came of it, in a map of its own.
 * The program at listen(2) reads the first part and counts in the second; the
 * last is for people.
 */
#define FOLLOW_TCP 0 /* index in `window`: protocol << 1 | IPv6 */
#define FOLLOW_UDP 2

struct follow_state {
	__u32 layout;
	__u32 service;	     /* id */
	__u64 netns_cookie;
	__u32 window[4];     /* first slot; 0: sockets of that kind are none of its business */
	__u8 address[16];    /* with a family: only sockets bound to just that */
	__u32 family;	     /* AF_INET, AF_INET6; 0: any address */
	__u32 port;	     /* host order */

	__u64 registered;    /* at listen(2) */
	__u64 refused;	     /* likewise; `error` says why the last one was */
	__s32 error;	     /* negative errno, or FOLLOW_KERNEL or FOLLOW_MPTCP */
	__u32 uid;	     /* who follows */

	__u64 since;	     /* CLOCK_REALTIME, seconds */
	__u64 cgroup_id;
	char unit[256];	     /* of the service manager, or "" */
	char cgroup[3072];   /* its path in the hierarchy */
};

/* Sockets that must not be in a map: the kernel's own, and the TCP beneath MPTCP. */
#define FOLLOW_KERNEL 1
#define FOLLOW_MPTCP 2

/* A program in the kernel has only that clock. */
#define RECORD_BOOT 1

/* What is remembered of the socket in a slot, for people. */
struct slot_record {
	__u64 cookie; /* of the socket that this is about; 0: nothing */
	__u64 since;  /* CLOCK_REALTIME, seconds; RECORD_BOOT: CLOCK_BOOTTIME */
	__u32 uid;    /* who registered it */
	__u32 flags;  /* RECORD_* */
	char how[24]; /* "pid", "fd", …; NUL-terminated */
};

/* Counters of one service on one CPU; one cache line. */
struct counters {
	__u64 steered;
	__u64 missing;
	__u64 eafnosupport;
	__u64 eprototype;
	__u64 esocktnosupport;
	__u64 other;
	__u64 zero[2];
};

/* What the registry keeps of a service id. A free id has an empty name. */
struct registry_entry {
	char name[72];
};

_Static_assert(sizeof(struct line4) == 64 && sizeof(struct line6) == 64, "one cache line");
_Static_assert(sizeof(struct counters) == 64, "one cache line");
_Static_assert(sizeof(struct slot_record) == 48, "no padding");
_Static_assert(sizeof(struct window) == 32, "no padding");
_Static_assert(sizeof(struct follow_state) == 96 + 256 + 3072, "no padding");
_Static_assert(sizeof(struct table_header) == 96 + sizeof(struct table_params), "no padding");
_Static_assert(sizeof(struct table_params) == 32 + 2 * (32 + LEVELS_MAX * 24), "no padding");

#endif
