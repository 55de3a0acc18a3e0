# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Servers in cgroups, and what anybind says of those that are followed."""

import contextlib
import subprocess

import pytest
from cgroups import Cgroup
from conftest import DEADLINE, wait_line
from servers import Machines

LISTENER = """
import os, signal, socket, sys
name, kind, *addresses = sys.argv[1:]
listeners = []
for address in addresses:
    host, port = address.rsplit(":", 1)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, getattr(socket, "SOCK_" + kind))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((host, int(port)))
    if kind == "STREAM":
        made.listen(1024)
    listeners.append(made)

if os.environ.get("NOTIFY_SOCKET"):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = os.environ["NOTIFY_SOCKET"]
        manager.sendto(b"READY=1", "\\0" + path[1:] if path[0] == "@" else path)
print("ready", flush=True)
import select
while True:
    for made in select.select(listeners, [], [])[0]:
        if kind == "STREAM":
            with made.accept()[0] as connection:
                connection.sendall(name.encode() + b"\\n")
        else:
            data, client = made.recvfrom(64)
            made.sendto(name.encode() + b"\\n", client)
"""


@pytest.fixture
def machines(netns, tmp_path):
    return Machines(netns, tmp_path)


@pytest.fixture
def cgroup():
    """Makes cgroups: cgroup() returns a new Cgroup. All are removed at the end."""
    with contextlib.ExitStack() as made:

        def make(*args):
            new = Cgroup(*args)
            made.callback(new.remove)
            return new

        yield make


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "listener.py"
    file.write_text(LISTENER)
    file.chmod(0o644)
    return file


def start(machines, cgroup, script, name, *addresses, kind="STREAM"):
    """A server that says its name, in the cgroup; it listens when this returns."""
    command = cgroup.command("/usr/bin/python3", script, name, kind, *addresses)
    process = machines.server.start(*command, stdout=subprocess.PIPE)
    wait_line(process, "ready")
    return process


def follows(ns):
    """What services says of all follows."""
    services = ns.anybind("-j", "services").document["services"]
    return [follow for service in services for follow in service["follows"]]


def sockets(ns):
    services = ns.anybind("-j", "services").document["services"]
    return [entry for service in services for entry in service["sockets"]]


def answer(machines, address="192.0.2.1"):
    """What a server says of itself; None: refused."""
    done = machines.client.run(
        "socat", "-T", DEADLINE, "-u", f"TCP:{address}:80", "-", check=False
    )
    assert done.returncode == 0 or "Connection refused" in done.stdout
    return done.stdout.strip() if done.returncode == 0 else None
