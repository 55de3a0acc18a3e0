// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "flood_world.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

extern char **environ;

#define NETNS "/run/netns/"
#define AS_TEXT_(x) #x
#define AS_TEXT(x) AS_TEXT_(x)

static const char *const world_names[WORLDS] = { "main", "twin", "tproxy" };

/* Called with $1: the namespace. Every unicast address but 10/8 and fc00::/7 is local. */
static const char script_world[] =
	"ip netns add $1\n"
	"ip -batch - -n $1 <<-END\n"
	"link set lo up\n"
	"link add flood address " FLOOD_MAC " type veth peer name far address " FLOOD_PEER_MAC "\n"
	"link set flood up\n"
	"link set far up\n"
	"address add 10.1.0.1/30 dev flood\n"
	"neighbour add 10.1.0.2 lladdr " FLOOD_PEER_MAC " dev flood nud permanent\n"
	"route add 10.128.0.0/9 via 10.1.0.2\n"
	"address add fd02::1/64 dev flood nodad\n"
	"neighbour add fd02::2 lladdr " FLOOD_PEER_MAC " dev flood nud permanent\n"
	"route add fd01::/16 via fd02::2\n"
	"END\n";

static const char script_local[] =
	"for prefix in 1.0.0.0/8 2.0.0.0/7 4.0.0.0/6 8.0.0.0/7 11.0.0.0/8 12.0.0.0/6 \\\n"
	"	16.0.0.0/4 32.0.0.0/3 64.0.0.0/2 128.0.0.0/2 192.0.0.0/3 2000::/3; do\n"
	"	echo route add local $prefix dev lo\n"
	"done | ip -batch - -n $1\n";

/* As Documentation/networking/tproxy.rst says. */
static const char script_tproxy[] =
	"ip -batch - -n $1 <<-END\n"
	"rule add fwmark 1 lookup 100\n"
	"route add local 0.0.0.0/0 dev lo table 100\n"
	"route add local ::/0 dev lo table 100\n"
	"END\n"
	"ip -n $1 -6 rule add fwmark 1 lookup 100\n"
	"ip netns exec $1 nft -f - <<-END\n"
	"table inet divert {\n"
	"	chain prerouting {\n"
	"		type filter hook prerouting priority mangle;\n"
	"		iifname { flood, lan } meta l4proto { tcp, udp } \\\n"
	"			meta mark set 1 tproxy to :" AS_TEXT(TPROXY_PORT) " accept\n"
	"	}\n"
	"}\n"
	"END\n";

static const char script_clients[] =
	"ip netns add clients-$1\n"
	"ip -batch - -n $1 <<-END\n"
	"link add lan type veth peer name lan netns clients-$1\n"
	"link set lan up\n"
	"address add " LAN_SERVER4 "/30 dev lan\n"
	"address add " LAN_SERVER6 "/64 dev lan nodad\n"
	"END\n"
	"ip -batch - -n clients-$1 <<-END\n"
	"link set lo up\n"
	"link set lan up\n"
	"address add " LAN_CLIENT4 "/30 dev lan\n"
	"address add " LAN_CLIENT6 "/64 dev lan nodad\n"
	"route add default via " LAN_SERVER4 "\n"
	"route add default via " LAN_SERVER6 "\n"
	"END\n";

static int run(const char *script, const char *world)
{
	char *argv[] = { "sh", "-ec", (char *)script, "sh", (char *)world, NULL };
	int status, r;
	pid_t pid;

	r = posix_spawnp(&pid, "sh", NULL, NULL, argv, environ);
	if (r)
		return -r;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ECHILD;
}

static int open_netns(const char *prefix, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), NETNS "%s%s", prefix, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Names of namespaces and pins that nobody else sees and that end with us. */
static int unshare_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0 ||
	    mkdir("/run/netns", 0755) < 0 || mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) < 0)
		return -errno;
	return 0;
}

/* /proc/sys/net shows the namespace of whoever looks. */
static int set_setting(const char *name, const char *value)
{
	_cleanup_close_ int fd = -1;
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, value, 1) < 0 ? -errno : 0;
}

int set_syncookies(bool on)
{
	/* 2: always, also where the queue is not full. */
	return set_setting("ipv4/tcp_syncookies", on ? "2" : "0");
}

/* A new namespace begins with the host's values. */
static int set_defaults(void)
{
	static const char *const off[] = {
		"ipv4/conf/all/rp_filter",	"ipv4/conf/flood/rp_filter",
		"ipv4/conf/all/accept_local",	"ipv4/conf/flood/accept_local",
		"ipv4/conf/all/log_martians",	"ipv4/conf/flood/log_martians",
		"ipv4/conf/lan/rp_filter",
		"ipv4/conf/all/src_valid_mark",
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(off) && !r; i++)
		r = set_setting(off[i], "0");
	return r;
}

static int new_world(struct worlds *worlds, enum world world, struct injector *injector)
{
	const char *name = world_names[world];
	int r = run(script_world, name);

	if (!r)
		r = run(world == WORLD_TPROXY ? script_tproxy : script_local, name);
	if (!r)
		r = run(script_clients, name);
	if (r < 0)
		return r;
	worlds->netns[world] = open_netns("", name);
	if (worlds->netns[world] < 0)
		return worlds->netns[world];
	worlds->clients[world] = open_netns("clients-", name);
	if (worlds->clients[world] < 0)
		return worlds->clients[world];
	r = worlds_enter(worlds, world);
	if (r < 0)
		return r;
	r = set_defaults();
	if (r < 0)
		return r;
	worlds->ifindex[world] = if_nametoindex("flood");
	return injector_attach(injector, worlds->ifindex[world]);
}

int worlds_new(struct worlds *ret, struct injector *injector)
{
	struct worlds worlds;
	int r = unshare_mounts();

	for (enum world world = 0; world < WORLDS && !r; world++)
		r = new_world(&worlds, world, injector);
	if (!r)
		r = worlds_enter(&worlds, WORLD_MAIN);
	if (r < 0)
		return r;
	*ret = worlds;
	return 0;
}

int worlds_enter(const struct worlds *worlds, enum world world)
{
	return setns(worlds->netns[world], CLONE_NEWNET) < 0 ? -errno : 0;
}
