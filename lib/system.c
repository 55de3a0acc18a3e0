// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"
#include "netns.h"
#include "text.h"

/* ---- kernel ---- */

/* ingress_ifindex and bpf_loop() came with 5.17. */
#define KERNEL_MAJOR 5
#define KERNEL_MINOR 17
#define DIGITS "0123456789"

/* Until 6.5 iter/tcp held each socket's spinlock, which an insertion into a SOCKMAP takes, too. */
#define TCP_ITERATOR_MAJOR 6
#define TCP_ITERATOR_MINOR 5

int system_release_reaches(const char *release, unsigned int major, unsigned int minor)
{
	const size_t major_len = strspn(release, DIGITS);
	const char *rest = release + major_len + 1;
	uint64_t have_major, have_minor;

	if (release[major_len] != '.' ||
	    text_number(release, major_len, UINT32_MAX, &have_major) < 0 ||
	    text_number(rest, strspn(rest, DIGITS), UINT32_MAX, &have_minor) < 0)
		return -EINVAL;
	return have_major > major || (have_major == major && have_minor >= minor);
}

static bool kernel_is_old(struct utsname *ret_name)
{
	return uname(ret_name) == 0 &&
	       !system_release_reaches(ret_name->release, KERNEL_MAJOR, KERNEL_MINOR);
}

/* Does /sys/kernel/security/lockdown say that the kernel is locked down? */
static bool is_locked_down(char *ret_line, size_t size)
{
	_cleanup_close_ int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret_line, size - 1);

	if (n <= 0)
		return false;
	ret_line[n] = '\0';
	ret_line[strcspn(ret_line, "\n")] = '\0';
	return !strstr(ret_line, "[none]");
}

#define CAP_PERFMON_ 38
#define CAP_BPF_ 39

/* Names of the capabilities that loading needs and the caller lacks. */
static void missing_capabilities(char *ret, size_t size)
{
	static const struct {
		unsigned int number;
		const char *name;
	} needed[] = {
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
		{ CAP_PERFMON_, "CAP_PERFMON" },
		{ CAP_BPF_, "CAP_BPF" },
	};
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };

	*ret = '\0';
	if (syscall(SYS_capget, &header, data) < 0)
		return;
	/* Which stands for all of them. */
	if (data[0].effective & 1u << CAP_SYS_ADMIN)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		unsigned int n = needed[i].number;
		size_t used = strlen(ret);

		if (!(data[n / 32].effective & 1u << n % 32))
			snprintf(ret + used, size - used, "%s%s", used ? ", " : "",
				 needed[i].name);
	}
}

static int explain_eperm(struct anybind_report *report)
{
	char missing[80], line[80];

	missing_capabilities(missing, sizeof(missing));
	if (*missing)
		return report_error(report, -EPERM, "Run it as root, with sudo for example.",
				    "not permitted to load BPF programs: %s missing", missing);
	if (is_locked_down(line, sizeof(line)))
		return report_error(report, -EPERM,
				    "Lockdown comes with secure boot or lockdown= on the kernel's "
				    "command line.",
				    "the kernel is locked down and refuses BPF (%s)", line);
	return report_error(report, -EPERM,
			    "A container's seccomp profile or a security module may forbid bpf(2); "
			    "allow it there.",
			    "the kernel refused BPF although no capability is missing");
}

int system_explain_bpf(int code, size_t table_bytes, struct anybind_report *report)
{
	struct utsname name = { 0 };

	switch (code) {
	case -EPERM:
	case -EACCES:
		if (geteuid() || code == -EPERM)
			return explain_eperm(report);
		break;
	case -ENOSYS:
		return report_error(report, -ENOTSUP,
				    "Use a kernel built with CONFIG_BPF_SYSCALL.",
				    "this kernel has no bpf(2)");
	case -ENOMEM:
		return report_error(report, -ENOMEM, NULL,
				    "the kernel has no memory for a table of %zu bytes", table_bytes);
	case -E2BIG:
		return report_error(report, -ENOSPC,
				    "Linux 6.0 and newer take up to 512 MiB, older ones 4 MiB.",
				    "a table of %zu bytes is too large for this kernel",
				    table_bytes);
	}
	if (kernel_is_old(&name))
		return report_error(report, -ENOTSUP, "Use Linux 5.17 or newer.",
				    "the kernel is too old: this is Linux %s", name.release);
	return report_error(report, code,
			    "With -v you see the kernel's own words; please report them.",
			    "the kernel (Linux %s) refused the dispatcher: %s", name.release,
			    report_errno(code));
}

/* ---- iterators ---- */

#define HINT_OTHER_WAYS "Register it by --pid, --pidfile, --fd or --listen-fds."

int system_check_tcp_iterator(const char *release, struct anybind_report *report)
{
	const int r = system_release_reaches(release, TCP_ITERATOR_MAJOR, TCP_ITERATOR_MINOR);
	char quoted[QUOTED_MAX];

	if (r > 0)
		return 0;
	text_quote(release, strlen(release), quoted);
	if (r < 0)
		return report_error(report, -ENOTSUP, HINT_OTHER_WAYS,
				    "cannot tell whether this kernel ('%s') is Linux 6.5 or newer; "
				    "older ones could deadlock when a TCP socket is registered "
				    "without its process",
				    quoted);
	return report_error(report, -ENOTSUP, HINT_OTHER_WAYS,
			    "registering a TCP socket without its process could deadlock this "
			    "kernel: it is Linux %s, and the fault was repaired in 6.5",
			    quoted);
}

