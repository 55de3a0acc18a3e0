/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Why this system will not do what was asked of its BPF, and what would help. */
#ifndef ANYBIND_SYSTEM_H
#define ANYBIND_SYSTEM_H

#include <stddef.h>

#include "anybind.h"

/*
 * Reports @code, a failure of bpf(2) to load or attach, by its cause: no BPF in
 * the kernel, a kernel too old, lockdown, capabilities, memory. Returns the
 * code to fail with. @table_bytes: size of the table, evidence for -E2BIG.
 */
int system_explain_bpf(int code, size_t table_bytes, struct anybind_report *report);

/*
 * The bpffs to keep state in: @path, or ANYBIND_BPFFS; the latter is mounted
 * where it is missing and @mount is set. *ret_path is a constant string or
 * @path. -ENOENT: none is mounted. -EXDEV: the caller is in a mount namespace
 * of `ip netns exec`, where pins would not last.
 */
int system_bpffs(const char *path, bool mount, const char **ret_path,
		 struct anybind_report *report);

/*
 * Is @path a folder of root's or the caller's own? A bpffs may be open to all,
 * and who owns a folder could put other pins into it, and with them other
 * rules in force. -EPERM. -ENOENT: it is not there (nothing is reported).
 */
int system_check_owner(const char *path, struct anybind_report *report);

#endif
