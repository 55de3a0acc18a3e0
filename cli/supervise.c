// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "supervise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "word.h"

/* ---- before ---- */

static int add_inherited(struct family *family, int fd)
{
	int *fds = reallocarray(family->inherited, family->n_inherited + 1, sizeof(*fds));

	if (!fds)
		return -ENOMEM;
	fds[family->n_inherited++] = fd;
	family->inherited = fds;
	return 0;
}

static int list_inherited(struct family *family)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	int fd, r = 0;

	if (!dir)
		return -errno;
	while (!r && (entry = readdir(dir)))
		if (!word_number(entry->d_name, STDERR_FILENO + 1, INT_MAX, &fd) &&
		    fd != dirfd(dir))
			r = add_inherited(family, fd);
	return r;
}

/* All signals are for the program, but those that are about this process itself. */
static void wanted_signals(sigset_t *ret)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

	sigfillset(ret);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		sigdelset(ret, own[i]);
}

int family_prepare(struct family *ret)
{
	struct family family = {.signals = -1};
	sigset_t wanted;
	int r;

	r = list_inherited(&family);
	if (!r) {
		wanted_signals(&wanted);
		family.signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
		r = family.signals < 0 ? -errno : 0;
	}
	if (r < 0) {
		family_release(&family);
		return r;
	}
	*ret = family;
	return 0;
}

void family_release(struct family *family)
{
	free(family->inherited);
	family->inherited = NULL;
	family->n_inherited = 0;
	if (family->signals >= 0)
		close(family->signals);
	family->signals = -1;
}

/* ---- the start ---- */

/* Service managers say by process id whom their descriptors and their watchdog are for. */
static void adopt_pid_variables(void)
{
	static const char *const names[] = {"LISTEN_PID", "WATCHDOG_PID"};
	char mine[16];

	snprintf(mine, sizeof(mine), "%d", getpid());
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);
		int pid;

		if (value && !word_number(value, 1, INT_MAX, &pid) && pid == getppid())
			setenv(names[i], mine, 1);
	}
}

/* In the child. Returns only if it fails. */
static int become(const struct family *family, const struct start *start)
{
	if (start->netns >= 0 && setns(start->netns, CLONE_NEWNET) < 0)
		return errno;
	for (const char *const (*row)[2] = start->environment; (*row)[0]; row++)
		if (setenv((*row)[0], (*row)[1], 1) < 0)
			return errno;
	adopt_pid_variables();
	sigaction(SIGCHLD, &family->on_child, NULL);
	sigprocmask(SIG_SETMASK, &family->mask, NULL);
	execvp(start->argv[0], start->argv);
	return errno;
}

static void give_away(struct family *family, bool keep_output)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < family->n_inherited; i++)
		close(family->inherited[i]);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	if (!keep_output)
		dup2(null, STDOUT_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

static int await_exec(int pipe, pid_t pid)
{
	int error;
	ssize_t n;

	do
		n = read(pipe, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(error))
		return 0; /* closed by exec */
	waitpid(pid, NULL, 0);
	return -error;
}

int family_start(struct family *family, const struct start *start, bool keep_output)
{
	const struct sigaction by_default = {.sa_handler = SIG_DFL};
	_cleanup_close_ int reader = -1, writer = -1;
	sigset_t wanted;
	int ends[2], error, r;
	pid_t pid;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	reader = ends[0];
	writer = ends[1];
	/* If it were ignored there would be no status to wait for. */
	sigaction(SIGCHLD, &by_default, &family->on_child);
	wanted_signals(&wanted);
	sigprocmask(SIG_BLOCK, &wanted, &family->mask);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		error = become(family, start);
		_exit(write(writer, &error, sizeof(error)) == sizeof(error) ? 127 : 126);
	}
	close(take_fd(&writer));
	r = await_exec(reader, pid);
	if (r < 0)
		return r;
	give_away(family, keep_output);
	family->main = pid;
	return 0;
}

/* ---- while it runs ---- */

static void pass_on(pid_t pid, const struct signalfd_siginfo *info)
{
	const union sigval value = {.sival_ptr = (void *)(uintptr_t)info->ssi_ptr};

	if (info->ssi_code == SI_QUEUE)
		sigqueue(pid, (int)info->ssi_signo, value);
	else
		kill(pid, (int)info->ssi_signo);
}

/* When the program has made daemons of itself: those are children of this process now. */
static void pass_on_to_children(const struct signalfd_siginfo *info)
{
	FILE *file = fopen("/proc/thread-self/children", "re");
	int pid;

	if (!file)
		return;
	while (fscanf(file, "%d", &pid) == 1)
		pass_on(pid, info);
	fclose(file);
}

static void handle(const struct family *family, const struct signalfd_siginfo *info)
{
	int number = (int)info->ssi_signo;
	bool sent = info->ssi_code == SI_USER || info->ssi_code == SI_QUEUE ||
		    info->ssi_code == SI_TKILL;

	if (number == SIGCHLD || info->ssi_pid == (uint32_t)getpid())
		return;
	/* What a terminal sends, it sends to the program, too. */
	if (sent && family->main)
		pass_on(family->main, info);
	else if (sent)
		pass_on_to_children(info);
	else if (number == SIGTSTP || number == SIGTTIN || number == SIGTTOU)
		raise(SIGSTOP);
}

/* False: no children are left, so no descendants are. */
static bool bury(struct family *family)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != family->main)
			continue;
		family->main = 0;
		family->wait_status = status;
	}
	return !pid;
}

bool family_serve(struct family *family)
{
	struct signalfd_siginfo info;

	while (read(family->signals, &info, sizeof(info)) == sizeof(info))
		handle(family, &info);
	return bury(family);
}

/* ---- what became of it ---- */

const char *family_ignores_preload(const struct family *family)
{
	_cleanup_close_ int fd = -1;
	ElfW(auxv_t) vector[64];
	bool same_class = false, secure = false, loader = false;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/auxv", family->main);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	n = read(fd, vector, sizeof(vector));
	for (ssize_t i = 0; i < n / (ssize_t)sizeof(vector[0]); i++) {
		if (vector[i].a_type == AT_PHENT)
			same_class = vector[i].a_un.a_val == sizeof(ElfW(Phdr));
		else if (vector[i].a_type == AT_SECURE)
			secure = vector[i].a_un.a_val;
		else if (vector[i].a_type == AT_BASE)
			loader = vector[i].a_un.a_val;
	}
	if (!same_class)
		return NULL; /* built for another word size: the vector reads otherwise */
	if (secure)
		return "it runs with the rights of its file's owner (set-uid, set-gid or file "
		       "capabilities), and such programs ignore LD_PRELOAD";
	return loader ? NULL : "it is statically linked, and such programs ignore LD_PRELOAD";
}
