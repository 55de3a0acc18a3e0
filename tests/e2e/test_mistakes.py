# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What people get wrong: the message names the cause, the evidence and the way out."""

import os
import socket
import subprocess

import pytest
from conftest import DEADLINE
from servers import CLIENT4, SERVER4, WEB4, Machines


@pytest.fixture
def machines(netns, tmp_path):
    return Machines(netns, tmp_path)


def listener(ns, address, port=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = ns.socket(family, socket.SOCK_STREAM)
    sock.bind((address, port))
    sock.listen()
    return sock


def refused(machines, *words, **more):
    """What a command that has to fail says; it must not have changed anything."""
    before = machines.anybind("status").out
    said = machines.anybind(*words, code=1, **more).err
    assert machines.anybind("status").out == before
    return said


# ---- sockets ----


def test_no_such_process(machines):
    said = refused(machines, "register", "web", "--pid", 4194303)
    assert "no process with pid 4194303" in said


def test_program_that_does_not_listen(machines):
    sleeper = machines.server.start("sleep", "infinity")
    said = refused(machines, "register", "web", "--pid", sleeper.pid)
    assert f"pid {sleeper.pid} (" in said and "holds no sockets" in said


def test_ambiguous_sockets_are_listed(machines):
    """As commands to choose one, of which each works."""
    with listener(machines.server, "127.0.0.1") as one, listener(machines.server, "::1") as two:
        with listener(machines.server, "127.0.0.2") as three:
            said = refused(machines, "register", "web", "--pid", os.getpid())
            offered = [
                line.split("#")[0].split()[3:]
                for line in said.splitlines()
                if "anybind register" in line
            ]
            ends = [f"127.0.0.{n}:{s.getsockname()[1]}" for n, s in ((1, one), (2, three))]
            assert sorted(words[-1] for words in offered) == sorted(ends)
            assert str(two.getsockname()[1]) not in said  # the only one of IPv6
            for words in offered:
                assert words[-1] in machines.anybind("register", "web", *words).out


def test_socket_of_another_namespace(machines):
    with listener(machines.client, "0.0.0.0", 8080) as sock:
        for words, more in (
            (("--pid", os.getpid()), {}),
            (("--fd", sock.fileno()), {"pass_fds": [sock.fileno()]}),
        ):
            said = refused(machines, "register", "web", *words, **more)
            assert f"in network namespace '{machines.client}', not in '{machines.server}'" in said
            assert "anybind -n" in said


def test_address_that_is_not_bound(machines):
    with listener(machines.server, "127.0.0.1") as sock:
        end = f"127.0.0.1:{sock.getsockname()[1]}"
        said = refused(machines, "register", "web", "--pid", os.getpid(), "tcp", "0.0.0.0:80")
        assert "0.0.0.0:80" in said and end in said


# ---- namespaces and bpffs ----


def test_no_such_namespace(machines, anybind):
    said = anybind("-n", "nosuch", "status", code=1).err
    assert "nosuch" in said and str(machines.server) in said


def test_inside_ip_netns_exec(machines):
    done = machines.server.run(
        *("ip", "netns", "exec", machines.server, os.environ["ANYBIND"], "load"), check=False
    )
    assert done.returncode == 1
    assert "ip netns exec" in done.stdout and f"anybind -n {machines.server}" in done.stdout
    assert "not loaded" in machines.anybind("status").out


def test_bpffs_is_mounted_where_it_is_missing(netns):
    """As on a system without systemd; in mount and process namespaces of its own."""
    ns = netns()
    script = """
        set -e
        umount /sys/fs/bpf
        "$ANYBIND" -n "$1" bind web tcp 192.0.2.1 80
        findmnt -n -o FSTYPE /sys/fs/bpf | tail -n 1
        "$ANYBIND" -n "$1" rules
        """
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script, "sh", str(ns)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    added, kind, service, rule = done.stdout.splitlines()
    assert kind == "bpf" and rule == "bind web tcp 192.0.2.1 80"


# ---- rules ----


def test_no_such_interface(machines):
    said = refused(machines, "bind", "web", "tcp", WEB4, "80", "dev", "eth9")
    assert "eth9" in said and str(machines.server) in said and "ip link" in said


def test_all_errors_of_a_file(machines, tmp_path):
    file = tmp_path / "rules.conf"
    file.write_text(
        "bind web tcp 192.0.2.0/33 80\n"
        "bnd web tcp 192.0.2.1 80\n"
        "pass tcp 192.0.2.2 22   # this line is right\n"
        "bind web tcp 192.0.2.1 80-70\n"
    )
    said = refused(machines, "apply", file)
    for line, evidence in ((1, "192.0.2.0/33"), (2, "bnd"), (4, "80-70")):
        assert any(f"{file}:{line}: " in text and evidence in text for text in said.splitlines())
    assert f"{file}:3: " not in said


def test_conflict_names_both_lines(machines, tmp_path):
    file = tmp_path / "rules.conf"
    file.write_text("bind web tcp 192.0.2.0/24 80\n\ndrop tcp 192.0.2.0/24 80\n")
    said = refused(machines, "apply", file)
    assert f"{file}:3: " in said and "line 1" in said


# ---- guard rails ----


def test_taking_from_a_server_is_warned_of(machines):
    knot = machines.knot()
    said = machines.anybind("bind", "web", "tcp", SERVER4, "any", "except", "22").err
    assert "warning: " in said and f"knotd (pid {knot.pid})" in said and "0.0.0.0:53" in said
    # Not where the packets stay with it.
    machines.anybind("register", "dns", "--pid", knot.pid)
    assert machines.anybind("bind", "dns", "tcp,udp", "203.0.113.0/24", "53").err == ""


def test_prefix_that_is_not_local(machines):
    """The route that is missing is named as a command that works."""
    words = ("bind", "web", "tcp", "10.9.0.0/16", "80")
    said = machines.anybind(*words).err
    assert "10.9.0.0/16 is not local" in said
    route = next(line for line in said.splitlines() if "route add" in line)
    subprocess.run(route.split(), check=True)
    machines.anybind("unbind", *words[1:])
    assert machines.anybind(*words).err == ""


def test_replies_to_own_clients_are_warned_of(machines):
    said = machines.anybind("bind", "dns", "udp", SERVER4, "any").err
    assert "replies" in said and "except 32768-60999" in said


def test_ssh_session_is_not_taken(machines):
    with listener(machines.server, SERVER4, 22) as server:
        with machines.client.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.connect((SERVER4, 22))
            connection, _ = server.accept()
            port = client.getsockname()[1]
            ssh = {**os.environ, "SSH_CONNECTION": f"{CLIENT4} {port} {SERVER4} 22"}
            words = ("bind", "web", "tcp", SERVER4, "any")
            said = refused(machines, *words, env=ssh)
            assert f"pass tcp {SERVER4} 22" in said and "--force" in said
            machines.anybind(*words, "--force", env=ssh)
            connection.close()
