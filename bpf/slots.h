/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The slots of a namespace, as all programs that touch them see them. */
#ifndef ANYBIND_SLOTS_H
#define ANYBIND_SLOTS_H

#include <bpf/bpf_helpers.h>

#include "abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct slot_record);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WINDOWS);
	__type(key, __u32);
	__type(value, struct window);
} windows SEC(".maps");

#endif
