// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Random rules and real packets: datagrams and connections from namespace `tx`
 * come in by the interfaces d0, d1 and d2 and reach the socket that the plain
 * reference names, or are refused.
 *
 * Here the packets' destinations are local (AnyIP) and all other addresses lead
 * to `tx`. There all addresses are local for what comes in by the veths, and
 * lead here for what goes out. Both ends of a pair have one MAC address and do
 * not ask for it.
 */
#include "model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "compile.h"
#include "netns.h"

#define RULE_SETS 60
#define PACKETS 60
#define DEADLINE 30000 /* ms */

static struct model model;
static struct kernel_maps maps = KERNEL_MAPS_NONE;
static struct netns own, tx;
static int link_fd = -1;
static unsigned int ifindexes[RANDOM_DEVICES];

/* ---- the two namespaces ---- */

static void set_up_devices(void)
{
	for (unsigned int i = 0; i < RANDOM_DEVICES; i++) {
		char name[IFNAMSIZ];

		world_run("ip link add d%u address 02:00:00:00:00:0%u type veth "
			  "peer name e%u address 02:00:00:00:00:0%u netns tx", i, i, i, i);
		world_run("ip link set d%u arp off up && ip -n tx link set e%u arp off up", i, i);
		world_run("ip -n tx rule add pref 1 iif e%u lookup 99", i);
		world_run("ip -n tx -6 rule add pref 1 iif e%u lookup 99", i);
		/* A client's mark chooses the interface. */
		world_run("ip -n tx rule add pref 2 fwmark %u lookup %u", i + 1, 100 + i);
		world_run("ip -n tx -6 rule add pref 2 fwmark %u lookup %u", i + 1, 100 + i);
		world_run("ip -n tx route add default dev e%u table %u", i, 100 + i);
		world_run("ip -n tx -6 route add default dev e%u table %u", i, 100 + i);
		snprintf(name, sizeof(name), "d%u", i);
		ifindexes[i] = if_nametoindex(name);
	}
}

static void set_up_namespaces(void)
{
	static const char quiet[] = "sysctl -qw net.ipv4.conf.all.rp_filter=0 "
				    "net.ipv4.conf.default.rp_filter=0 net.ipv4.icmp_ratemask=0 "
				    "net.ipv6.icmp.ratelimit=0 net.ipv6.icmp.ratemask=";

	world_add_netns("tx");
	world_run("%s", quiet);
	world_run("nsenter --net=/run/netns/tx %s", quiet);
	world_run("ip -n tx route add local default dev lo table 99");
	world_run("ip -n tx -6 route add local default dev lo table 99");
	set_up_devices();
	world_run("ip addr add fd00::1/128 dev lo"); /* ICMPv6 needs one to send from */
	world_run("ip route add default dev d0 && ip -6 route add default dev d0");
	assert_int_equal(netns_open(&own, NULL, NULL), 0);
	assert_int_equal(netns_open(&tx, "tx", NULL), 0);
}

/* Makes the packets' destinations local, and those of an earlier call no longer. */
static void make_local(const struct packet packets[PACKETS])
{
	FILE *batch = fopen("/run/routes", "we");
	char text[INET6_ADDRSTRLEN];

	assert_non_null(batch);
	for (unsigned int i = 0; i < PACKETS; i++) {
		inet_ntop(packets[i].family == 6 ? AF_INET6 : AF_INET, packets[i].dst, text,
			  sizeof(text));
		fprintf(batch, "route replace local %s dev lo table local proto 77\n", text);
	}
	fclose(batch);
	world_run("ip route flush table local proto 77; ip -6 route flush table local proto 77; "
		  "ip -batch /run/routes");
}

/* ---- one packet ---- */

/* Does the packet come from an address that is, or will be, local? */
static bool is_from_local(const struct packet *packets, unsigned int n, const struct packet *p)
{
	for (unsigned int i = 0; i < n; i++)
		if (packets[i].family == p->family && (!memcmp(packets[i].dst, p->src, 16) ||
						       !memcmp(packets[i].src, p->dst, 16)))
			return true;
	return !memcmp(p->src, p->dst, 16);
}

