# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Services that follow cgroups and units: real servers, restarts, refusals."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import threading

import pytest
from cgroups import Cgroup, Systemd, hierarchy
from conftest import DEADLINE, wait_line, wait_until
from following import answer, cgroup, follows, machines, script, sockets, start  # noqa: F401
from servers import CURL_REFUSED, DNS4, WEB4, WEB6, children


# ---- real servers ----


def nginx_conf(text):
    """Each worker has sockets of its own."""
    text = text.replace("worker_processes 2", "worker_processes 4")
    return text.replace("listen 8080;", "listen 8080 reuseport;").replace(
        "listen [::]:8080;", "listen [::]:8080 reuseport;"
    )


def start_nginx(machines, cgroup):
    file = machines.configured("nginx.conf", nginx_conf)
    process = machines.server.start(
        *cgroup.command("nginx", "-e", "stderr", "-c", file),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: len(children(process)) == 4, process)
    return process


def test_nginx(machines, cgroup):
    """It starts, reloads, loses workers, is replaced: nobody registers anything."""
    group = cgroup()
    for prefix in (WEB4, WEB6):
        machines.anybind("bind", "web", "tcp", prefix, "80")
    said = machines.anybind("follow", "web", "--cgroup", group, "tcp").out
    assert f"web: follows cgroup {group.path}, tcp\n" in said
    assert "web: 0 sockets registered now" in said
    for _ in range(3):
        assert machines.get("192.0.2.1") == CURL_REFUSED
        nginx = start_nginx(machines, group)
        for _ in range(20):
            assert machines.asked("192.0.2.1") and machines.asked("2001:db8:80::1")
        (follow,) = follows(machines.server)
        assert follow["sockets"] == 8 and follow["refused"] == 0 and follow["alive"]
        shown = sockets(machines.server)
        assert {entry["how"] for entry in shown} == {"follow"}
        assert [entry["share"] for entry in shown].count(1.0) == 2, "one for each family"

        before = children(nginx)
        nginx.send_signal(signal.SIGHUP)
        wait_until(lambda: len(children(nginx) - before) == 4, nginx)
        assert machines.asked("192.0.2.1") and machines.asked("2001:db8:80::1")
        os.kill(children(nginx).pop(), signal.SIGKILL)
        wait_until(lambda: len(children(nginx)) == 4, nginx)
        assert machines.asked("192.0.2.1") and machines.asked("2001:db8:80::1")
        machines.end(nginx, signal.SIGQUIT)
    assert follows(machines.server)[0]["sockets"] == 0


def test_nginx_that_runs_already(machines, cgroup):
    group = cgroup()
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    machines.anybind("bind", "web", "tcp", WEB6, "80")
    start_nginx(machines, group)
    assert machines.get("192.0.2.1") == CURL_REFUSED
    said = machines.anybind("follow", "web", "--cgroup", group.path, "tcp").out
    assert "web: 8 sockets registered now" in said
    assert machines.asked("192.0.2.1") and machines.asked("2001:db8:80::1")
    assert "web: 1 follow ended" in machines.anybind("unfollow", "web").out
    assert machines.get("192.0.2.1") == CURL_REFUSED
    assert sockets(machines.server) == [] and follows(machines.server) == []


STATIC = r"""
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), client;

	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16))
		return 1;
	puts("ready");
	fflush(stdout);
	while ((client = accept(listener, NULL, NULL)) >= 0) {
		if (write(client, "static\n", 7) != 7)
			return 1;
		close(client);
	}
}
"""


def test_static_program(machines, cgroup, tmp_path):
    """What no preloaded library can reach, such as a program in Go."""
    subprocess.run(["gcc", "-static", "-o", tmp_path / "static", "-xc", "-"], input=STATIC,
                   text=True, check=True)
    headers = subprocess.run(["readelf", "-l", tmp_path / "static"], capture_output=True, text=True)
    assert "INTERP" not in headers.stdout, "not static"
    group = cgroup()
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    machines.anybind("follow", "web", "--cgroup", group)
    for _ in range(3):
        process = machines.server.start(*group.command(tmp_path / "static"), stdout=subprocess.PIPE)
        wait_line(process, "ready")
        assert answer(machines) == "static"
        machines.end(process, signal.SIGKILL)


