// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_programs.h"

#include <errno.h>
#include <stdio.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "anybind.h"
#include "cleanup.h"
#include "kernel.h"
#include "peers.skel.h"
#include "trie.h"

int flood_peers_load(struct flood_peers *ret, const struct setting *setting,
		     const struct flood_sockets *targets, size_t lpm_max)
{
	const struct host_rules *rules = &setting->rules;
	bool with_lpm = rules->n && rules->n <= lpm_max;
	struct peers_bpf *skel = peers_bpf__open();
	int r;

	if (!skel)
		return -errno;
	bpf_map__set_max_entries(skel->maps.bindings, with_lpm ? rules->n : 1);
	r = peers_bpf__load(skel);
	for (size_t i = 0; i < targets->n && i < SERVICES && !r; i++)
		r = kernel_slot_set(bpf_map__fd(skel->maps.sockets),
				    PEER_SLOT(i, setting->addresses.v6), targets->fd[i]);
	if (!r && with_lpm)
		r = trie_fill(bpf_map__fd(skel->maps.bindings), rules);
	if (r < 0) {
		peers_bpf__destroy(skel);
		return r;
	}
	*ret = (struct flood_peers){
		.skel = skel,
		.pass = bpf_program__fd(skel->progs.peer_pass),
		.found = bpf_program__fd(skel->progs.peer_found),
		.fixed = bpf_program__fd(skel->progs.peer_fixed),
		.counted = bpf_program__fd(skel->progs.peer_counted),
		.any = bpf_program__fd(skel->progs.peer_any),
		.lpm = with_lpm ? bpf_program__fd(skel->progs.peer_lpm) : -1,
	};
	return 0;
}

void flood_peers_close(struct flood_peers *peers)
{
	peers_bpf__destroy(peers->skel);
}

/* ---- anybind, by its public functions alone ---- */

static int register_socket(struct anybind *anybind, int fd, size_t i, unsigned int services,
			   struct anybind_report *report)
{
	struct anybind_register_options options = { .size = sizeof(options),
						    .add = i >= services };
	struct anybind_sockets *sockets;
	char name[16];
	int r = anybind_sockets_of_fds(anybind, &sockets, &fd, 1, report);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "s%u", (unsigned int)(i % services));
	r = anybind_register(anybind, name, sockets, &options, report);
	anybind_sockets_free(sockets);
	return r < 0 ? r : 0;
}

static int program_in_force(struct anybind *anybind, int *ret, struct anybind_report *report)
{
	struct anybind_status *status;
	int r = anybind_status(anybind, &status, report);

	if (r < 0)
		return r;
	r = bpf_prog_get_fd_by_id(status->program_id);
	anybind_status_free(status);
	if (r < 0)
		return -errno;
	*ret = r;
	return 0;
}

static int load_rules(struct anybind *anybind, const char *rules, size_t size,
		      struct anybind_report *report)
{
	struct anybind_ruleset *ruleset;
	int r = anybind_ruleset_parse(&ruleset, rules, size, "the flood's rules", report);

	if (r < 0)
		return r;
	r = anybind_commit(anybind, ruleset, ANYBIND_FORCE, report);
	anybind_ruleset_free(ruleset);
	return r;
}

int flood_anybind_load(int *ret_program, const char *rules, size_t size, unsigned int services,
		       const struct flood_sockets *sockets, struct anybind_report *report)
{
	struct anybind_options options = { .size = sizeof(options) };
	_cleanup_close_ int program = -1;
	struct anybind *anybind;
	int r = anybind_open(&anybind, &options, report);

	if (r < 0)
		return r;
	r = anybind_begin(anybind, report);
	if (r >= 0)
		r = load_rules(anybind, rules, size, report);
	for (size_t i = 0; i < sockets->n && r >= 0; i++)
		r = register_socket(anybind, sockets->fd[i], i, services, report);
	if (r >= 0)
		r = program_in_force(anybind, &program, report);
	if (r >= 0)
		r = anybind_unload(anybind, report);
	anybind_close(anybind);
	if (r < 0)
		return r;
	*ret_program = take_fd(&program);
	return 0;
}
