// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "state.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "error.h"
#include "state_image.h"
#include "state_path.h"
#include "system.h"
#include "text.h"

/* How often a reader follows a link that writers keep moving. */
#define READ_TRIES 1000

int state_init(struct state *state, const char *bpffs, uint64_t cookie,
	       struct anybind_report *report)
{
	int n = snprintf(state->path, sizeof(state->path), "%s/anybind/%" PRIu64, bpffs, cookie);

	state->lock = -1;
	if (n < 0 || (size_t)n >= sizeof(state->path))
		return report_error(report, -ENAMETOOLONG, NULL, "the path of the bpffs is too long");
	return 0;
}

static int failed(struct anybind_report *report, int code, const char *what, const char *path)
{
	if (code == -EACCES || code == -EPERM)
		return report_error(report, -EPERM, "Run it as root, with sudo for example.",
				    "not permitted to %s %s", what, path);
	return report_error(report, code, NULL, "cannot %s %s: %s", what, path,
			    report_errno(code));
}

const char *state_pin_path(char ret[PIN_MAX], const char *path, const char *name)
{
	int n = snprintf(ret, PIN_MAX, "%s/%s", path, name);

	/* state_init() leaves room for every name of ours. */
	assert(n > 0 && n < PIN_MAX);
	return ret;
}

static const char *generation_path(char ret[PIN_MAX], const char *path, uint32_t program_id)
{
	char name[16];

	snprintf(name, sizeof(name), "g%" PRIu32, program_id);
	return state_pin_path(ret, path, name);
}

static void parent_path(char ret[PATH_MAX], const struct state *state)
{
	snprintf(ret, PATH_MAX, "%s", state->path);
	*strrchr(ret, '/') = '\0';
}

static int check_owners(const struct state *state, struct anybind_report *report)
{
	char parent[PATH_MAX];
	int r;

	parent_path(parent, state);
	r = system_check_owner(parent, report);
	return r < 0 ? r : system_check_owner(state->path, report);
}

/* ---- clearing up ---- */

/* Removes the pins in a generation's folder, and the folder. */
static void remove_generation(const char *path)
{
	char pin[PIN_MAX];

	unlink(state_pin_path(pin, path, "program"));
	image_unpin(path);
}

/* Removes every generation but that of @keep (0: all). */
static void remove_generations(const char *path, uint32_t keep)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char generation[PIN_MAX];
		uint64_t id;

		if (entry->d_name[0] != 'g' ||
		    text_number(entry->d_name + 1, strlen(entry->d_name + 1), UINT32_MAX, &id) < 0)
			continue;
		if (id && id == keep)
			continue;
		remove_generation(generation_path(generation, path, id));
	}
}

/* "sSLOT-ID": a group and where it belongs. */
static const char *group_path(char ret[PIN_MAX], const char *path, uint32_t slot, uint32_t id)
{
	char name[32];

	snprintf(name, sizeof(name), "s%" PRIu32 "-%" PRIu32, slot, id);
	return state_pin_path(ret, path, name);
}

/* Is @name that of a group which @groups (a map, or -1) has in its slot no more? */
static bool is_stale_group(const char *name, int groups)
{
	const char *dash = strchr(name, '-');
	uint64_t slot, id;
	uint32_t now;
	int r;

	if (name[0] != 's' || !dash ||
	    text_number(name + 1, dash - name - 1, UINT32_MAX, &slot) < 0 ||
	    text_number(dash + 1, strlen(dash + 1), UINT32_MAX, &id) < 0)
		return false;
	if (groups < 0)
		return true;
	r = kernel_group_id(groups, slot, &now);
	return r == -ENOENT || (!r && now != id); /* one that cannot be seen may be in use */
}

static void remove_groups(const char *path, int groups)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char pin[PIN_MAX];

		if (is_stale_group(entry->d_name, groups))
			unlink(state_pin_path(pin, path, entry->d_name));
	}
}

int state_pin_group(const struct state *state, uint32_t slot, int group)
{
	char pin[PIN_MAX];
	uint32_t id;
	int r = kernel_map_id(group, &id);

	return r < 0 ? r : kernel_pin(group, group_path(pin, state->path, slot, id));
}

int state_open_group(const struct state *state, uint32_t slot, uint32_t id)
{
	char pin[PIN_MAX];

	return kernel_open_pin(group_path(pin, state->path, slot, id));
}

void state_clear_groups(const struct state *state, int groups)
{
	remove_groups(state->path, groups);
}

/* Everything in the folder; the link last to be seen, first to go. */
static void remove_pins(const char *path)
{
	char pin[PIN_MAX];

	unlink(state_pin_path(pin, path, "link"));
	state_remove_follows(path);
	for (size_t i = 0; i < KERNEL_MAPS; i++)
		unlink(state_pin_path(pin, path, kernel_map_names[i]));
	remove_generations(path, 0);
	remove_groups(path, -1);
}

