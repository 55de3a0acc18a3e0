// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* One member of a reuseport group is registered; all of them serve. */
#include "api.h"

#include <linux/bpf.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "traffic.h"

#define DEADLINE 30000 /* ms */
#define V4 "192.0.2.77"

#define MEMBERS 4
#define DATAGRAMS 400

static void open_group(int fds[MEMBERS], int protocol)
{
	for (unsigned int i = 0; i < MEMBERS; i++)
		fds[i] = world_socket(protocol, "127.0.0.1:80", WORLD_REUSEPORT);
}

static void close_group(int fds[MEMBERS])
{
	for (unsigned int i = 0; i < MEMBERS; i++)
		close(fds[i]);
}

/* Sends from many ports; how many each member got. */
static void shower(int protocol, const int fds[MEMBERS], unsigned int got[MEMBERS])
{
	memset(got, 0, MEMBERS * sizeof(*got));
	for (unsigned int sent = 0; sent < DATAGRAMS; sent++) {
		_cleanup_close_ int client = traffic_dial(protocol, V4 ":1000");
		struct pollfd polled[MEMBERS];

		assert_true(client >= 0);
		for (unsigned int i = 0; i < MEMBERS; i++)
			polled[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		assert_int_equal(poll(polled, MEMBERS, DEADLINE), 1);
		for (unsigned int i = 0; i < MEMBERS; i++) {
			if (!polled[i].revents)
				continue;
			got[i]++;
			if (protocol == IPPROTO_TCP)
				close(traffic_accept(fds[i], V4 ":1000"));
			else
				traffic_receive(fds[i]);
		}
	}
}

static void test_group_spreads(void **state)
{
	unsigned int got[MEMBERS];

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		int protocol = i ? IPPROTO_UDP : IPPROTO_TCP, fds[MEMBERS];

		open_group(fds, protocol);
		api_apply(a, "bind web tcp,udp 192.0.2.0/24 1000\n");
		api_register(a, "web", fds[1]);
		shower(protocol, fds, got);
		/* By the kernel's hash: a quarter each, give or take. */
		for (unsigned int k = 0; k < MEMBERS; k++)
			assert_in_range(got[k], DATAGRAMS / MEMBERS / 2, DATAGRAMS / MEMBERS * 2);
		close_group(fds);
	}
	api_expect_counters(a, "web", &(struct anybind_counters){ .steered = 2 * DATAGRAMS });
}

/* The smallest program that chooses a member: "return INDEX". */
static int load_chooser(int index)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = index },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)code,
		.insn_cnt = ARRAY_SIZE(code),
		.license = (uintptr_t) "GPL",
	};
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	assert_true(fd >= 0);
	return fd;
}

static void test_group_program(void **state)
{
	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 3 } };
	const struct sock_fprog classic = { ARRAY_SIZE(code), code };
	_cleanup_close_ int extended = load_chooser(2);
	unsigned int got[MEMBERS];

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		int protocol = i ? IPPROTO_UDP : IPPROTO_TCP, fds[MEMBERS];

		open_group(fds, protocol);
		api_apply(a, "bind web tcp,udp 192.0.2.0/24 1000\n");
		api_register(a, "web", fds[0]);
		assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &classic,
					    sizeof(classic)), 0);
		shower(protocol, fds, got);
		assert_int_equal(got[3], DATAGRAMS);
		assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &extended,
					    sizeof(extended)), 0);
		shower(protocol, fds, got);
		assert_int_equal(got[2], DATAGRAMS);
		close_group(fds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(test_group_spreads),
		API_TEST(test_group_program),
	};

	if (!world_enter())
		return 0;
	api_mount();
	world_run("ip route add local 192.0.2.0/24 dev lo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