class Clients:
    """They never stop to connect."""

    def __init__(self, machines, *addresses):
        self.machines, self.addresses = machines, addresses
        self.answered, self.cut, self.refused = 0, 0, []
        self.threads = [threading.Thread(target=self.run, args=(a,)) for a in addresses]
        self.ended = threading.Event()

    def run(self, address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        while not self.ended.is_set():
            with self.machines.client.socket(family, socket.SOCK_STREAM) as client:
                try:
                    client.connect((address, 80))
                    self.answered += client.recv(64) != b""
                except ConnectionResetError:
                    self.cut += 1  # in the queue of a listener that was closed
                except OSError as error:
                    self.refused.append(f"{address}: {error}")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


RESTARTS = 50


def test_restarts_under_clients(machines, cgroup, script):
    """The next instance listens before the last one ends: nobody is refused."""
    group = cgroup()
    for prefix in (WEB4, WEB6):
        machines.anybind("bind", "web", "tcp", prefix, "80")
    machines.anybind("follow", "web", "--cgroup", group)
    addresses = ("0.0.0.0:8080", ":::8080")
    old = start(machines, group, script, "0", addresses[0])
    old6 = start(machines, group, script, "0", "::1:8080")
    with Clients(machines, "192.0.2.1", "2001:db8:80::1") as clients:
        for number in range(1, RESTARTS + 1):
            new = start(machines, group, script, number, addresses[0])
            new6 = start(machines, group, script, number, "::1:8080")
            for process in (old, old6):
                machines.end(process, signal.SIGKILL)
                process.stdout.close()
                machines.server.processes.remove(process)
            old, old6 = new, new6
    assert clients.refused == []
    assert clients.answered > 10 * RESTARTS
    # Only what waited in the queue of a killed server: a few at each restart.
    assert clients.cut <= 4 * RESTARTS, (clients.cut, clients.answered)
    (follow,) = follows(machines.server)
    assert follow["registered"] == 2 * RESTARTS + 2 and follow["crowded_out"] == 0


def test_udp(machines, cgroup, script):
    """Registered when asked for; what is not is counted."""
    group = cgroup()
    machines.anybind("bind", "dns", "udp", DNS4, "53")
    server = start(machines, group, script, "first", "198.51.100.1:53", kind="DGRAM")
    said = machines.anybind("follow", "dns", "--cgroup", group, "udp", "198.51.100.1:53").out
    assert "dns: 1 socket registered now" in said and "doing this again" in said
    # The answer comes from the address that the server is bound to.
    with machines.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"?", ("203.0.113.1", 53))
        assert client.recv(64) == b"first\n"
        machines.end(server, signal.SIGKILL)
        start(machines, group, script, "second", "198.51.100.1:53", kind="DGRAM")
        (follow,) = follows(machines.server)
        assert (follow["sockets"], follow["unregistered"]) == (0, 1)
        assert "1 of udp not registered: follow again" in machines.anybind("services").out
        machines.anybind("follow", "dns", "--cgroup", group, "udp", "198.51.100.1:53")
        client.sendto(b"?", ("203.0.113.1", 53))
        assert client.recv(64) == b"second\n"
    (follow,) = follows(machines.server)
    assert (follow["sockets"], follow["unregistered"]) == (1, 0)


def test_udp_reuseport_over_ipv6(machines, cgroup, script):
    group = cgroup()
    machines.anybind("bind", "dns", "udp", "2001:db8:53::/64", "53")
    first = start(machines, group, script, "a", "2001:db8::1:53", kind="DGRAM")
    machines.anybind("follow", "dns", "--cgroup", group, "udp")
    second = start(machines, group, script, "b", "2001:db8::1:53", kind="DGRAM")
    with machines.client.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        # The kernel gives the second one its part, as long as the first is there.
        client.sendto(b"?", ("2001:db8:53::1", 53))
        assert client.recv(64) in (b"a\n", b"b\n")
        machines.anybind("follow", "dns", "--cgroup", group, "udp")
        machines.end(first, signal.SIGKILL)
        for _ in range(10):
            client.sendto(b"?", ("2001:db8:53::1", 53))
            assert client.recv(64) == b"b\n"
    assert second.poll() is None


