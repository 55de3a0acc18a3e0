# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Servers that are registered by what they listen on, by cookie or by their pid file."""

import os
import re
import signal
import socket
import subprocess

import pytest
from conftest import DEADLINE, wait_until
from servers import CURL_REFUSED, WEB4, WEB6, Machines


@pytest.fixture
def machines(netns, tmp_path):
    return Machines(netns, tmp_path)


def cookie_of(machines, address, protocol="tcp"):
    """As ss shows it, in hexadecimal."""
    line = machines.server.run("ss", "-Hlne", f"--{protocol}", "src", address).stdout
    return "0x" + re.search(r"\bsk:([0-9a-f]+)", line)[1]


def refused(machines, *words, code=1, **more):
    """What a command that has to fail says; it must not have changed anything."""
    before = machines.anybind("status").out, machines.anybind("rules", code=None).out
    said = machines.anybind(*words, code=code, **more).err
    assert (machines.anybind("status").out, machines.anybind("rules", code=None).out) == before
    return said


# ---- real servers ----


def test_nginx_by_address(machines):
    """Two sockets of one server, of which neither process nor descriptor is asked for."""
    nginx = machines.nginx()
    for prefix in (WEB4, WEB6):
        machines.anybind("bind", "web", "tcp", prefix, "80")
    said = machines.anybind("register", "web", "--listening", "tcp", "0.0.0.0:8080").out
    assert said == f"web: registered tcp 0.0.0.0:8080, nginx (pid {nginx.pid})\n"
    assert machines.asked("192.0.2.1") and machines.get("2001:db8:80::1") == CURL_REFUSED
    machines.anybind("register", "web", "--listening", "tcp", "[::]:8080")
    assert machines.asked("192.0.2.1") and machines.asked("2001:db8:80::1")
    machines.end(nginx, signal.SIGQUIT)
    assert machines.get("192.0.2.1") == CURL_REFUSED
    said = refused(machines, "register", "web", "--listening", "tcp", "0.0.0.0:8080")
    assert "listens on tcp 0.0.0.0:8080" in said


def test_nginx_by_cookie(machines):
    machines.nginx()
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    in_hex = cookie_of(machines, "0.0.0.0:8080")
    for cookie in (in_hex, int(in_hex, 16)):
        done = machines.anybind("-j", "register", "web", "--cookie", cookie).document
        assert [entry["cookie"] for entry in done["sockets"]] == [int(in_hex, 16)]
        assert machines.asked("192.0.2.1")
        machines.anybind("unregister", "web")


def test_knot_by_address(machines):
    """UDP and TCP on one port are two sockets."""
    knot = machines.knot()
    wait_until(lambda: machines.listens(knot, "0.0.0.0:53"), knot)
    machines.anybind("bind", "dns", "tcp,udp", "203.0.113.0/24", "53")
    for protocol, option in (("udp", "+notcp"), ("tcp", "+tcp")):
        machines.anybind("register", "dns", "--listening", protocol, "0.0.0.0:53")
        assert machines.dig("203.0.113.1", "www.example.org", option) == "192.0.2.20"
    entries = machines.anybind("-j", "services").document["services"][0]["sockets"]
    assert {entry["protocol"] for entry in entries} == {"tcp", "udp"}
    assert {entry["pid"] for entry in entries} == {knot.pid}


def test_dual_stack_server(machines):
    """One IPv6 socket, and both families are served."""
    machines.serve("socat", "TCP6-LISTEN:7000,fork,ipv6-v6only=0", "SYSTEM:echo both",
                   ready="[::]:7000")
    for prefix in (WEB4, WEB6):
        machines.anybind("bind", "web", "tcp", prefix, "80")
    said = refused(machines, "register", "web", "--listening", "tcp", "0.0.0.0:7000")
    assert "tcp [::]:7000" in said
    machines.anybind("register", "web", "--listening", "tcp", "[::]:7000")
    assert machines.banner("192.0.2.1", 80) == "both\n"
    assert machines.banner("[2001:db8:80::1]", 80) == "both\n"


