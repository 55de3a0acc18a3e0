// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "cleanup.h"
#include "dump.h"
#include "error.h"

#define MOUNTINFO "/proc/self/mountinfo"

/* Deeper than any hierarchy is, shallower than our stack. */
#define DEPTH_MAX_CGROUP 128

static void cleanup_fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* ---- the hierarchy ---- */

/* Blanks and the like are written as octal in mountinfo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* A line of mountinfo, of a cgroup v2 file system. */
struct cgroup_mount {
	const char *root; /* the cgroup that is mounted; "/": all of the hierarchy */
	const char *point;
};

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS… - TYPE SOURCE OPTIONS */
static bool read_mount(char *line, struct cgroup_mount *ret)
{
	char *end = strstr(line, " - "), *word[5], *rest = line;

	if (!end || strncmp(end + 3, "cgroup2 ", 8))
		return false;
	*end = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(word); i++) {
		word[i] = strsep(&rest, " ");
		if (!word[i])
			return false;
	}
	unescape(word[3]);
	unescape(word[4]);
	*ret = (struct cgroup_mount){word[3], word[4]};
	return true;
}

/* Calls @fn for each mount of cgroup v2 until it says stop. */
static int each_mount(int (*fn)(const struct cgroup_mount *mount, void *data), void *data)
{
	_cleanup_(cleanup_fclosep) FILE *file = fopen(MOUNTINFO, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = 0;

	if (!file)
		return -errno;
	while (!r && getline(&line, &size, file) >= 0) {
		struct cgroup_mount mount;

		if (read_mount(line, &mount))
			r = fn(&mount, data);
	}
	return r;
}

static int take_root(const struct cgroup_mount *mount, void *data)
{
	if (strcmp(mount->root, "/") || strlen(mount->point) >= PATH_MAX)
		return 0;
	strcpy(data, mount->point);
	return 1;
}

/* Where the hierarchy is mounted, the first place if there are several. -ENOENT: nowhere. */
static int find_mount(char ret[PATH_MAX])
{
	int r = each_mount(take_root, ret);

	return r < 0 ? r : r ? 0 : -ENOENT;
}

static int fs_type(int fd, unsigned int *ret)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	*ret = (unsigned int)fs.f_type;
	return 0;
}

/* The kernel's number of a cgroup: what a file handle of its folder holds. */
static int id_of(int fd, uint64_t *ret)
{
	struct {
		struct file_handle head;
		uint64_t id;
	} handle = {.head.handle_bytes = sizeof(handle.id)};
	int mount;

	if (name_to_handle_at(fd, "", &handle.head, &mount, AT_EMPTY_PATH) < 0)
		return -errno;
	if (handle.head.handle_bytes != sizeof(*ret))
		return -EUCLEAN;
	memcpy(ret, handle.head.f_handle, sizeof(*ret));
	return 0;
}

/* The folder of the cgroup with this path in the hierarchy. */
static int open_path(const char *path, int flags)
{
	char mount[PATH_MAX], folder[2 * PATH_MAX];
	int r = find_mount(mount), fd;

	if (r < 0)
		return r;
	snprintf(folder, sizeof(folder), "%s/%s", mount, path);
	fd = open(folder, O_DIRECTORY | O_CLOEXEC | flags);
	return fd < 0 ? -errno : fd;
}

int cgroup_id_of(const char *path, uint64_t *ret)
{
	_cleanup_close_ int fd = open_path(path, O_RDONLY);

	return fd < 0 ? fd : id_of(fd, ret);
}

bool cgroup_is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	if (!strcmp(top, "/"))
		return true;
	return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}

/* ---- opening ---- */

static int no_hierarchy(struct anybind_report *report)
{
	return report_error(report, -ENOTSUP,
			    "Mount one: mount -t cgroup2 none /sys/fs/cgroup. With systemd: start "
			    "with systemd.unified_cgroup_hierarchy=1 on the kernel's command line.",
			    "no cgroup v2 hierarchy is mounted");
}

static int no_cgroup(const char *path, const char *mount, struct anybind_report *report)
{
	char hint[PATH_MAX + 160];

	snprintf(hint, sizeof(hint),
		 "A cgroup has to exist before it is followed; of a unit it does once the unit is "
		 "starting: ExecStartPre=+anybind follow NAME --unit %%n. They are below %s.",
		 mount);
	return report_error(report, -ENOENT, hint, "no cgroup %s", path);
}

/* What is at @path is no cgroup v2. */
static int refuse_kind(const char *path, unsigned int type, const char *mount,
		       struct anybind_report *report)
{
	char hint[PATH_MAX + 80];