/* Is there a link in the folder whose namespace lives? */
static int live_link(const char *path, struct link_info *ret)
{
	char pin[PIN_MAX];
	_cleanup_close_ int link = kernel_open_pin(state_pin_path(pin, path, "link"));
	struct link_info info;
	int r = link < 0 ? link : kernel_link_info(link, &info);

	if (r < 0)
		return r;
	if (!info.netns_inode)
		return -ENOENT;
	*ret = info;
	return take_fd(&link);
}

int state_open_link(const struct state *state, struct link_info *ret_info)
{
	return live_link(state->path, ret_info);
}

/* What a killed writer left, or all of a namespace that is gone. The lock is held. */
static void clear_folder(const char *path)
{
	struct link_info info;
	_cleanup_close_ int link = live_link(path, &info);

	if (link >= 0) {
		char pin[PIN_MAX];
		_cleanup_close_ int groups =
			kernel_open_pin(state_pin_path(pin, path, kernel_map_names[MAP_GROUPS]));

		remove_generations(path, info.program_id);
		if (groups >= 0)
			remove_groups(path, groups);
	} else if (link == -ENOENT) {
		remove_pins(path);
	}
}

/* Opens @path's folder and locks it; @wait: as long as it takes. */
static int lock_folder(const char *path, bool wait)
{
	for (;;) {
		_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct stat locked, now;

		if (fd < 0)
			return -errno;
		while (flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) < 0)
			if (errno != EINTR)
				return -errno;
		/* Whoever held it may have removed the folder, and somebody made it anew. */
		if (fstat(fd, &locked) < 0)
			return -errno;
		if (stat(path, &now) == 0 && now.st_dev == locked.st_dev &&
		    now.st_ino == locked.st_ino)
			return take_fd(&fd);
		if (stat(path, &now) < 0)
			return -errno;
	}
}

/* Folders beside ours whose namespace is gone: nobody else would ever clear them. */
static void clear_siblings(const struct state *state)
{
	char parent[PATH_MAX];
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;

	parent_path(parent, state);
	dir = opendir(parent);
	while (dir && (entry = readdir(dir))) {
		_cleanup_close_ int lock = -1;
		char path[PATH_MAX];
		struct link_info info;
		uint64_t cookie;
		int link;

		if (text_number(entry->d_name, strlen(entry->d_name), UINT64_MAX, &cookie) < 0 ||
		    snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name) >=
			    (int)sizeof(path) ||
		    !strcmp(path, state->path))
			continue;
		link = live_link(path, &info);
		if (link >= 0) {
			close(link);
			continue;
		}
		lock = link == -ENOENT ? lock_folder(path, false) : -1;
		if (lock < 0)
			continue;
		clear_folder(path);
		rmdir(path);
	}
}

/* ---- lock ---- */

static int make_folders(const struct state *state, struct anybind_report *report)
{
	char parent[PATH_MAX];

	parent_path(parent, state);
	if (mkdir(parent, 0700) < 0 && errno != EEXIST)
		return failed(report, -errno, "make", parent);
	if (mkdir(state->path, 0700) < 0 && errno != EEXIST)
		return failed(report, -errno, "make", state->path);
	return 0;
}

int state_lock(struct state *state, struct anybind_report *report)
{
	int r;

	if (state->lock >= 0)
		return 0;
	do {
		r = make_folders(state, report);
		if (r < 0)
			return r;
		/* A writer that ends may remove the folder just now. */
		r = lock_folder(state->path, true);
	} while (r == -ENOENT);
	if (r < 0)
		return failed(report, r, "lock", state->path);
	state->lock = r;
	r = check_owners(state, report);
	if (r < 0) {
		close(take_fd(&state->lock));
		return r;
	}
	clear_folder(state->path);
	clear_siblings(state);
	return 0;
}

void state_unlock(struct state *state)
{
	struct link_info info;
	int link;

	if (state->lock < 0)
		return;
	link = live_link(state->path, &info);
	if (link >= 0)
		close(link);
	else
		rmdir(state->path); /* fails, rightly, if anything is in it */
	close(take_fd(&state->lock));
}

/* ---- reading ---- */

void current_close(struct current *current)
{
	if (current->image)
		kernel_unmap(current->image, current->image_size);
	generation_close(&current->generation);
	kernel_maps_close(&current->maps);
	if (current->link >= 0)
		close(current->link);
	*current = CURRENT_NONE;
}

/* A pin of the folder @path into *@ret. */
static int open_pin(int *ret, const char *path, const char *name)
{
	char pin[PIN_MAX];

	*ret = kernel_open_pin(state_pin_path(pin, path, name));
	return *ret < 0 ? *ret : 0;
}

