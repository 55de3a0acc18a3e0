# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Cgroups of a test's own, which are removed at its end, and systemd in one of them."""

import contextlib
import itertools
import os
import pathlib
import shutil
import subprocess

from conftest import DEADLINE, wait_until

numbers = itertools.count(1)


def hierarchy():
    """Where cgroup v2 is mounted."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        head, _, tail = line.partition(" - ")
        if tail.startswith("cgroup2 ") and head.split()[3] == "/":
            return pathlib.Path(head.split()[4])
    raise AssertionError("no cgroup v2 hierarchy is mounted")


class Cgroup:
    """One of version 2; its processes end with it."""

    def __init__(self, parent=None):
        name = f"anybind-e2e-{os.getpid()}-{next(numbers)}"
        self.folder = (parent.folder if parent else hierarchy()) / name
        self.folder.mkdir()

    def __str__(self):
        return str(self.folder)

    @property
    def path(self):
        """Its path in the hierarchy."""
        return f"/{self.folder.relative_to(hierarchy())}"

    def command(self, *words):
        """A command that runs another one in the cgroup, by the same process."""
        return ["sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', str(self), *map(str, words)]

    def is_empty(self):
        return "populated 0" in (self.folder / "cgroup.events").read_text()

    def kill(self):
        # Rather than by cgroup.kill, which began with Linux 5.14.
        for folder, _, _ in os.walk(self.folder):
            for pid in (pathlib.Path(folder) / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
        return self.is_empty()

    def remove(self):
        """With those below it."""
        if not self.folder.exists():
            return
        wait_until(self.kill)
        for folder, _, _ in os.walk(self.folder, topdown=False):
            os.rmdir(folder)


# ---- systemd ----

# In namespaces of its own it takes the machine for a container. What it says must not
# go to the machine's console.
START = """
    mount --make-rprivate /
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount -t bpf -o mode=700 bpf /sys/fs/bpf
    mount -t tmpfs tmpfs /run
    mkdir -p /run/lock /run/netns
    mount --bind "$1/log" /dev/console
    ip link set lo up
    mkdir /run/none
    export container=anybind-test SYSTEMD_UNIT_PATH="$1" SYSTEMD_GENERATOR_PATH=/run/none
    exec /lib/systemd/systemd --system --unit=test.target --log-target=console
    """

UNITS = {
    **{f"{name}.target": "[Unit]\nDefaultDependencies=no\n" for name in ("sysinit", "basic")},
    "test.target": "[Unit]\nRequires=dbus.socket\nAfter=dbus.socket\n",
    "dbus.socket": "[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
    "dbus.service": (
        "[Unit]\nRequires=dbus.socket\n[Service]\n"
        "ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile "
        "--systemd-activation\n"
    ),
}


class Systemd:
    """A service manager that knows only the units of a test."""

    def __init__(self, cgroup):
        # Not below /run, where another file system will be.
        self.units = pathlib.Path("/tmp") / f"anybind-units-{os.getpid()}-{next(numbers)}"
        self.units.mkdir()
        for name, text in UNITS.items():
            self.write(name, text)
        self.log = self.units / "log"
        self.log.touch()
        unshare = ["unshare", "--mount", "--pid", "--net", "--cgroup", "--uts", "--ipc", "--fork",
                   "--kill-child"]
        self.process = subprocess.Popen(
            cgroup.command(*unshare, "sh", "-ec", START, "sh", self.units),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            self.pid = wait_until(self.find, self.process)
            wait_until(lambda: self.run("systemctl", "is-active", "test.target",
                                        check=False).stdout == "active\n", self.process)
        except AssertionError:
            print(self.said())
            self.stop()
            raise

    def find(self):
        """The process that is its init."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for word in children.read_text().split():
            if pathlib.Path(f"/proc/{word}/comm").read_text() == "systemd\n":
                return int(word)
        return None

    def write(self, name, text):
        (self.units / name).write_text(text)

    def run(self, *words, check=True, **more):
        """Runs a command where the manager is."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "--mount", "--pid", "--net", "--cgroup", "--uts",
             "--ipc", *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE, **more,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}\n{self.said()}"
        return done

    def anybind(self, *words, **more):
        return self.run(os.environ["ANYBIND"], *words, **more)

    def systemctl(self, *words, **more):
        return self.run("systemctl", *words, **more)

    def said(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        self.process.kill()
        self.process.wait(DEADLINE)
        shutil.rmtree(self.units)
