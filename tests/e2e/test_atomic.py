# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Changes under load, kills, failures, in a crowd: old rules or new, and nothing left behind."""

import itertools
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from conftest import DEADLINE, traced, wait_until

FOLDER = "/sys/fs/bpf/anybind"
IP_RECVERR = 11  # linux/in.h; Python does not name it
RULES = {
    "a": [f"bind a tcp,udp 192.0.2.0/24 {port}" for port in range(1000, 1100)],
    "b": [f"bind b tcp,udp 192.0.2.0/24 {port}" for port in range(1000, 1100)],
}


@pytest.fixture
def files(tmp_path):
    """Two files of rules: the same matches, for service a and for service b."""
    for name, lines in RULES.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


def rules_in_force(ns):
    """a, b, an empty string for none, or None where there is no dispatcher."""
    result = ns.anybind("-j", "rules", code=None)
    if result.code:
        assert "no dispatcher is loaded" in result.out, str(result)
        return None
    rules = result.document["rules"]
    if not rules:
        return ""
    (service,) = {rule["service"] for rule in rules}
    ports = sorted(int(port) for rule in rules for port in rule["ports"].split(","))
    assert ports == list(range(1000, 1100)), str(result)
    return service


# ---- what is left behind ----


def pins():
    """Everything that anybind has in the bpffs."""
    return {
        os.path.join(folder, name)
        for folder, folders, names in os.walk(FOLDER)
        for name in folders + names
    }


def bpftool(*words):
    done = subprocess.run(
        ["bpftool", "-j", *words], check=True, capture_output=True, timeout=DEADLINE
    )
    return json.loads(done.stdout or "[]")


def attached(ns):
    """
    Ids of the links on the namespace, and of the programs that use its map of
    sockets: every generation's program does.
    """
    inode = os.stat(ns.path).st_ino
    links = [x["id"] for x in bpftool("link", "show") if x.get("netns_ino") == inode]
    folder = ns.anybind("-j", "status").document["path"]
    sockets = bpftool("map", "show", "pinned", f"{folder}/sockets")["id"]
    programs = [x["id"] for x in bpftool("prog", "show") if sockets in x.get("map_ids", [])]
    return links, programs


SHARED = ("link", "sockets", "counters", "registry", "groups", "records", "windows")


def expect_tidy(ns, kernel=True):
    """One dispatcher, and no trace of anything else."""
    status = ns.anybind("-j", "status").document
    assert status["loaded"] and not status["others"]
    folder = status["path"]
    generation = f"{folder}/g{status['program_id']}"
    assert os.path.dirname(folder) == FOLDER
    expected = {folder, generation}
    expected |= {f"{folder}/{name}" for name in SHARED}
    expected |= {f"{generation}/{name}" for name in ("program", "table")}
    assert pins() == expected
    if kernel:
        # The kernel frees what is no longer referred to a little later.
        wait_until(lambda: attached(ns) == ([status["link_id"]], [status["program_id"]]))


# ---- under load ----


PORTS = range(1000, 1010)  # those of the rules that clients ask


class Load:
    """Clients that never stop asking, and servers that say who they are."""

    def __init__(self, ns):
        self.ns = ns
        self.answers = {"tcp": [], "udp": []}
        self.failures = []
        self.names = {}  # of server sockets
        self.stop_reading, self.stop_writing = os.pipe()
        self.threads = [threading.Thread(target=self.serve)]
        self.threads += [threading.Thread(target=self.ask, args=(p,)) for p in self.answers]

    def add_server(self, kind, name, address, port):
        server = self.ns.socket(socket.AF_INET, kind)
        server.bind((address, port))
        if kind == socket.SOCK_STREAM:
            server.listen(128)
        self.names[server] = name.encode()
        return server

    def serve(self):
        while True:
            ready = select.select([*self.names, self.stop_reading], [], [])[0]
            if self.stop_reading in ready:
                return
            for server in ready:
                self.answer(server, self.names[server])

    @staticmethod
    def answer(server, name):
        if server.type == socket.SOCK_STREAM:
            with server.accept()[0] as connection:
                connection.sendall(name)
        else:
            data, client = server.recvfrom(64)
            server.sendto(name + data, client)

    def ask_tcp(self, port):
        with self.ns.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            # Without TIME-WAIT, which would use up the client's ports.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.connect(("192.0.2.7", port))
            name = client.recv(64).decode()
            # Up to the end, or the server's FIN and our RST could meet, and make another.
            assert client.recv(64) == b""
        self.answers["tcp"].append(name)

    def ask_udp(self, port, client, question):
        client.sendto(question, ("192.0.2.7", port))
        answer = client.recv(64)
        assert answer.endswith(question)
        self.answers["udp"].append(answer.removesuffix(question).decode())

    def ask(self, protocol):
        with self.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind(("127.0.0.1", 0))
            # Or an unconnected socket would not hear of refusals.
            client.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            n = 0
            while not self.stopping:
                n += 1
                try:
                    if protocol == "tcp":
                        self.ask_tcp(PORTS[n % len(PORTS)])
                    else:
                        self.ask_udp(PORTS[n % len(PORTS)], client, f"-{n}".encode())
                except (OSError, AssertionError) as error:
                    self.failures.append(f"{protocol} {n}: {error!r}")

    def __enter__(self):
        self.stopping = False
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        server, *clients = self.threads
        for client in clients:
            client.join()
        os.write(self.stop_writing, b".")
        server.join()

    def close(self):
        """Apart from the end of the load: services without rules end with their sockets."""
        for file in (self.stop_reading, self.stop_writing):
            os.close(file)
        for server in self.names:
            server.close()