def test_nginx_by_pid_file(machines):
    nginx = machines.nginx()
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    file = machines.folder / "nginx.pid"
    wait_until(lambda: file.exists() and file.read_text() == f"{nginx.pid}\n", nginx)
    for words in (("register", "web", "--pidfile", file, "tcp", "0.0.0.0:8080"),
                  ("register-pid", file, "web", "tcp", "0.0.0.0", 8080),
                  ("register-pid", nginx.pid, "web", "tcp", "0.0.0.0", 8080)):
        assert "tcp 0.0.0.0:8080, nginx" in machines.anybind(*words).out
        assert machines.asked("192.0.2.1")
        machines.anybind("unregister", "web")
    kept = machines.folder / "left.pid"
    kept.write_text(file.read_text())
    machines.end(nginx, signal.SIGQUIT)
    for words in (("register", "web", "--pidfile", kept), ("register-pid", kept, "web", "tcp",
                                                            "0.0.0.0", 8080)):
        said = refused(machines, *words)
        assert f"names pid {nginx.pid}, and there is no such process" in said


# ---- refusals ----


def test_cookie_of_another_namespace(machines):
    with machines.client.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("0.0.0.0", 8080))
        sock.listen()
        line = machines.client.run("ss", "-Hlnte", "src", "0.0.0.0:8080").stdout
        cookie = int(re.search(r"\bsk:([0-9a-f]+)", line)[1], 16)
        said = refused(machines, "register", "web", "--cookie", cookie)
        assert f"no socket of this network namespace has cookie {cookie}" in said
        assert "anybind -n" in said
        machines.client.anybind("register", "web", "--cookie", cookie)


def test_cookie_of_a_closed_socket(machines):
    with machines.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", 7000))
        cookie = cookie_of(machines, "0.0.0.0:7000", "udp")
        machines.anybind("register", "web", "--cookie", cookie)
    said = refused(machines, "register", "web", "--cookie", cookie)
    assert f"has cookie {int(cookie, 16)}" in said
    # Closed is forgotten: the slot is empty, too.
    assert machines.anybind("-j", "services").document["services"][0]["sockets"] == []


def test_connected_udp(machines):
    with machines.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 7000))
        cookie = cookie_of(machines, "127.0.0.1:7000", "udp")
        sock.connect(("127.0.0.1", 9))
        said = refused(machines, "register", "web", "--cookie", cookie)
        assert "udp 127.0.0.1:7000 is connected to 127.0.0.1:9" in said
        said = refused(machines, "register", "web", "--listening", "udp", "127.0.0.1:7000")
        assert "no unconnected socket" in said


def test_ambiguous_addresses_are_listed(machines):
    """As commands to choose one, of which each works."""
    pair = [machines.server.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    with pair[0], pair[1]:
        for sock in pair:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("0.0.0.0", 5353))
        said = refused(machines, "register", "mdns", "--listening", "udp", "0.0.0.0:5353")
        assert "2 sockets are bound to udp 0.0.0.0:5353" in said
        offered = re.findall(r"anybind register NAME (--cookie \d+)", said)
        assert len(set(offered)) == 2
        for words in offered:
            machines.anybind("register", "mdns", *words.split())


def test_kernel_without_btf(machines):
    """Its absence is named, and what else can be done."""
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        pytest.skip("this kernel has no BTF")
    with machines.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", 7000))
        script = """
            mount -t tmpfs none /sys/kernel/btf
            mkdir /run/boot && mount --bind /run/boot /boot
            exec "$ANYBIND" -n "$1" register web --listening udp 0.0.0.0:7000
            """
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--mount-proc"]
            + ["sh", "-c", script, "sh", str(machines.server)],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert done.returncode == 1
        first, *hint = done.stderr.splitlines()
        assert "no BTF in /sys/kernel/btf/vmlinux" in first
        assert any("CONFIG_DEBUG_INFO_BTF" in line and "--pid" in line for line in hint)


def test_without_privilege(machines):
    """The capability that is missing is named."""
    with machines.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", 7000))
        machines.anybind("load")
        # In the namespace from the start: entering it would need CAP_SYS_ADMIN, which
        # stands for CAP_PERFMON, too.
        done = machines.server.run(
            "setpriv", "--bounding-set=-perfmon,-sys_admin", os.environ["ANYBIND"],
            *("register", "web", "--listening", "udp", "0.0.0.0:7000"), check=False,
        )
        assert done.returncode == 1
        assert "not permitted to load BPF programs: CAP_PERFMON missing" in done.stdout
        assert machines.anybind("-j", "services").document["services"] == []