	snprintf(hint, sizeof(hint), "Those of version 2 are below %s.", mount);
	if (type == CGROUP_SUPER_MAGIC)
		return report_error(report, -EINVAL, hint,
				    "%s is a cgroup of version 1, where sockets cannot be followed",
				    path);
	return report_error(report, -EINVAL, hint, "%s is not a cgroup", path);
}

/* A folder's name in the hierarchy, by the mount that it is in. */
struct naming {
	const char *folder;
	char *path;
	size_t longest; /* of the mount points that lead to it */
};

static int name_by(const struct cgroup_mount *mount, void *data)
{
	struct naming *naming = data;
	size_t len = strlen(mount->point);
	const char *root = strcmp(mount->root, "/") ? mount->root : "";
	const char *rest = naming->folder + len;

	if (!cgroup_is_below(naming->folder, mount->point) || len < naming->longest)
		return 0;
	if (snprintf(naming->path, PATH_MAX, "%s%s", root, rest) >= PATH_MAX)
		return -ENAMETOOLONG;
	naming->longest = len;
	return 0;
}

static int name_it(struct cgroup *cgroup)
{
	char link[64], folder[PATH_MAX];
	struct naming naming = {folder, cgroup->path, 0};
	ssize_t n;
	int r;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", cgroup->fd);
	n = readlink(link, folder, sizeof(folder) - 1);
	if (n < 0)
		return -errno;
	folder[n] = '\0';
	r = each_mount(name_by, &naming);
	if (!r && !naming.longest)
		r = -EXDEV;
	if (!r && !*cgroup->path)
		strcpy(cgroup->path, "/");
	return r;
}

static int open_at(struct cgroup *cgroup, const char *path, const char *mount,
		   struct anybind_report *report)
{
	unsigned int type = 0;
	struct stat st;
	int r;

	cgroup->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup->fd >= 0 && !fs_type(cgroup->fd, &type) && type == CGROUP2_SUPER_MAGIC)
		return 0;
	cgroup_close(cgroup);
	/* Not in the file system; then perhaps in the hierarchy. */
	r = cgroup->fd = open_path(path, O_RDONLY);
	if (r >= 0)
		return 0;
	if (r != -ENOENT && r != -ENOTDIR)
		return report_error(report, r, NULL, "cannot open cgroup %s: %s", path,
				    report_errno(r));
	if (stat(path, &st) < 0)
		return no_cgroup(path, mount, report);
	return refuse_kind(path, type, mount, report);
}

int cgroup_open(struct cgroup *ret, const char *path, struct anybind_report *report)
{
	struct cgroup cgroup = CGROUP_NONE;
	char mount[PATH_MAX];
	int r = find_mount(mount);

	if (r == -ENOENT)
		return no_hierarchy(report);
	if (r < 0)
		return report_error(report, r, NULL, "cannot read " MOUNTINFO ": %s",
				    report_errno(r));
	if (strlen(path) >= PATH_MAX)
		return report_error(report, -ENAMETOOLONG, NULL, "the path of the cgroup is too long");
	r = open_at(&cgroup, path, mount, report);
	if (r < 0)
		return r;
	r = id_of(cgroup.fd, &cgroup.id);
	if (!r)
		r = name_it(&cgroup);
	if (r < 0) {
		cgroup_close(&cgroup);
		return report_error(report, r, NULL, "cannot tell which cgroup %s is: %s", path,
				    report_errno(r));
	}
	*ret = cgroup;
	return 0;
}

void cgroup_close(struct cgroup *cgroup)
{
	if (cgroup->fd >= 0)
		close(cgroup->fd);
	cgroup->fd = -1;
}

/* ---- those below ---- */

static int add_below(struct list *ids, int fd, unsigned int depth)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	uint64_t *id;
	int r = 0;

	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	id = list_push(ids);
	if (!id)
		return -ENOMEM;
	r = id_of(fd, id);
	while (!r && depth < DEPTH_MAX_CGROUP && (entry = readdir(dir))) {
		int below;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (below >= 0)
			r = add_below(ids, below, depth + 1);
	}
	return r;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int cgroup_subtree(const char *path, uint64_t **ret_ids, size_t *ret_n)
{
	struct list ids = {.item_size = sizeof(uint64_t)};
	int fd = open_path(path, O_RDONLY), r = fd;

	if (fd >= 0)
		r = add_below(&ids, fd, 0);
	if (r < 0) {
		list_clear(&ids);
		return r;
	}
	if (ids.n)
		qsort(ids.items, ids.n, ids.item_size, by_number);
	*ret_ids = (uint64_t *)ids.items;
	*ret_n = ids.n;
	return 0;
}
