// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "agent_policy.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "context.h"
#include "input.h"

#define POLICY_MAX ((off_t)1 << 20)
#define ENTRY_MAX ((size_t)1 << 20) /* a group may have many members */

/* One look-up with @room bytes; -ERANGE: they were too few. */
static int look_up(bool is_group, const char *name, char *buf, size_t room, uint32_t *ret_id)
{
	struct passwd user, *found_user = NULL;
	struct group group, *found_group = NULL;
	int r;

	if (is_group)
		r = getgrnam_r(name, &group, buf, room, &found_group);
	else
		r = getpwnam_r(name, &user, buf, room, &found_user);
	/* Both are said of a name that is not there. */
	if (r == ESRCH)
		r = ENOENT;
	if (r)
		return -r;
	if (!found_user && !found_group)
		return -ENOENT;
	*ret_id = is_group ? found_group->gr_gid : found_user->pw_uid;
	return 0;
}

static int id_of(bool is_group, const char *name, uint32_t *ret_id, void *data)
{
	size_t room = 1024;
	int r;

	(void)data;
	do {
		_cleanup_free_ char *buf = malloc(room *= 2);

		if (!buf)
			return -ENOMEM;
		r = look_up(is_group, name, buf, room, ret_id);
	} while (r == -ERANGE && room < ENTRY_MAX);
	return r;
}

/* Whoever may write it may take over every service. */
static int check_file(const char *file, struct output *out)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return output_error(out, -errno,
				    "Say in it who may register what; see anybind-policy(5).",
				    "cannot read the policy \"%s\": %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return output_error(out, -EINVAL, NULL, "the policy \"%s\" is not a regular file",
				    file);
	if (st.st_size > POLICY_MAX)
		return output_error(out, -EFBIG, NULL, "the policy \"%s\" is larger than 1 MiB",
				    file);
	if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH))
		return output_error(out, -EPERM, "Have it owned by root, with mode 644 or less.",
				    "the policy \"%s\" (owner %u, mode %03o) can be written by "
				    "others than root",
				    file, st.st_uid, st.st_mode & 07777);
	return 0;
}

int agent_policy_read(const char *file, struct anybind_policy **ret_policy, struct output *out)
{
	_cleanup_report_ struct anybind_report *report = anybind_report_new();
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	if (!report)
		out_of_memory();
	r = check_file(file, out);
	if (r < 0)
		return r;
	r = input_read(file, &text, &size, out);
	if (r < 0)
		return r;
	r = anybind_policy_parse(ret_policy, text, size, file, id_of, NULL, report);
	output_report(out, report);
	return r;
}