static int read_once(const struct state *state, struct current *c)
{
	char generation[PIN_MAX];
	int r = c->link = live_link(state->path, &c->info);

	if (r < 0)
		return r;
	c->generation.program_id = c->info.program_id;
	generation_path(generation, state->path, c->info.program_id);
	r = open_pin(&c->generation.program, generation, "program");
	if (!r)
		r = image_open(&c->generation.image, generation);
	for (size_t i = 0; i < KERNEL_MAPS && !r; i++)
		r = open_pin(&c->maps.fd[i], state->path, kernel_map_names[i]);
	if (!r)
		r = kernel_image_mmap(&c->generation.image, &c->image, &c->image_size);
	/* Pieces that a writer has taken away by now are missing at the end. */
	return r ? r : table_is_cut(c->image, c->image_size) ? -ENOENT : 0;
}

/*
 * A writer may move the link and take the old generation away between our
 * steps: then the link names another by now, and we look again.
 */
int state_read(const struct state *state, struct current *ret, struct anybind_report *report)
{
	struct current c = CURRENT_NONE;
	bool attached = false;
	int r = check_owners(state, report);

	if (r < 0)
		return r;
	for (int try = 0; try < READ_TRIES; try++) {
		r = read_once(state, &c);
		attached = c.link >= 0;
		if (r == -EUCLEAN)
			report_error(report, r,
				     "`anybind unload` clears it away; then apply the rules again.",
				     "state in %s is damaged: a pin is not what it is named",
				     state->path);
		if (!r)
			r = table_open(&c.table, c.image, c.image_size, report);
		if (!r) {
			*ret = c;
			return 0;
		}
		if (r != -ENOENT || !attached)
			break;
		current_close(&c);
	}
	if (r == -ENOENT && attached)
		report_error(report, r = -EUCLEAN,
			     "`anybind unload` clears it away; then apply the rules again.",
			     "state in %s is incomplete: somebody removed pins", state->path);
	else if (r != -ENOENT && r != -EUCLEAN && r != -ENOTSUP)
		failed(report, r, "read", state->path);
	current_close(&c);
	return r;
}

/* ---- writing ---- */

static int pin(int fd, const char *path, const char *name)
{
	char pin[PIN_MAX];

	return kernel_pin(fd, state_pin_path(pin, path, name));
}

/* Pins a generation that nothing refers to yet. */
static int pin_generation(const struct state *state, const struct generation *generation)
{
	char path[PIN_MAX];
	int r;

	generation_path(path, state->path, generation->program_id);
	if (mkdir(path, 0700) < 0)
		return -errno;
	r = pin(generation->program, path, "program");
	if (!r)
		r = image_pin(&generation->image, path);
	if (r < 0)
		remove_generation(path);
	return r;
}

int state_create(const struct state *state, const struct kernel_maps *maps,
		 const struct generation *generation, int netns_fd, struct anybind_report *report)
{
	_cleanup_close_ int link = -1;
	int r = 0;

	for (size_t i = 0; i < KERNEL_MAPS && !r; i++)
		r = pin(maps->fd[i], state->path, kernel_map_names[i]);
	if (!r)
		r = pin_generation(state, generation);
	if (!r)
		r = link = kernel_attach(generation->program, netns_fd);
	if (r >= 0)
		r = pin(link, state->path, "link"); /* until here closing it detaches */
	if (r >= 0)
		return 0;
	remove_pins(state->path);
	if (r == -E2BIG)
		return report_error(report, r, "Detach one of the others: bpftool net, bpftool link.",
				    "the namespace has as many sk_lookup programs as it can take");
	return failed(report, r, "attach the dispatcher and pin it in", state->path);
}

int state_replace(const struct state *state, const struct current *current,
		  const struct generation *next, struct anybind_report *report)
{
	int r = pin_generation(state, next);
	char path[PIN_MAX];

	if (r < 0)
		return failed(report, r, "pin the new generation in", state->path);
	r = kernel_swap(current->link, next->program, current->generation.program);
	if (r < 0) {
		remove_generation(generation_path(path, state->path, next->program_id));
		return report_error(report, r, "Try again.",
				    "cannot move the dispatcher to its new rules: %s",
				    r == -EPERM ? "another program changed the link meanwhile"
						: report_errno(r));
	}
	remove_generation(
		generation_path(path, state->path, current->generation.program_id));
	return 0;
}

int state_remove(const struct state *state, struct anybind_report *report)
{
	struct link_info info;
	_cleanup_close_ int link = live_link(state->path, &info);
	int r;

	if (link < 0)
		return link == -ENOENT ? link : failed(report, link, "open the link in", state->path);
	/* Others may hold the link open, so removing the pin alone might not detach. */
	r = kernel_detach(link);
	if (r < 0)
		return failed(report, r, "detach the dispatcher of", state->path);
	remove_pins(state->path);
	return 0;
}
