// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include <stdio.h>

#include "commands.h"
#include "context.h"
#include "show.h"

static void status_freep(struct anybind_status **status)
{
	anybind_status_free(*status);
}

static json_t *devices_document(const struct anybind_status *status)
{
	json_t *list = must(json_array());

	for (size_t i = 0; i < status->n_devices; i++) {
		const struct anybind_device_info *device = &status->devices[i];
		json_t *document = must(json_object());

		json_put(document, "name", json_text(device->name));
		json_put(document, "ifindex", must(json_integer(device->ifindex)));
		json_put(document, "current", must(json_integer(device->current)));
		json_add(list, document);
	}
	return list;
}

static json_t *others_document(const struct anybind_status *status)
{
	json_t *list = must(json_array());

	for (size_t i = 0; i < status->n_others; i++)
		json_add(list, must(json_integer(status->others[i])));
	return list;
}

static json_t *status_document(const struct context *context, const struct anybind_status *status)
{
	json_t *result = context_result(context);

	json_put(result, "netns_cookie", must(json_integer(status->netns_cookie)));
	json_put(result, "netns_inode", must(json_integer(status->netns_inode)));
	json_put(result, "loaded", json_boolean(status->loaded));
	json_put(result, "others", others_document(status));
	if (!status->loaded)
		return result;
	json_put(result, "generation", must(json_integer(status->generation)));
	json_put(result, "changed", must(json_integer(status->changed)));
	json_put(result, "path", json_text(status->path));
	json_put(result, "layout", must(json_integer(status->layout)));
	json_put(result, "program_id", must(json_integer(status->program_id)));
	json_put(result, "link_id", must(json_integer(status->link_id)));
	json_put(result, "rules", must(json_integer(status->rules)));
	json_put(result, "services", must(json_integer(status->services)));
	json_put(result, "follows", must(json_integer((json_int_t)status->follows)));
	json_put(result, "follows_gone", must(json_integer((json_int_t)status->follows_gone)));
	json_put(result, "table_bytes", must(json_integer(status->table_bytes)));
	json_put(result, "rules_bytes", must(json_integer(status->rules_bytes)));
	json_put(result, "devices", devices_document(status));
	return result;
}

static int run(struct context *context)
{
	_cleanup_anybind_ struct anybind *anybind = NULL;
	_cleanup_(status_freep) struct anybind_status *status = NULL;
	int r;

	r = context_open(context, &anybind);
	if (r < 0)
		return r;
	r = anybind_status(anybind, &status, context->report);
	if (r < 0)
		return r;
	context->output.result = status_document(context, status);
	return 0;
}

static void print_bytes(json_int_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB"};
	double value = bytes / 1024.0;
	size_t unit = 0;

	if (bytes < 1024) {
		print_text("%" JSON_INTEGER_FORMAT " B", bytes);
		return;
	}
	for (; value >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
		value /= 1024;
	print_text("%.1f %s", value, units[unit]);
}

static void print_dispatcher(const json_t *result)
{
	char text[TIME_TEXT_MAX];

	print_label("dispatcher");
	print_line("loaded, generation %" JSON_INTEGER_FORMAT ", changed %s",
		   json_number(result, "generation"),
		   time_text(json_number(result, "changed"), text));
}

static void print_device(const json_t *device)
{
	json_int_t then = json_number(device, "ifindex"), now = json_number(device, "current");

	print_text("%s ", json_member(device, "name"));
	if (then == now && now)
		print_text("(index %" JSON_INTEGER_FORMAT ")", now);
	else if (!now)
		print_bold("does not exist: its rules match nothing");
	else
		print_bold("was replaced (index %" JSON_INTEGER_FORMAT ", was %" JSON_INTEGER_FORMAT
			   "): its rules match nothing until the next change",
			   now, then);
	print_end();
}

static void print_devices(const json_t *devices)
{
	const json_t *device;
	size_t i;

	json_array_foreach (devices, i, device) {
		if (i)
			print_pad(0, LABEL_COLUMNS);
		else
			print_label("devices");
		print_device(device);
	}
}

static void print_others(const json_t *others)
{
	const json_t *id;
	size_t i;

	if (!json_array_size(others))
		return;
	print_label("others");
	print_text("sk_lookup program%s ", plural(json_array_size(others)));
	json_array_foreach (others, i, id)
		print_text("%s%" JSON_INTEGER_FORMAT, i ? ", " : "", json_integer_value(id));
	print_line(", attached here too");
}

static void print_follows(const json_t *result)
{
	size_t n = (size_t)json_number(result, "follows");
	size_t gone = (size_t)json_number(result, "follows_gone");

	if (!n)
		return;
	print_label("follows");
	print_text("%zu cgroup%s", n, plural(n));
	if (gone)
		print_text(", %zu of them gone", gone);
	print_end();
}

static void print(const json_t *result)
{
	const char *name = json_member(result, "namespace");
	size_t rules = json_number(result, "rules"), services = json_number(result, "services");

	print_label("namespace");
	print_line("%s (cookie %" JSON_INTEGER_FORMAT ", inode %" JSON_INTEGER_FORMAT ")",
		   name ? name : "this one", json_number(result, "netns_cookie"),
		   json_number(result, "netns_inode"));
	if (!json_flag(result, "loaded")) {
		print_label("dispatcher");
		print_line("not loaded");
		print_others(json_object_get(result, "others"));
		return;
	}
	print_dispatcher(result);
	print_label("rules");
	print_line("%zu, %zu service%s", rules, services, plural(services));
	print_follows(result);
	print_label("memory");
	print_text("table ");
	print_bytes(json_number(result, "table_bytes"));
	print_text(", rules ");
	print_bytes(json_number(result, "rules_bytes"));
	print_end();
	print_label("kernel");
	print_line("program %" JSON_INTEGER_FORMAT ", link %" JSON_INTEGER_FORMAT,
		   json_number(result, "program_id"), json_number(result, "link_id"));
	print_label("state");
	print_line("%s (layout %" JSON_INTEGER_FORMAT ")", json_member(result, "path"),
		   json_number(result, "layout"));
	print_devices(json_object_get(result, "devices"));
	print_others(json_object_get(result, "others"));
}

const struct command cmd_status = {
	.name = "status",
	.group = "Looking",
	.arguments = "",
	.summary = "show the dispatcher of the network namespace",
	.description =
		"Shows whether a dispatcher is loaded, how often and when its rules changed, what "
		"it takes in memory and where its state is kept. Interfaces named in rules are "
		"listed: one that was replaced since the rules were written is not matched any "
		"more; any command that changes rules looks it up anew. Other sk_lookup programs "
		"of the namespace are named by their ids (see bpftool-prog(8)): if one of them "
		"chooses a socket later than the dispatcher, its choice counts.\n\n"
		"That none is loaded is no failure.",
	.examples =
		(const struct example_row[]){
			{"anybind -n blue status", "Of another namespace."},
			{"anybind -j status | jq .generation", "For scripts."},
			{NULL},
		},
	.run = run,
	.print = print,
};
