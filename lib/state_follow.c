// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The pins of follows: fID/state and, once it is in force, fID/link. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "dump.h"
#include "kernel_follow.h"
#include "state.h"
#include "state_path.h"
#include "text.h"

static const char *folder_path(char ret[PIN_MAX], const char *path, uint32_t id)
{
	char name[16];

	snprintf(name, sizeof(name), "f%" PRIu32, id);
	return state_pin_path(ret, path, name);
}

/* PATH/fID/NAME */
static const char *follow_path(char ret[PIN_MAX], const char *path, uint32_t id, const char *name)
{
	char file[32];

	snprintf(file, sizeof(file), "f%" PRIu32 "/%s", id, name);
	return state_pin_path(ret, path, file);
}

/* "f17" names follow 17. */
static bool is_folder(const char *name, uint32_t *ret_id)
{
	uint64_t id;

	if (name[0] != 'f' || text_number(name + 1, strlen(name + 1), UINT32_MAX, &id) < 0)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}

int state_prepare_follow(const struct state *state, int map, uint32_t *ret_id)
{
	char path[PIN_MAX];
	uint32_t id;
	int r = kernel_map_id(map, &id);

	if (r < 0)
		return r;
	if (mkdir(folder_path(path, state->path, id), 0700) < 0)
		return -errno;
	r = kernel_pin(map, follow_path(path, state->path, id, "state"));
	if (r < 0)
		rmdir(folder_path(path, state->path, id));
	else
		*ret_id = id;
	return r;
}

int state_commit_follow(const struct state *state, uint32_t id, int link)
{
	char path[PIN_MAX];

	return kernel_pin(link, follow_path(path, state->path, id, "link"));
}

int state_open_follow(const struct state *state, uint32_t id, int *ret_map, int *ret_link)
{
	char path[PIN_MAX];
	_cleanup_close_ int map =
		kernel_open_pin(follow_path(path, state->path, id, "state"));
	int link;

	if (map < 0)
		return map;
	link = kernel_open_pin(follow_path(path, state->path, id, "link"));
	if (link < 0 && link != -ENOENT)
		return link;
	*ret_link = link < 0 ? -1 : link;
	*ret_map = take_fd(&map);
	return 0;
}

/* Others may hold the link open, so that removing the pin would not detach it. */
static void detach(const char *path, uint32_t id)
{
	char pin[PIN_MAX];
	_cleanup_close_ int link = kernel_open_pin(follow_path(pin, path, id, "link"));

	unlink(pin);
	if (link >= 0)
		kernel_detach(link);
}

void state_end_follow(const struct state *state, uint32_t id)
{
	detach(state->path, id);
}

static void remove_follow(const char *path, uint32_t id)
{
	char pin[PIN_MAX];

	detach(path, id);
	unlink(follow_path(pin, path, id, "state"));
	rmdir(folder_path(pin, path, id));
}

void state_remove_follow(const struct state *state, uint32_t id)
{
	remove_follow(state->path, id);
}

void state_remove_follows(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	uint32_t id;

	while (dir && (entry = readdir(dir)))
		if (is_folder(entry->d_name, &id))
			remove_follow(path, id);
}

int state_list_follows(const struct state *state, uint32_t **ret_ids, size_t *ret_n)
{
	struct list ids = {.item_size = sizeof(uint32_t)};
	_cleanup_closedir_ DIR *dir = opendir(state->path);
	const struct dirent *entry;
	uint32_t id;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		uint32_t *item;

		if (!is_folder(entry->d_name, &id))
			continue;
		item = list_push(&ids);
		if (!item) {
			list_clear(&ids);
			return -ENOMEM;
		}
		*item = id;
	}
	*ret_ids = (uint32_t *)ids.items;
	*ret_n = ids.n;
	return 0;
}