int system_explain_iterator(int code, bool has_btf, struct anybind_report *report)
{
	struct utsname name = {0};

	if (code == -EPERM || (code == -EACCES && geteuid()))
		return explain_eperm(report);
	if (code == -ENOMEM)
		return report_oom(report);
	if (!has_btf)
		return report_error(report, -ENOTSUP,
				    "Use a kernel with CONFIG_DEBUG_INFO_BTF. " HINT_OTHER_WAYS,
				    "this kernel does not describe its structures (no BTF in "
				    "/sys/kernel/btf/vmlinux), so a socket cannot be registered "
				    "without its process");
	uname(&name);
	return report_error(report, code,
			    HINT_OTHER_WAYS " With -v you see the kernel's own words.",
			    "the kernel (Linux %s) refused to look for the socket: %s",
			    name.release, strerrordesc_np(-code));
}

/* ---- following ---- */

#define HINT_OTHERS_TO_REGISTER "`anybind register` and `anybind run` do without."

int system_explain_follow(int code, bool has_btf, struct anybind_report *report)
{
	struct utsname name = {0};
	char missing[80];

	/* The verifier does not say that a helper wants a capability: it knows no such helper. */
	missing_capabilities(missing, sizeof(missing));
	if (code == -EPERM || (*missing && (code == -EACCES || code == -EINVAL)))
		return explain_eperm(report);
	if (code == -ENOMEM)
		return report_oom(report);
	if (!has_btf)
		return report_error(report, -ENOTSUP,
				    "Use a kernel with CONFIG_DEBUG_INFO_BTF. " HINT_OTHERS_TO_REGISTER,
				    "this kernel does not describe its structures (no BTF in "
				    "/sys/kernel/btf/vmlinux), so a cgroup cannot be followed");
	if (kernel_is_old(&name))
		return report_error(report, -ENOTSUP, "Use Linux 5.17 or newer.",
				    "the kernel is too old to follow a cgroup: this is Linux %s",
				    name.release);
	return report_error(report, code,
			    HINT_OTHERS_TO_REGISTER " With -v you see the kernel's own words.",
			    "the kernel (Linux %s) refused to follow a cgroup: %s", name.release,
			    report_errno(code));
}

/* ---- bpffs ---- */

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned int)fs.f_type == BPF_FS_MAGIC;
}

/* The same file by device and inode? Where one cannot be seen, yes. */
static bool is_same(const char *a, const char *b)
{
	struct stat x, y;

	if (stat(a, &x) < 0 || stat(b, &y) < 0)
		return true;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Started by `ip netns exec` (or unshare): another /sys than the host's. */
static int foreign_mounts(struct anybind_report *report)
{
	_cleanup_free_ char *name = NULL;
	struct stat ns;
	char hint[400];

	if (stat("/proc/self/ns/net", &ns) == 0)
		name = netns_name_of(ns.st_ino);
	snprintf(hint, sizeof(hint),
		 "Leave `ip netns exec` and type on the host: anybind -n %s …",
		 name ? name : "NAMESPACE");
	return report_error(report, -EXDEV, hint,
			    "started inside `ip netns exec` or another mount namespace, where %s is "
			    "not the host's and pins would be lost with the command", ANYBIND_BPFFS);
}

static int mount_bpffs(struct anybind_report *report)
{
	if (mount("bpf", ANYBIND_BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") == 0)
		return 0;
	if (errno == EPERM)
		return report_error(report, -EPERM, "Run it as root, with sudo for example.",
				    "no bpffs on %s, and not permitted to mount one", ANYBIND_BPFFS);
	return report_error(report, -errno,
			    "Use a kernel with CONFIG_BPF_SYSCALL, and /sys mounted.",
			    "cannot mount a bpffs on %s: %s", ANYBIND_BPFFS,
			    report_errno(-errno));
}

int system_bpffs(const char *path, bool mount, const char **ret_path,
		 struct anybind_report *report)
{
	int r;

	if (path) {
		if (!is_bpffs(path))
			return report_error(report, -ENOENT, "Mount one there: mount -t bpf bpf PATH",
					    "%s is not a mounted bpffs", path);
		*ret_path = path;
		return 0;
	}
	if (!is_same("/proc/self/ns/mnt", "/proc/1/ns/mnt") &&
	    (!is_bpffs(ANYBIND_BPFFS) || !is_same(ANYBIND_BPFFS, "/proc/1/root" ANYBIND_BPFFS)))
		return foreign_mounts(report);
	if (!is_bpffs(ANYBIND_BPFFS)) {
		if (!mount)
			return -ENOENT;
		r = mount_bpffs(report);
		if (r < 0)
			return r;
	}
	*ret_path = ANYBIND_BPFFS;
	return 0;
}

static int cannot_look(const char *path, int code, struct anybind_report *report)
{
	return report_error(report, code == -EACCES ? -EPERM : code,
			    "Run it as root, with sudo for example.", "cannot look at %s: %s",
			    path, report_errno(code));
}

int system_check_owner(const char *path, struct anybind_report *report)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? -ENOENT : cannot_look(path, -errno, report);
	if (S_ISDIR(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()))
		return 0;
	return report_error(report, -EPERM,
			    "See who made it and remove it. Mount bpffs with mode=700.",
			    "%s belongs to uid %u, who could put other rules in force", path,
			    st.st_uid);
}