/* Addresses that hosts may have, and a port that can be connected to. */
static bool is_usable(const struct packet *p)
{
	if (!p->port || (p->port >= MODEL_PORT && p->port < MODEL_PORT_END) || !p->src[0] ||
	    !p->dst[0])
		return false;
	if (p->family == 6)
		return p->src[0] < 0xfd && p->dst[0] < 0xfd;
	return p->src[0] < 224 && p->dst[0] < 224 && p->src[0] != 127 && p->dst[0] != 127;
}

static socklen_t endpoint(const struct packet *p, const uint8_t addr[16], uint16_t port,
			  struct sockaddr_storage *ret)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };

	memcpy(&v6.sin6_addr, addr, 16);
	memcpy(&v4.sin_addr, addr, 4);
	memset(ret, 0, sizeof(*ret));
	if (p->family == 6)
		memcpy(ret, &v6, sizeof(v6));
	else
		memcpy(ret, &v4, sizeof(v4));
	return p->family == 6 ? sizeof(v6) : sizeof(v4);
}

static void set_int(int fd, int level, int option, int value)
{
	assert_int_equal(setsockopt(fd, level, option, &value, sizeof(value)), 0);
}

/* A socket in `tx` with the packet's source, whose packets go out by its device. */
static int client(const struct packet *p)
{
	int type = (p->proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK;
	int fd = netns_socket(&tx, p->family == 6 ? AF_INET6 : AF_INET, type, 0);
	const struct linger reset = { 1, 0 };
	struct sockaddr_storage src;
	socklen_t len = endpoint(p, p->src, 0, &src);
	unsigned int device = RANDOM_DEVICES - 1;

	assert_true(fd >= 0);
	for (unsigned int i = 0; i < RANDOM_DEVICES; i++)
		if (ifindexes[i] == p->ifindex)
			device = i;
	if (p->family == 6)
		set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
	else
		set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
	set_int(fd, SOL_SOCKET, SO_MARK, (int)device + 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	assert_int_equal(bind(fd, (struct sockaddr *)&src, len), 0);
	return fd;
}

/* What normal lookup finds where the program passes: a socket on that port of all addresses. */
static int fallback(const struct packet *p)
{
	char text[16];

	snprintf(text, sizeof(text), "[::]:%u", p->port);
	return world_socket(p->proto, text, 0);
}

/* Index of the descriptor that has something to read. The last is the client's. */
static size_t wait_for_one(struct pollfd *fds, size_t n)
{
	assert_true(poll(fds, n, DEADLINE) > 0);
	for (size_t i = 0; i < n; i++)
		if (fds[i].revents)
			return i;
	return n;
}

/* The connection has the addresses that the client meant. */
static void accept_one(int listener, const struct packet *p)
{
	_cleanup_close_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct sockaddr_storage want, name;
	socklen_t len = sizeof(name);

	assert_true(fd >= 0);
	endpoint(p, p->dst, p->port, &want);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	if (p->family == 4 && name.ss_family == AF_INET6)
		assert_memory_equal(((struct sockaddr_in6 *)&name)->sin6_addr.s6_addr + 12,
				    p->dst, 4);
	else
		assert_memory_equal(&name, &want, len);
}

static void receive_one(int fd, uint32_t number)
{
	uint32_t got;

	assert_int_equal(recv(fd, &got, sizeof(got), MSG_DONTWAIT), sizeof(got));
	assert_int_equal(got, number);
}

static bool is_refused(int fd)
{
	socklen_t len = sizeof(int);
	int error;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	assert_true(error == 0 || error == ECONNREFUSED);
	return error;
}

/* Sends @p; returns the descriptor that got it, or -1 where it was refused. */
static int deliver(const struct packet *p, int other, uint32_t number)
{
	_cleanup_close_ int fd = client(p);
	struct pollfd fds[2 * MODEL_SLOTS + 2];
	struct sockaddr_storage dst;
	socklen_t len = endpoint(p, p->dst, p->port, &dst);
	size_t n = 0, found;
	int r = connect(fd, (struct sockaddr *)&dst, len);

	assert_true(r == 0 || errno == EINPROGRESS);
	if (p->proto == IPPROTO_UDP)
		assert_int_equal(send(fd, &number, sizeof(number), 0), sizeof(number));
	for (unsigned int slot = 0; slot < MODEL_SLOTS; slot++)
		for (unsigned int i = 0; i < 2; i++)
			fds[n++] = (struct pollfd){ .fd = model.fds[slot][i], .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = other, .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = fd }; /* errors only */
	found = wait_for_one(fds, n);
	if (found == n - 1) {
		assert_true(is_refused(fd));
		return -1;
	}
	if (p->proto == IPPROTO_TCP)
		accept_one(fds[found].fd, p);
	else
		receive_one(fds[found].fd, number);
	return fds[found].fd;
}

static void compare(const struct anybind_ruleset *rs, const struct packet *p, uint64_t seed,
		    uint32_t number)
{
	_cleanup_close_ int other = fallback(p);
	uint32_t verdict = reference_verdict(rs, p);
	struct outcome want = model_steer(&model, rs, verdict, p->family, p->proto);
	int got = deliver(p, other, number);
	uint64_t cookie = got < 0 ? 0 : world_cookie(got);
	uint64_t wanted = want.cookie ? want.cookie : want.pass ? world_cookie(other) : 0;

	if (cookie != wanted)
		fail_msg("seed %lu, packet %u: IPv%u proto %u port %u ifindex %u, verdict %x: "
			 "socket %lu got it, not %lu", (unsigned long)seed, number, p->family,
			 p->proto, p->port, p->ifindex, verdict, (unsigned long)cookie,
			 (unsigned long)wanted);
}

/* ---- many ---- */

/* As random_ruleset() has it, d0 and d1 exist and d2 does not. */
static void resolve(struct anybind_ruleset *rs)
{
	for (size_t i = 0; i < rs->n_devices; i++)
		if (rs->devices[i].ifindex)
			rs->devices[i].ifindex = ifindexes[rs->devices[i].name[1] - '0'];
}

/* Puts @rs in force as a change of rules does: by moving the link. */
static void publish(const struct anybind_ruleset *rs, struct generation *current)
{
	struct compiled *compiled;
	struct generation next;

	assert_int_equal(compile(&compiled, rs, NULL), 0);
	assert_int_equal(kernel_load(&next, &maps, compiled, 1, 1700000000, NULL), 0);
	compile_free(compiled);
	if (link_fd < 0) {
		link_fd = kernel_attach(next.program, own.fd);
		assert_true(link_fd >= 0);
	} else {
		assert_int_equal(kernel_swap(link_fd, next.program, current->program), 0);
	}
	generation_close(current);
	*current = next;
}

/* Returns how many of them rules for a device decide. */
static unsigned int choose_packets(struct random *random, const struct anybind_ruleset *rs,
				   struct packet ret[PACKETS])
{
	unsigned int n = 0, by_device = 0;

	while (n < PACKETS) {
		struct packet p;
		ssize_t i;

		random_packet(random, rs, &p);
		if (!is_usable(&p) || is_from_local(ret, n, &p))
			continue;
		i = ruleset_match(rs, p.family, p.proto, p.dst, p.port, p.src, p.dev);
		by_device += i >= 0 && rs->rules[i].dev;
		ret[n++] = p;
	}
	return by_device;
}

static void test_real_packets(void **state)
{
	struct generation current = GENERATION_NONE;
	unsigned int by_device = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= RULE_SETS; seed++) {
		struct random random = { seed + 100000 };
		struct anybind_ruleset *rs = random_ruleset(&random, 1 + random_below(&random, 40));
		struct packet packets[PACKETS];

		resolve(rs);
		publish(rs, &current);
		model_fill(&model, maps.fd[MAP_SOCKETS], &random, seed % 2);
		by_device += choose_packets(&random, rs, packets);
		make_local(packets);
		for (unsigned int i = 0; i < PACKETS; i++)
			compare(rs, &packets[i], seed, i);
		anybind_ruleset_free(rs);
	}
	assert_in_range(by_device, RULE_SETS / 2, PACKETS * RULE_SETS);
	model_assert_counters(&model, maps.fd[MAP_COUNTERS]);
	generation_close(&current);
}

static int setup(void **state)
{
	(void)state;
	set_up_namespaces();
	model_open(&model);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_close(&model);
	kernel_maps_close(&maps);
	close(link_fd);
	netns_close(&tx);
	netns_close(&own);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_real_packets) };

	if (!world_enter())
		return 0;
	return cmocka_run_group_tests(tests, setup, teardown);
}