def test_thousand_changes_under_load(netns, files):
    ns = netns()
    ns.any_ip("192.0.2.0/24")
    ns.anybind("apply", files / "a")
    load = Load(ns)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for number, name in enumerate("ab"):
            fd = load.add_server(kind, name, "127.0.0.1", 2000 + number).fileno()
            ns.anybind("register", name, "--fd", fd, pass_fds=[fd])
        for port in PORTS:
            load.add_server(kind, "astray", "0.0.0.0", port)
    with load:
        for change in range(1000):
            ns.anybind("apply", files / "ba"[change % 2])
    assert not load.failures
    for protocol, answers in load.answers.items():
        assert set(answers) == {"a", "b"}, protocol
        assert len(answers) > 1000, protocol
    services = ns.anybind("-j", "services").document["services"]
    load.close()
    steered = sum(service["counters"]["steered"] for service in services)
    assert steered == sum(len(answers) for answers in load.answers.values())
    assert all(
        count == 0
        for service in services
        for name, count in service["counters"].items()
        if name != "steered"
    )
    expect_tidy(ns)


# ---- kills ----


def kill_at(ns, delay, *words):
    """Starts anybind and kills it after so many seconds; was it still running?"""
    command = [os.environ["ANYBIND"], "-n", ns.name, *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pidfd = os.pidfd_open(process.pid)
    select.select([pidfd], [], [], delay)  # the moment is the test, not a wait for something
    os.close(pidfd)
    process.kill()
    process.wait(DEADLINE)
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode != 0


def time_of(function):
    start = time.monotonic()
    function()
    return time.monotonic() - start


def test_killed_at_any_moment(netns, files):
    ns = netns()
    ns.any_ip("192.0.2.0/24")
    randomly = random.Random(2019)
    now = "a"
    ns.anybind("apply", files / now)
    length = max(time_of(lambda: ns.anybind("apply", files / name)) for name in "baba")
    killed = {True: 0, False: 0}
    for round_ in range(200):
        first = round_ % 4 == 3  # there is no dispatcher yet
        if first:
            ns.anybind("unload")
            now = None
        wanted = "a" if now == "b" else "b"
        killed[kill_at(ns, randomly.uniform(0, length), "apply", files / wanted)] += 1
        found = rules_in_force(ns)
        assert found in (now, wanted)
        # The next command clears up, whatever it is.
        result = ns.anybind("-j", "load")
        assert result.document["changed"] == (found is None)
        expect_tidy(ns, kernel=round_ % 5 == 0)
        ns.anybind("apply", files / wanted)
        assert rules_in_force(ns) == wanted
        now = wanted
    assert killed[True] > 100, killed
    expect_tidy(ns)
    ns.anybind("unload")
    assert not pins()


# ---- failures ----

# What a command asks of the kernel that can fail, with an errno it fails with.
FAILURES = [
    ("bpf", "ENOMEM"),
    ("bpf", "EPERM"),
    ("bpf", "ENOSPC"),
    ("mkdir", "ENOSPC"),
    ("flock", "ENOLCK"),
    ("mmap", "ENOMEM"),
    ("openat", "EMFILE"),
    ("unlink", "EPERM"),
    ("rmdir", "EPERM"),
    ("socket", "ENOBUFS"),
    ("sendto", "ENOBUFS"),
    ("recvmsg", "ENOMEM"),
    ("getsockopt", "EPERM"),
    ("setns", "EPERM"),
    ("fcntl", "EMFILE"),
    ("dup3", "EMFILE"),
]

# Without these a command does what it is asked to: what cannot be taken away is left
# to the next one, and of guard rails that could not be seen to a warning tells.
LEFT_TO_THE_NEXT = {"unlink", "rmdir"}
GUARDS = {"sendto", "recvmsg"}


def apply_traced(ns, path, log, syscalls, *options):
    # For builds with it: LeakSanitizer cannot work beside strace.
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1"}
    before = traced(log, syscalls, *options)
    return ns.anybind("apply", path, code=None, before=before, env=env)


def calls_of_loader(ns, path, log, syscall):
    """How often the dynamic linker makes that call, before there is a program to fail."""
    apply_traced(ns, path, log, f"openat,{syscall}")
    before_main = log.read_text().split(f'"{path}", O_RDONLY')[0]
    return before_main.count(f" {syscall}(") - (syscall == "openat")


def expect_outcome(ns, result, before, wanted, syscall, what):
    """Done, or refused with a reason and nothing changed."""
    found = rules_in_force(ns)
    if result.code == 0:
        assert found == wanted, what
        assert syscall not in GUARDS or "warning: " in result.err, what
        return
    assert found == before, f"{what}: {result}"
    if syscall == "setns" and result.code == -signal.SIGABRT:
        return  # it could not go back to its own namespace: netns_leave()
    if syscall == "mmap" and "AddressSanitizer failed to allocate" in result.err:
        return  # its own allocator has no way to say that there is no memory
    assert result.code == 1, f"{what}: {result}"
    assert "anybind: " in result.err, f"{what}: {result}"


@pytest.mark.parametrize("loaded", [True, False], ids=["change", "first"])
@pytest.mark.parametrize("syscall,error", FAILURES, ids=["-".join(f) for f in FAILURES])
def test_failure(netns, files, loaded, syscall, error):
    ns = netns()
    ns.any_ip("192.0.2.0/24")
    before = "a" if loaded else None
    log = files / "log"
    refused = 0
    start = calls_of_loader(ns, files / "b", log, syscall) + 1
    ns.anybind("unload")
    for number in itertools.count(start):
        if loaded:
            ns.anybind("apply", files / "a")
        inject = f"inject={syscall}:error={error}:when={number}"
        result = apply_traced(ns, files / "b", log, syscall, "-e", inject)
        what = f"{syscall} {number} fails with {error}"
        if "(INJECTED)" not in log.read_text():
            assert result.code == 0 and rules_in_force(ns) == "b"
            break
        expect_outcome(ns, result, before, "b", syscall, what)
        refused += result.code != 0
        ns.anybind("load")
        expect_tidy(ns, kernel=False)
        if not loaded:
            ns.anybind("unload")
    assert number > start or not loaded, "the call was never made"
    assert refused or syscall in LEFT_TO_THE_NEXT | GUARDS
    ns.anybind("load")
    expect_tidy(ns)


# ---- a crowd ----

WRITERS = 8
BINDS = 25


def test_many_writers_and_readers(netns):
    ns = netns()
    ns.any_ip("192.0.2.0/24")
    ns.anybind("load")
    failures = []

    def write(writer):
        for n in range(BINDS):
            address = f"192.0.2.{writer * BINDS + n}"
            result = ns.anybind("bind", f"w{writer}", "tcp", address, 80, code=None)
            if result.code:
                failures.append(str(result))

    def read(noun):
        while not finished.is_set():
            result = ns.anybind("-j", noun, code=None)
            if result.code:
                failures.append(str(result))
            reads.append(noun)

    finished = threading.Event()
    reads = []
    readers = [threading.Thread(target=read, args=(n,)) for n in ("rules", "status", "services")]
    writers = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    finished.set()
    for thread in readers:
        thread.join()
    assert not failures
    assert {"rules", "status", "services"} == set(reads)
    rules = ns.anybind("-j", "rules").document["rules"]
    assert {(rule["service"], rule["prefix"]) for rule in rules} == {
        (f"w{n // BINDS}", f"192.0.2.{n}") for n in range(WRITERS * BINDS)
    }
    expect_tidy(ns)
