/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Why this system will not do what was asked of its BPF, and what would help. */
#ifndef ANYBIND_SYSTEM_H
#define ANYBIND_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>

#include "anybind.h"

/*
 * Reports @code, a failure of bpf(2) to load or attach, by its cause: no BPF in
 * the kernel, a kernel too old, lockdown, capabilities, memory. Returns the
 * code to fail with. @table_bytes: size of the table, evidence for -E2BIG.
 */
int system_explain_bpf(int code, size_t table_bytes, struct anybind_report *report);

/*
 * Does @release, as uname(2) gives it ("6.1.0-18-amd64"), name Linux
 * @major.@minor or newer? 1 yes, 0 no, -EINVAL: it names no version.
 */
int system_release_reaches(const char *release, unsigned int major, unsigned int minor);

/*
 * May TCP sockets be walked on Linux @release with sockets put into a map
 * meanwhile? -ENOTSUP, with the reason, where that could deadlock the kernel
 * or where it cannot be told.
 */
int system_check_tcp_iterator(const char *release, struct anybind_report *report);

/*
 * The same as system_explain_bpf() for a program that walks sockets. @has_btf:
 * the kernel describes its structures, which such a program needs.
 */
int system_explain_iterator(int code, bool has_btf, struct anybind_report *report);

/* The same for the program that follows a cgroup. */
int system_explain_follow(int code, bool has_btf, struct anybind_report *report);

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