def test_wait(machines, cgroup, script):
    """Until there is a socket, or no longer than that."""
    group = cgroup()
    words = ("follow", "dns", "--cgroup", group, "udp", "198.51.100.1:53", "--wait")
    said = machines.anybind(*words, 1, code=1).err
    assert "has opened no such socket within 1 second\n" in said and "unfollow" in said
    waiting = subprocess.Popen(
        [os.environ["ANYBIND"], "-n", machines.server.name, *map(str, words), str(DEADLINE)],
        stdout=subprocess.PIPE, text=True,
    )
    start(machines, group, script, "late", "198.51.100.1:53", kind="DGRAM")
    out, _ = waiting.communicate(timeout=DEADLINE)
    assert waiting.returncode == 0 and "dns: 1 socket registered now" in out


# ---- under systemd ----


@pytest.fixture
def systemd(cgroup):
    started = Systemd(cgroup())
    yield started
    started.stop()


@pytest.fixture
def web_unit(systemd, script):
    """web.service, which says by itself that it is followed."""
    systemd.write("listener.py", script.read_text())
    systemd.write("web.service", f"""
[Unit]
StartLimitIntervalSec=0
[Service]
Type=notify
Restart=always
RestartSec=0
ExecStartPre=+{os.environ["ANYBIND"]} follow web --unit %n tcp 127.0.0.1:8080
ExecStart=/usr/bin/python3 {systemd.units}/listener.py web STREAM 127.0.0.1:8080
""")
    systemd.run("ip", "route", "add", "local", "192.0.2.0/24", "dev", "lo")
    systemd.anybind("bind", "web", "tcp", "192.0.2.0/24", "80")
    return systemd


def ask_inside(systemd):
    return systemd.run("socat", "-T", DEADLINE, "-u", "TCP:192.0.2.1:80", "-", check=False).stdout


def follow_inside(systemd):
    services = json.loads(systemd.anybind("-j", "services").stdout)["services"]
    found = [follow for service in services for follow in service["follows"]]
    assert len(found) <= 1
    return found[0] if found else None


def test_unit(web_unit):
    systemd = web_unit
    assert "refused" in ask_inside(systemd)
    for _ in range(5):
        systemd.systemctl("restart", "web")
        assert ask_inside(systemd) == "web\n"
        follow = follow_inside(systemd)
        assert follow["unit"] == "web.service" and follow["alive"] and follow["sockets"] == 1
        assert follow["cgroup"].endswith("/system.slice/web.service")
    # It crashes, and systemd starts it again.
    pid = int(systemd.systemctl("show", "-P", "MainPID", "web").stdout)
    systemd.run("kill", "-9", pid)
    wait_until(lambda: systemd.systemctl("show", "-P", "MainPID", "web").stdout
               not in (f"{pid}\n", "0\n"))
    wait_until(lambda: systemd.systemctl("is-active", "web", check=False).stdout == "active\n")
    assert ask_inside(systemd) == "web\n"
    systemd.systemctl("stop", "web")
    assert "refused" in ask_inside(systemd)
    follow = follow_inside(systemd)
    assert not follow["alive"] and follow["sockets"] == 0
    assert "web.service (cgroup " in systemd.anybind("services").stdout
    assert ", gone" in systemd.anybind("services").stdout
    assert "1 of them gone" in systemd.anybind("status").stdout
    systemd.systemctl("start", "web")
    assert ask_inside(systemd) == "web\n" and follow_inside(systemd)["alive"]
    systemd.systemctl("stop", "web")
    assert "1 follow ended" in systemd.anybind("unfollow", "web", "--unit", "web").stdout
    assert follow_inside(systemd) is None


