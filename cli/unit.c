// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#include "cleanup.h"

#define MANAGER "org.freedesktop.systemd1"
#define HINT_PATH "Name the cgroup itself: --cgroup PATH."

/* Kinds of unit that have processes, by the ends of their names. */
static const struct {
	const char *suffix, *interface;
} kinds[] = {
	{".service", MANAGER ".Service"}, {".slice", MANAGER ".Slice"},
	{".scope", MANAGER ".Scope"},	  {".socket", MANAGER ".Socket"},
	{".mount", MANAGER ".Mount"},	  {".swap", MANAGER ".Swap"},
};

static const char *interface_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(dot, kinds[i].suffix))
			return kinds[i].interface;
	return NULL;
}

char *unit_name(const char *word)
{
	char *name;

	if (asprintf(&name, "%s%s", word, interface_of(word) ? "" : ".service") < 0)
		out_of_memory();
	return name;
}

/* A call that failed: what the bus says, and what that means. */
static int failed(const char *name, int r, const sd_bus_error *error, struct output *output)
{
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_INVALID_ARGS) ||
	    sd_bus_error_has_name(error, MANAGER ".NoSuchUnit"))
		return output_error(output, -ENOENT, "`systemctl list-units` lists what there is.",
				    "no unit %s", name);
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
		return output_error(output, -EPERM, "Run it as root, with sudo for example.",
				    "not permitted to ask systemd for unit %s", name);
	return output_error(output, r, HINT_PATH, "cannot ask systemd for unit %s: %s", name,
			    error->message ? error->message : strerror(-r));
}

static int ask(sd_bus *bus, const char *name, char **ret_state, char **ret_path,
	       sd_bus_error *error)
{
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *answer = NULL;
	const char *unit;
	int r = sd_bus_call_method(bus, MANAGER, "/org/freedesktop/systemd1", MANAGER ".Manager",
				   "LoadUnit", error, &answer, "s", name);

	if (r >= 0)
		r = sd_bus_message_read(answer, "o", &unit);
	if (r >= 0)
		r = sd_bus_get_property_string(bus, MANAGER, unit, MANAGER ".Unit", "LoadState",
					       error, ret_state);
	if (r >= 0)
		r = sd_bus_get_property_string(bus, MANAGER, unit, interface_of(name),
					       "ControlGroup", error, ret_path);
	return r;
}

int unit_cgroup(const char *name, char **ret_path, struct output *output)
{
	__attribute__((cleanup(sd_bus_flush_close_unrefp))) sd_bus *bus = NULL;
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *state = NULL, *path = NULL;
	int r = sd_booted();

	if (r > 0)
		r = sd_bus_open_system(&bus);
	else if (!r)
		return output_error(output, -ENOTSUP, HINT_PATH,
				    "this system does not run systemd, so there are no units");
	if (r < 0)
		return output_error(output, -ENOTSUP, HINT_PATH,
				    "cannot reach systemd by the system's bus: %s", strerror(-r));
	r = ask(bus, name, &state, &path, &error);
	if (r < 0)
		return failed(name, r, &error, output);
	if (!strcmp(state, "not-found"))
		return output_error(output, -ENOENT, "`systemctl list-units` lists what there is.",
				    "no unit %s", name);
	if (!*path)
		return output_error(
			output, -ESRCH,
			"A unit gets a new cgroup with each start: have it followed from the unit "
			"itself, by ExecStartPre=+anybind follow NAME --unit %n",
			"unit %s is not running, so it has no cgroup", name);
	*ret_path = take_ptr(path);
	return 0;
}
