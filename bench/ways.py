#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Registrations a second by each way, and the time from listen(2) to the first
steered connection where the kernel or a supervisor sees the call. To be run by
bench/run, which gives it namespaces of its own."""

import argparse
import contextlib
import importlib.util
import json
import os
import pathlib
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
# A service that follows a cgroup takes no other sockets in their place: it is one of its own.
WEB, FOLLOWED = "192.0.2.0/24", "198.51.100.0/24"

# Listens again and again, told by a line each; answers with what listen(2) took and, if asked,
# with the time until a client of its own was steered to it. All clocks are this process's.
LISTENER = """
import socket, sys, threading, time
def steered(started):
    while True:
        with socket.socket() as client:
            if client.connect_ex((sys.argv[1], 80)) == 0:
                return time.perf_counter() - started
def once(port, wait):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    before = time.perf_counter()
    s.listen()
    took = time.perf_counter() - before
    answer = (took, steered(before) if wait else 0)
    s.close()
    return answer
print("ready", flush=True)
for line in sys.stdin:
    port, wait = map(int, line.split())
    print(*once(port, wait), flush=True)
"""


def die(text):
    sys.exit(f"ways: {text}")


class Bench:
    """What all ways share: the program, and a listener that is there to be registered."""

    def __init__(self, anybind, folder):
        self.program, self.folder = anybind, pathlib.Path(folder)
        self.listener = socket.create_server(("127.0.0.1", 8080))
        self.listener.set_inheritable(True)
        cookie = self.listener.getsockopt(socket.SOL_SOCKET, 57, 8)  # SO_COOKIE
        self.cookie = int.from_bytes(cookie, sys.byteorder)
        self.run("bind", "web", "tcp", WEB, "80")

    def run(self, *words, **more):
        """Seconds that the command took."""
        before = time.perf_counter()
        done = subprocess.run(
            [self.program, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            **more,
        )
        took = time.perf_counter() - before
        if done.returncode:
            die(f"anybind {' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr.decode()}")
        return took


# ---- ways: each is a context that gives a function, which registers once and returns seconds ----


def by_command(*words, **more):
    @contextlib.contextmanager
    def way(bench):
        yield lambda: bench.run("register", "web", *(w.format(b=bench) for w in words), **more)

    return way


@contextlib.contextmanager
def by_pid(bench):
    yield lambda: bench.run("register", "web", "--pid", os.getpid(), "tcp", "127.0.0.1:8080")


@contextlib.contextmanager
def by_fd(bench):
    fd = bench.listener.fileno()
    yield lambda: bench.run("register", "web", "--fd", fd, pass_fds=[fd])


@contextlib.contextmanager
def by_listen_fds(bench):
    """As a service manager starts it: the descriptor is number 3, and LISTEN_PID the command's."""
    fd = bench.listener.fileno()
    shell = f'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" register web --listen-fds 3<&{fd}'

    def once():
        before = time.perf_counter()
        subprocess.run(["sh", "-c", shell, bench.program], pass_fds=[fd], check=True,
                       stdout=subprocess.DEVNULL)
        return time.perf_counter() - before

    yield once


