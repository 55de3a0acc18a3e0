/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the collecting iterators and lib/kernel_iter.c agree on; lives for one call. */
#ifndef ANYBIND_COLLECT_H
#define ANYBIND_COLLECT_H

#include <linux/types.h>

/* What a socket is; all but the first keep it from being inserted. */
#define COLLECT_REUSEPORT (1 << 0) /* it has SO_REUSEPORT */
#define COLLECT_STATE (1 << 1)	   /* TCP that does not listen, UDP that is connected */
#define COLLECT_PROTOCOL (1 << 2)  /* neither TCP nor UDP */
#define COLLECT_MPTCP (1 << 3)	   /* TCP beneath an MPTCP socket */
#define COLLECT_KERNEL (1 << 4)	   /* made by the kernel for itself */

/* What is read of the iterator for each socket that was wanted. */
struct collect_record {
	__u64 cookie;
	__u32 flags;
	__s32 error; /* the kernel's answer to the insertion, 0 or a negative errno */
};

_Static_assert(sizeof(struct collect_record) == 16, "no padding");

#endif