def test_unit_of_udp(systemd, script):
    """Type=simple: nobody knows when it has bound its socket."""
    systemd.write("listener.py", script.read_text())
    systemd.write("dns.service", f"""
[Service]
ExecStart=/bin/sh -c "sleep 0.2; exec /usr/bin/python3 {systemd.units}/listener.py dns DGRAM 127.0.0.1:53"
ExecStartPost=+{os.environ["ANYBIND"]} follow dns --unit %n udp 127.0.0.1:53 --wait {DEADLINE}
""")
    systemd.run("ip", "route", "add", "local", "192.0.2.0/24", "dev", "lo")
    systemd.anybind("bind", "dns", "udp", "192.0.2.0/24", "53")
    for _ in range(3):
        systemd.systemctl("restart", "dns")
        assert follow_inside(systemd)["sockets"] == 1
        done = systemd.run(
            "/usr/bin/python3", "-c",
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
            f"s.settimeout({DEADLINE}); s.sendto(b'?', ('192.0.2.1', 53)); print(s.recv(64))",
        )
        assert done.stdout == "b'dns\\n'\n"


def test_unit_refusals(web_unit):
    systemd = web_unit
    for words, *said in (
        (("--unit", "no-such"), "no unit no-such.service", "list-units"),
        (("--unit", "web"), "unit web.service is not running", "ExecStartPre=+anybind follow"),
        (("--unit", "bad name!"), "no unit bad name!.service"),
    ):
        done = systemd.anybind("follow", "web", *words, check=False)
        assert done.returncode == 1 and all(text in done.stdout for text in said), done.stdout
    # A unit that is running can be followed from outside, too.
    systemd.write("plain.service",
                  f"[Service]\nType=notify\nExecStart=/usr/bin/python3 {systemd.units}/listener.py "
                  "plain STREAM 127.0.0.1:8081\n")
    systemd.systemctl("start", "plain")
    assert "1 socket registered" in systemd.anybind("follow", "web", "--unit", "plain").stdout
    assert ask_inside(systemd) == "plain\n"


# ---- refusals ----


def refused(machines, *words, code=1, **more):
    """What a command that has to fail says; it must not have changed anything."""
    before = machines.anybind("status").out, machines.anybind("rules", code=None).out
    said = machines.anybind(*words, code=code, **more).err
    assert (machines.anybind("status").out, machines.anybind("rules", code=None).out) == before
    return said


def test_what_is_no_cgroup(machines, cgroup, tmp_path):
    said = refused(machines, "follow", "web", "--cgroup", tmp_path)
    assert f"{tmp_path} is not a cgroup" in said and str(hierarchy()) in said
    said = refused(machines, "follow", "web", "--cgroup", f"{hierarchy()}/no-such")
    assert "no cgroup" in said and "ExecStartPre=+anybind follow NAME --unit %n" in said
    group = cgroup()
    said = refused(machines, "follow", "web", "--cgroup", f"{group}/x")
    assert "no cgroup" in said
    said = refused(machines, "unfollow", "web", "--cgroup", group)
    assert "no dispatcher is loaded" in said
    machines.anybind("service", "web")
    assert "follows no such cgroup" in refused(machines, "unfollow", "web", "--cgroup", group)


def test_cgroup_of_version_1(machines):
    """Where there is a hierarchy of that version; else one is mounted, if the kernel has it."""
    old = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
           if " - cgroup " in line]
    if not old:
        folder = machines.folder / "v1"
        folder.mkdir()
        subprocess.run(["mount", "-t", "cgroup", "-o", "none,name=anybind-test", "cgroup", folder],
                       check=True)
        old = [folder]
    said = refused(machines, "follow", "web", "--cgroup", old[0])
    assert "is a cgroup of version 1" in said and str(hierarchy()) in said


def isolated(machines, script, *words):
    """`anybind WORDS` in a mount namespace that `script` has changed."""
    return subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-ec",
         script + '\nexec "$ANYBIND" -n "$@"', "sh", str(machines.server), *map(str, words)],
        capture_output=True, text=True, timeout=DEADLINE,
    )


def test_without_a_hierarchy(machines, cgroup):
    group = cgroup()
    done = isolated(machines, f"umount -l {hierarchy()}", "follow", "web", "--cgroup", group.path)
    assert done.returncode == 1 and "no cgroup v2 hierarchy is mounted" in done.stderr
    assert "mount -t cgroup2" in done.stderr


def test_kernel_without_btf(machines, cgroup):
    hide = """
        mount -t tmpfs none /sys/kernel/btf
        mkdir /run/boot && mount --bind /run/boot /boot
        """
    done = isolated(machines, hide, "follow", "web", "--cgroup", cgroup())
    assert done.returncode == 1
    assert "no BTF in /sys/kernel/btf/vmlinux" in done.stderr
    assert "a cgroup cannot be followed" in done.stderr
    assert follows(machines.server) == []