@contextlib.contextmanager
def by_agent(bench):
    """A program's call to an agent that runs already."""
    spec = importlib.util.spec_from_file_location("agent", ROOT / "examples/agent.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    policy, path = bench.folder / "policy", bench.folder / "agent.sock"
    policy.write_text("allow user root service web\n")
    policy.chmod(0o644)
    agent = subprocess.Popen(
        [bench.program, "agent", "--policy", policy, "--socket", path], stderr=subprocess.DEVNULL
    )

    def once():
        before = time.perf_counter()
        example.register("web", [bench.listener], str(path))
        return time.perf_counter() - before

    try:
        while not path.exists():
            if agent.poll() is not None:
                die("the agent does not start")
            select.select([], [], [], 0.01)
        yield once
    finally:
        agent.terminate()
        agent.wait()


class Puppet:
    """A program that listens when it is told to."""

    def __init__(self, command, prefix):
        address = prefix.replace("0/24", "7")
        self.process = subprocess.Popen(
            [*map(str, command), sys.executable, "-c", LISTENER, address], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        if self.process.stdout.readline() != "ready\n":
            die(f"{command} does not start")
        self.port = 9000

    def listen(self, steered):
        """(seconds in listen(2), seconds until a connection was steered)"""
        self.port += 1
        self.process.stdin.write(f"{self.port} {int(steered)}\n")
        self.process.stdin.flush()
        return tuple(map(float, self.process.stdout.readline().split()))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


@contextlib.contextmanager
def under_run(bench):
    puppet = Puppet([bench.program, "run", "web", "--"], WEB)
    yield puppet
    puppet.end()


@contextlib.contextmanager
def followed(bench):
    """In a cgroup of its own that `anybind follow` watches; nothing in its way."""
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    roots = [pathlib.Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"]
    if not roots:
        die("no cgroup2 is mounted, which follow needs")
    group = roots[0] / f"anybind-bench-{os.getpid()}"
    group.mkdir()
    try:
        bench.run("bind", "followed", "tcp", FOLLOWED, "80")
        bench.run("follow", "followed", "--cgroup", group, "tcp")
        # The socket's cgroup is that of its making: the program has to begin there.
        puppet = Puppet(["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"], FOLLOWED)
        try:
            yield puppet
        finally:
            puppet.end()
            bench.run("unfollow", "followed")
    finally:
        group.rmdir()


def listening(puppets):
    """A registration is all that listen(2) takes: a connection is not waited for."""
    @contextlib.contextmanager
    def way(bench):
        with puppets(bench) as puppet:
            yield lambda: puppet.listen(steered=False)[0]

    return way


def first_connection(puppets):
    @contextlib.contextmanager
    def way(bench):
        with puppets(bench) as puppet:
            yield lambda: puppet.listen(steered=True)[1]

    return way


REGISTRATIONS = [
    ("pid", by_pid),
    ("fd", by_fd),
    ("listen-fds", by_listen_fds),
    ("cookie", by_command("--cookie", "{b.cookie}")),
    ("listening", by_command("--listening", "tcp", "127.0.0.1:8080")),
    ("agent", by_agent),
    ("run", listening(under_run)),
    ("follow", listening(followed)),
]
FIRST_CONNECTIONS = [
    ("run", first_connection(under_run)),
    ("follow", first_connection(followed)),
]


# ---- measuring ----


def in_turn(bench, rows, rounds):
    """{name: seconds of each round} of (name, way); who follows whom changes from round to round."""
    seconds = {name: [] for name, _ in rows}
    with contextlib.ExitStack() as stack:
        ways = [(name, stack.enter_context(way(bench))) for name, way in rows]
        for _, once in ways:
            once()
        for turn in range(rounds):
            at = turn % len(ways)
            for name, once in ways[at:] + ways[:at]:
                seconds[name].append(once())
    return seconds


def summary(seconds):
    quartiles = statistics.quantiles(seconds, n=4)
    return {"median": statistics.median(seconds), "q1": quartiles[0], "q3": quartiles[2],
            "min": min(seconds), "max": max(seconds), "runs": len(seconds)}


def print_rows(heading, results, rates):
    print(heading)
    for name, s in results.items():
        rate = f"{1 / s['median']:10.0f} a second" if rates else ""
        print(f"  {name:<12}{s['median'] * 1e3:9.3f} ms ({s['q1'] * 1e3:.3f}-{s['q3'] * 1e3:.3f}){rate}",
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anybind", required=True, help="the program")
    parser.add_argument("--json", required=True, help="file to write")
    parser.add_argument("--quick", action="store_true", help="few rounds")
    options = parser.parse_args()
    # The machine's own session is none of the benchmark's business.
    os.environ.pop("SSH_CONNECTION", None)
    rounds = 15 if options.quick else 100
    program = os.path.abspath(options.anybind)
    os.environ["ANYBIND_PRELOAD"] = str(
        pathlib.Path(program).parents[1] / "preload/libanybind-preload.so"
    )
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(program, folder)
        registered = {name: summary(s)
                      for name, s in in_turn(bench, REGISTRATIONS, rounds).items()}
        print_rows("One registration, in turn: median (q1-q3), wall clock. Commands from start to exit;\n"
                   "agent: the program's call; run and follow: listen(2) itself.", registered, True)
        # Each alone: two that registered the same listener would help each other.
        connected = {}
        for row in FIRST_CONNECTIONS:
            for name, seconds in in_turn(bench, [row], rounds).items():
                connected[name] = summary(seconds)
        print_rows("From listen(2) to the first steered connection:", connected, False)
        bench.run("unload")
    with open(options.json, "w", encoding="ascii") as out:
        json.dump({"version": 1, "benchmark": "ways", "registrations": registered,
                   "first_connections": connected}, out, indent=2)
        out.write("\n")


if __name__ == "__main__":
    main()
