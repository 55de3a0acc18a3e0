/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SLOT_IS_UDP(slot) ((slot) & 2)
#define SLOT_IS_V6(slot) ((slot) & 1)

void model_open(struct model *model)
{
	unsigned int port = MODEL_PORT;

	memset(model, 0, sizeof(*model));
	for (unsigned int slot = 0; slot < MODEL_SLOTS; slot++) {
		int protocol = SLOT_IS_UDP(slot) ? IPPROTO_UDP : IPPROTO_TCP;
		char endpoint[32];

		snprintf(endpoint, sizeof(endpoint), SLOT_IS_V6(slot) ? "[::]:%u" : "127.0.0.1:%u",
			 port++);
		model->fds[slot][0] = world_socket(protocol, endpoint, 0);
		model->fds[slot][1] = -1;
		if (!SLOT_IS_V6(slot))
			continue;
		snprintf(endpoint, sizeof(endpoint), "[::]:%u", port++);
		model->fds[slot][1] = world_socket(protocol, endpoint, WORLD_V6ONLY);
	}
}

void model_close(struct model *model)
{
	for (unsigned int slot = 0; slot < MODEL_SLOTS; slot++) {
		close(model->fds[slot][0]);
		if (model->fds[slot][1] >= 0)
			close(model->fds[slot][1]);
	}
}

static int socket_in(const struct model *model, unsigned int slot)
{
	return model->fds[slot][model->content[slot] == MODEL_V6ONLY];
}

void model_fill(struct model *model, int sockets, struct random *random, bool holes)
{
	for (unsigned int slot = 0; slot < MODEL_SLOTS; slot++) {
		int r;

		model->content[slot] = MODEL_GOOD;
		if (holes && !random_below(random, 3))
			model->content[slot] = MODEL_EMPTY;
		else if (holes && SLOT_IS_V6(slot) && !random_below(random, 3))
			model->content[slot] = MODEL_V6ONLY;
		if (model->content[slot] == MODEL_EMPTY) {
			r = kernel_slot_clear(sockets, slot);
			assert_true(r == 0 || r == -ENOENT);
		} else {
			r = kernel_slot_set(sockets, slot, socket_in(model, slot));
			assert_int_equal(r, 0);
		}
	}
}

/* A socket of one service for the packet, or -1; counts it. */
static int socket_of(struct model *model, uint32_t id, uint8_t family, uint8_t proto)
{
	uint32_t slot = SLOT(id, proto == IPPROTO_UDP, family == 6);

	if (family == 4 && model->content[slot] == MODEL_EMPTY)
		slot = SLOT(id, proto == IPPROTO_UDP, 1);
	if (model->content[slot] == MODEL_EMPTY) {
		model->counters[id].missing++;
		return -1;
	}
	if (family == 4 && model->content[slot] == MODEL_V6ONLY) {
		model->counters[id].eafnosupport++;
		return -1;
	}
	model->counters[id].steered++;
	return socket_in(model, slot);
}

struct outcome model_steer(struct model *model, const struct anybind_ruleset *rs, uint32_t verdict,
			   uint8_t family, uint8_t proto)
{
	uint32_t id = VERDICT_ID(verdict);
	int fd;

	if (!VERDICT_IS_SERVICE(verdict))
		return (struct outcome){ .pass = verdict == VERDICT_PASS };
	/* Ids are indices here. */
	fd = socket_of(model, id, family, proto);
	while (fd < 0 && rs->services[id].fallback) {
		id = rs->services[id].fallback - 1;
		fd = socket_of(model, id, family, proto);
	}
	if (fd < 0)
		return (struct outcome){ .pass = verdict & VERDICT_MISSING_PASS };
	return (struct outcome){ .pass = true, .cookie = world_cookie(fd) };
}

void model_assert_counters(const struct model *model, int counters)
{
	for (uint32_t id = 0; id < RANDOM_SERVICES; id++) {
		struct counters got;

		assert_int_equal(kernel_counters(counters, id, &got), 0);
		assert_int_equal(got.steered, model->counters[id].steered);
		assert_int_equal(got.missing, model->counters[id].missing);
		assert_int_equal(got.eafnosupport, model->counters[id].eafnosupport);
		assert_int_equal(got.eprototype, 0);
		assert_int_equal(got.esocktnosupport, 0);
		assert_int_equal(got.other, 0);
	}
}