def test_without_privilege(machines, cgroup):
    machines.anybind("service", "web")
    for without in ("perfmon", "net_admin", "bpf"):
        done = machines.server.run(
            "setpriv", f"--bounding-set=-{without},-sys_admin", os.environ["ANYBIND"],
            *("follow", "web", "--cgroup", cgroup()), check=False,
        )
        assert done.returncode == 1
        assert f"CAP_{without.upper()} missing" in done.stdout
    assert follows(machines.server) == []


def test_without_systemd(machines):
    said = refused(machines, "follow", "web", "--unit", "nginx")
    assert "does not run systemd" in said and "--cgroup PATH" in said
    os.makedirs("/run/systemd/system")
    try:
        said = refused(machines, "follow", "web", "--unit", "nginx")
        assert "cannot reach systemd by the system's bus" in said
    finally:
        os.removedirs("/run/systemd/system")


def test_several_ports(machines, cgroup, script):
    """They are listed as commands to choose by, of which each works."""
    group = cgroup()
    start(machines, group, script, "a", "127.0.0.1:80", "127.0.0.1:443")
    said = refused(machines, "follow", "web", "--cgroup", group)
    assert "bound to several ports" in said
    offered = [line.split("…")[1] for line in said.splitlines() if "anybind follow web" in line]
    assert len(offered) == 2
    for words in offered:
        machines.anybind("follow", "web", "--cgroup", group, *words.split())
        assert len(sockets(machines.server)) == 1
        machines.anybind("unfollow", "web")


def test_beside_other_registrations(machines, cgroup, script):
    group, other = cgroup(), cgroup()
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    machines.anybind("follow", "web", "--cgroup", group)
    assert "could be of both" in refused(machines, "follow", "web", "--cgroup", Cgroup(group), "tcp")
    machines.anybind("follow", "web", "--cgroup", other)
    start(machines, group, script, "a", "127.0.0.1:8080")
    start(machines, other, script, "b", "127.0.0.1:8081")
    with machines.server.socket(socket.AF_INET, socket.SOCK_STREAM) as third:
        third.bind(("127.0.0.1", 0))
        third.listen()
        words = ("register", "web", "--fd", third.fileno())
        said = refused(machines, *words, pass_fds=[third.fileno()])
        assert "follows a cgroup" in said and "--add" in said
        machines.anybind(*words, "--add", "--weight", 2, pass_fds=[third.fileno()])
        shares = {entry["address"]: entry["share"] for entry in sockets(machines.server)}
        assert sorted(shares.values()) == [0.25, 0.25, 0.5]
    assert {answer(machines) for _ in range(40)} == {"a", "b"}
    machines.anybind("follow", "web", "--cgroup", other, "--weight", 0)
    assert {answer(machines) for _ in range(40)} == {"a"}
    said = machines.anybind("unregister", "web")
    assert "still follows a cgroup" in said.err
    assert answer(machines) is None
    start(machines, group, script, "again", "127.0.0.1:8082")
    assert answer(machines) == "again"


def test_many_at_once(machines, cgroup, script):
    """Workers that come and go on all processors, while writers write."""
    group = cgroup()
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    machines.anybind("follow", "web", "--cgroup", group, "tcp")
    churn = """
import socket, sys
for turn in range(500):
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", 8080))
    made.listen()
    made.close()
"""
    start(machines, group, script, "stays", "127.0.0.1:8080")
    workers = [machines.server.start(*group.command("/usr/bin/python3", "-c", churn))
               for _ in range(6)]
    for number in range(10):
        machines.anybind("follow", "web", "--cgroup", group, "tcp")
        machines.anybind("bind", "other", "tcp", WEB4, 1000 + number)
        machines.anybind("services")
    for worker in workers:
        assert worker.wait(DEADLINE) == 0
    (follow,) = follows(machines.server)
    assert follow["sockets"] == 1 and follow["refused"] == 0
    assert follow["registered"] == 6 * 500 + 1
    for _ in range(20):
        assert answer(machines) == "stays"
