# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Namespaces and the program under test, for tests that are started by ./run."""

import collections
import contextlib
import ctypes
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

# Generous: a test that waits this long has failed, however slow the machine.
DEADLINE = 60

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
numbers = itertools.count(1)


def pytest_sessionstart(session):
    if os.environ.get("ANYBIND_E2E_MNT") != os.readlink("/proc/self/ns/mnt"):
        pytest.exit("start these tests by tests/e2e/run: they need namespaces of their own", 4)
    if not os.access(os.environ.get("ANYBIND", ""), os.X_OK):
        pytest.exit("$ANYBIND is not a program; build it first", 4)


# ---- the program ----


class Result(collections.namedtuple("Result", "words code out err")):
    """What a command came to; .document is its JSON."""

    @property
    def document(self):
        return json.loads(self.out)

    def __str__(self):
        return f"anybind {' '.join(self.words)}: exit {self.code}\n{self.out}{self.err}"


def run_anybind(*words, netns=None, stdin="", code=0, before=(), **more):
    """
    Runs `anybind WORDS` and asserts its exit code (None: any will do). `netns`: a
    name or a Netns. `before`: a command that is to run it, such as strace. What
    is in `more` (pass_fds, env) goes to subprocess.run().
    """
    command = [*before, os.environ["ANYBIND"]]
    if netns is not None:
        command += ["-n", str(netns)]
    words = [str(word) for word in words]
    done = subprocess.run(
        command + words, input=stdin, capture_output=True, text=True, timeout=DEADLINE, **more
    )
    result = Result(words, done.returncode, done.stdout, done.stderr)
    assert code is None or result.code == code, str(result)
    return result


@pytest.fixture(scope="session")
def anybind():
    return run_anybind


# ---- namespaces ----


@contextlib.contextmanager
def entered(path):
    """The calling thread is in that network namespace for a while."""
    with open("/proc/thread-self/ns/net") as own, open(path) as other:
        set_netns(other)
        try:
            yield
        finally:
            set_netns(own)


def set_netns(file):
    if libc.setns(file.fileno(), CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "setns")


class Netns:
    """A network namespace under /run/netns, with lo up. Its processes end with it."""

    def __init__(self):
        self.name = f"ab{os.getpid()}-{next(numbers)}"
        self.path = f"/run/netns/{self.name}"
        self.processes = []
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip", "link", "set", "lo", "up")

    def __str__(self):
        return self.name

    def anybind(self, *words, **more):
        """`anybind -n` this namespace, started outside of it; see run_anybind()."""
        return run_anybind(*words, netns=self.name, **more)

    def command(self, *words):
        """nsenter and not `ip netns exec`, which would hide the bpffs."""
        return ["nsenter", f"--net={self.path}", *map(str, words)]

    def run(self, *words, check=True, **more):
        """Runs a command in the namespace; its output is in the returned object."""
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.STDOUT)
        done = subprocess.run(self.command(*words), text=True, timeout=DEADLINE, **more)
        assert not check or done.returncode == 0, f"{words}: {done.stdout}"
        return done

    def start(self, *words, **more):
        """Starts a program in the namespace and returns the Popen, whose pid is its own."""
        process = subprocess.Popen(self.command(*words), text=True, **more)
        self.processes.append(process)
        return process

    def socket(self, *args):
        """A socket of this process in the namespace; arguments as of socket.socket()."""
        with entered(self.path):
            made = socket.socket(*args)
        made.settimeout(DEADLINE)
        return made

    def any_ip(self, *prefixes):
        """Makes whole prefixes local."""
        for prefix in prefixes:
            self.run("ip", "route", "add", "local", prefix, "dev", "lo")

    def veth(self, name, other, other_name):
        """A pair of interfaces, up: `name` here, `other_name` in the Netns `other`."""
        subprocess.run(
            ["ip", "link", "add", name, "netns", self.name, "type", "veth"]
            + ["peer", "name", other_name, "netns", other.name],
            check=True,
        )
        self.run("ip", "link", "set", name, "up")
        other.run("ip", "link", "set", other_name, "up")

    def remove(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        self.anybind("unload", code=None)
        subprocess.run(["ip", "netns", "del", self.name], check=True)


@pytest.fixture
def netns():
    """Makes namespaces: netns() returns a new Netns. All are removed at the end."""
    with contextlib.ExitStack() as made:

        def make():
            ns = Netns()
            made.callback(ns.remove)
            return ns

        yield make


# ---- waiting: for events, with a deadline, never for time to pass ----


def wait_readable(*files, deadline=DEADLINE):
    """Those of the sockets or pipes that can be read; fails if none can in time."""
    ready = select.select(files, [], [], deadline)[0]
    assert ready, "nothing arrived in time"
    return ready


def wait_line(process, text, pipe="stdout"):
    """Reads a started program's output up to a line that holds `text`; returns that line."""
    end = time.monotonic() + DEADLINE
    seen = []
    stream = getattr(process, pipe)
    watchdog = threading.Timer(DEADLINE, process.kill)
    watchdog.start()
    try:
        for line in stream:
            seen.append(line)
            if text in line:
                return line
    finally:
        watchdog.cancel()
    raise AssertionError(
        f"{process.args}: no '{text}' "
        + ("in time" if time.monotonic() >= end else f"before it ended with {process.wait()}")
        + f"; it said: {''.join(seen)}"
    )


def traced(log, syscalls, *options):
    """
    Words before a command: strace, which stops it at these calls alone, since at
    all takes long. It then sends no signals, if `options` would.
    """
    return ["strace", "-f", "--seccomp-bpf", "-o", log, "-e", f"trace={syscalls}", *options]


def wait_until(condition, process=None, deadline=DEADLINE):
    """
    For what sends no event (another program's listen(), say): asks condition()
    until it is true; returns what it returned. Fails at once if `process` ends.
    """
    end = time.monotonic() + deadline
    gone = []
    with contextlib.ExitStack() as stack:
        if process:
            pidfd = os.pidfd_open(process.pid)
            stack.callback(os.close, pidfd)
            gone.append(pidfd)
        while not (value := condition()):
            assert time.monotonic() < end, "did not happen in time"
            ended = select.select(gone, [], [], 0.005)[0]
            assert not ended, f"{process.args} ended"
    return value
