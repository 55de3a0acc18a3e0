# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
A new server takes over from an old one under load, a hundred times. What a listen queue
holds when it is closed is lost, whoever dispatches; everything else has to be served.
"""

import collections
import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading

import pytest
from conftest import DEADLINE, entered, wait_until
from servers import DNS4, DNS6, WEB4, WEB6, Machines
from test_run import PRELOAD

RESTARTS = 100
FEW = 20
# Between two questions of one client: the load is not to be the machine's limit.
PAUSE = 0.001


@pytest.fixture
def machines(netns, tmp_path):
    return Machines(netns, tmp_path)


# ---- load ----


class Load:
    """Threads in the client's namespace that ask one question after the other."""

    def __init__(self, machines, *questions):
        self.machines = machines
        self.served = collections.Counter()  # by which generation, and how
        self.lost = []
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(each,)) for each in questions]

    def ask(self, question):
        with entered(self.machines.client.path):
            turn = 0
            while not self.ending.is_set():
                turn = turn % 250 + 1
                try:
                    self.served[question(turn), question.kind] += 1
                except (OSError, ValueError) as problem:
                    self.lost.append(f"{question.kind}: {type(problem).__name__}: {problem}")
                self.ending.wait(PAUSE)

    def of(self, generation):
        return sum(n for (who, _), n in self.served.items() if who == generation)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()


def stream(address):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(DEADLINE)
    # No TIME_WAIT is left, in which the many of a hundred restarts would pile up.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.connect(address)
    return made


def everything(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


class Web:
    """Asks for a page on a new connection; which generation has answered?"""

    def __init__(self, prefix, port=80):
        self.base, self.port = prefix.partition("/")[0], port
        self.kind = f"tcp to {prefix}"

    def address(self, turn):
        return self.base.removesuffix("0") + str(turn) if "." in self.base else f"{self.base}{turn}"

    def __call__(self, turn):
        with stream((self.address(turn), self.port)) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = everything(connection)
        if not answer.startswith(b"HTTP/1.1 200 ") or b"generation " not in answer:
            raise ValueError(f"cut off: {answer!r}")
        return int(answer.rpartition(b"generation ")[2])


# www.example.net A, behind the query's number.
QUERY = struct.pack("!5H", 0x100, 1, 0, 0, 0) + b"\3www\7example\3net\0" + struct.pack("!2H", 1, 1)


class Dns(Web):
    """The same by a query from a new port, whose answer's address ends in the generation."""

    TIMEOUT = 5  # no datagram is to be lost, and an answer takes milliseconds

    def __init__(self, prefix):
        super().__init__(prefix, 53)
        self.kind = f"udp to {prefix}"
        self.family = socket.AF_INET6 if ":" in self.base else socket.AF_INET

    def __call__(self, turn):
        query = os.urandom(2) + QUERY
        with socket.socket(self.family, socket.SOCK_DGRAM) as client:
            client.settimeout(self.TIMEOUT)
            client.connect((self.address(turn), self.port))
            client.send(query)
            answer = client.recv(512)
        if answer[:2] != query[:2] or len(answer) < len(query) + 16:
            raise ValueError(f"no answer: {answer!r}")
        return answer[-1]


# ---- servers, one beside the other ----


def bound(process, port, table):
    """Is somebody bound to the port, in that table of the process's namespace?"""
    with open(f"/proc/{process.pid}/net/{table}") as file:
        return any(line.split()[1].endswith(f":{port:04X}") for line in file)


class Servers:
    """Generations of a server, one beside the other."""

    protocol = "tcp"

    def __init__(self, machines):
        self.machines = machines

    def start(self, generation):
        """Starts it and waits until it is bound, by IPv4 and IPv6; registers nothing."""
        before = self.bound(generation)
        with open(self.machines.folder / f"log.{generation}", "w") as log:
            process = self.machines.server.start(
                *self.command(generation), stdout=log, stderr=log
            )
        wait_until(lambda: self.bound(generation) == before + 2, process)
        return process

    def bound(self, generation):
        """How many sockets are bound to its port."""
        listed = self.machines.server.run(
            "ss", "-Hnl", f"--{self.protocol}", f"sport = :{self.port(generation)}"
        )
        return len(listed.stdout.splitlines())

    def stop(self, process):
        process.send_signal(self.stopping)
        assert process.wait(DEADLINE) == 0


class Nginx(Servers):
    stopping = signal.SIGQUIT  # serves what it has accepted

    def port(self, generation):
        return 8080 + generation % 2  # that of its predecessor is taken

    def command(self, generation):
        port, name = self.port(generation), f"nginx.{generation % 2}.conf"
        text = self.machines.configured("nginx.conf").read_text()
        text = text.replace("8080", str(port)).replace("nginx.pid", f"nginx.{generation % 2}.pid")
        text = text.replace("asked at", f"generation {generation}\\n# ")
        file = self.machines.folder / name
        file.write_text(text.replace(r"\n# " + " $server_addr port $server_port", ""))
        return ["nginx", "-e", "stderr", "-c", file]


UNBOUND = """
server:
	port: 53
	directory: "{folder}"
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	interface-automatic: yes
	ip-freebind: yes
	do-tcp: no
	so-reuseport: no
	access-control: 0.0.0.0/0 allow
	access-control: ::/0 allow
	module-config: "iterator"
	local-zone: "example.net." static
	local-data: "www.example.net. A 192.0.2.{generation}"
remote-control:
	control-enable: no
"""


class Unbound(Servers):
    """
    A UDP server answers from the port that it is bound to, so that all have the same. Unbound
    sets SO_REUSEADDR, by which UDP sockets stand beside each other and form no group.
    """

    protocol = "udp"
    stopping = signal.SIGTERM

    def port(self, generation):
        return 53

    def command(self, generation):
        file = self.machines.folder / f"unbound.{generation}.conf"
        file.write_text(UNBOUND.format(folder=self.machines.folder, generation=generation))
        return ["unbound", "-d", "-p", "-c", file]


def registered(machines, service):
    """{pid: weight} of what is live."""
    (shown,) = machines.anybind("-j", "services").document["services"]
    assert shown["name"] == service
    return {one["pid"]: one["weight"] for one in shown["sockets"] if one["state"] == "live"}


def hand_over(machines, service, old, new, beside):
    """The new one takes over, in one step or by draining the old one; then that one ends."""
    register = ("register", service, "--pid")
    if beside:
        machines.anybind(*register, new.pid, "--add")
        assert registered(machines, service) == {old.pid: 1, new.pid: 1}
        machines.anybind(*register, old.pid, "--add", "--weight", 0, "--wait", DEADLINE)
        assert registered(machines, service) == {old.pid: 0, new.pid: 1}
    else:
        machines.anybind(*register, new.pid, "--wait", DEADLINE)
        assert registered(machines, service) == {new.pid: 1}


def restart_under_load(machines, servers, service, questions, restarts):
    """Under load each generation takes over from the one before, by `anybind register`."""
    old = servers.start(0)
    machines.anybind("register", service, "--pid", old.pid)
    with Load(machines, *questions) as load:
        wait_until(lambda: load.of(0) > len(questions))
        for generation in range(1, restarts + 1):
            new = servers.start(generation)
            hand_over(machines, service, old, new, beside=generation % 10 == 0)
            servers.stop(old)
            old = new
            wait_until(lambda: load.lost or load.of(generation))
    return load


def check(load, restarts, questions):
    assert load.lost == []
    assert {generation for generation, _ in load.served} == set(range(restarts + 1))
    for question in questions:
        assert sum(n for (_, kind), n in load.served.items() if kind == question.kind) > restarts


def test_nginx_restarts(machines):
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    machines.anybind("bind", "web", "tcp", WEB6, "80")
    questions = Web(WEB4), Web(WEB6)
    load = restart_under_load(machines, Nginx(machines), "web", questions, RESTARTS)
    check(load, RESTARTS, questions)


def test_unbound_restarts(machines):
    machines.anybind("bind", "dns", "udp", DNS4, "53")
    machines.anybind("bind", "dns", "udp", DNS6, "53")
    questions = Dns(DNS4), Dns(DNS6)
    load = restart_under_load(machines, Unbound(machines), "dns", questions, RESTARTS)
    check(load, RESTARTS, questions)


# ---- the other ways ----


class RunNginx(Nginx):
    """Under `anybind run`, which registers what listens at once, in its predecessor's place."""

    def start(self, generation):
        command = [os.environ["ANYBIND"], "-n", str(self.machines.server), "run", "web", "--"]
        process = subprocess.Popen(
            [*command, *map(str, self.command(generation))],
            env={**os.environ, "ANYBIND_PRELOAD": str(PRELOAD)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.machines.server.processes.append(process)
        return process


def test_restarts_under_run(machines):
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    machines.anybind("bind", "web", "tcp", WEB6, "80")
    servers, questions = RunNginx(machines), (Web(WEB4), Web(WEB6))
    old = servers.start(0)
    wait_until(lambda: len(registered_at(machines)) == 2, old)
    with Load(machines, *questions) as load:
        for generation in range(1, FEW + 1):
            new = servers.start(generation)
            port = servers.port(generation)
            wait_until(lambda: registered_at(machines) == {f"0.0.0.0:{port}", f"[::]:{port}"}, new)
            # It has taken over already; what is waited for is what the old one still holds.
            pidfile = machines.folder / f"nginx.{(generation - 1) % 2}.pid"
            machines.anybind(
                *("register", "web", "--pidfile", pidfile),
                *("--add", "--weight", 0, "--wait", DEADLINE),
            )
            servers.stop(old)
            old = new
            wait_until(lambda: load.lost or load.of(generation))
    check(load, FEW, questions)


def registered_at(machines):
    services = machines.anybind("-j", "services").document["services"]
    return {
        one["address"]
        for service in services
        for one in service["sockets"]
        if one["state"] == "live" and one["weight"]
    }


class HeldNginx(Nginx):
    """nginx on sockets that somebody else holds, as a service manager does."""

    def __init__(self, machines):
        super().__init__(machines)
        self.sockets = []
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            held = machines.server.socket(family, socket.SOCK_STREAM)
            if family == socket.AF_INET6:
                held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            held.bind((address, 8080))
            held.listen(511)
            held.setblocking(False)
            self.sockets.append(held)

    def port(self, generation):
        return 8080

    def start(self, generation):
        fds = [held.fileno() for held in self.sockets]
        env = {**os.environ, "NGINX": "".join(f"{fd};" for fd in fds)}
        return self.machines.server.start(
            *self.command(generation), env=env, pass_fds=fds, stderr=subprocess.DEVNULL
        )


def test_restarts_on_sockets_of_a_manager(machines):
    """Registered once: the sockets outlive the server, and connections wait in their queues."""
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    machines.anybind("bind", "web", "tcp", WEB6, "80")
    servers, questions = HeldNginx(machines), (Web(WEB4), Web(WEB6))
    fds = [held.fileno() for held in servers.sockets]
    shell = 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" "$@" 3<&"$one" 4<&"$two"'
    subprocess.run(
        ["bash", "-c", shell, os.environ["ANYBIND"], "-n", str(machines.server)]
        + ["register", "web", "--listen-fds"],
        env={**os.environ, "one": str(fds[0]), "two": str(fds[1])},
        pass_fds=fds,
        check=True,
    )
    with Load(machines, *questions) as load:
        for generation in range(FEW + 1):
            server = servers.start(generation)
            wait_until(lambda: load.lost or load.of(generation), server)
            servers.stop(server)
        # Nobody serves, and nobody is refused.
        servers.start(FEW)
    check(load, FEW, questions)


# ---- what would be lost, and that it is known ----


class Holder:
    """Sockets of this process: one that was registered, and one that takes over."""

    def __init__(self, machines, kind):
        self.machines = machines
        self.old, self.new = self.bound(kind), self.bound(kind)
        self.protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
        machines.anybind("bind", "held", self.protocol, WEB4, "99")
        self.register(self.old)

    def bound(self, kind):
        made = self.machines.server.socket(socket.AF_INET, kind)
        made.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            made.listen()
        return made

    def words(self, member, *options):
        return ["register", "held", "--fd", member.fileno(), *options]

    def register(self, member, *options, **more):
        pass_fds = [member.fileno()]
        return self.machines.anybind(*self.words(member, *options), pass_fds=pass_fds, **more)

    def connect(self):
        client = self.machines.client.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.connect(("192.0.2.7", 99))
        return client

    def close(self):
        self.old.close()
        self.new.close()


@pytest.fixture
def holder(machines):
    with contextlib.ExitStack() as stack:
        yield lambda kind: stack.enter_context(contextlib.closing(Holder(machines, kind)))


def is_reset(client):
    try:
        return client.recv(1) == b"never"
    except ConnectionResetError:
        return True


def test_queue_at_close_is_lost_and_no_more(holder):
    """A server that does not accept: what it holds is counted, and just that is reset."""
    held = holder(socket.SOCK_STREAM)
    waiting = [held.connect() for _ in range(5)]
    refused = held.register(held.new, "--wait", 1, code=1)
    address = "127.0.0.1:%d" % held.old.getsockname()[1]
    assert f"tcp {address} still holds 5 connection" in refused.err
    assert "registered tcp" in refused.out  # it has taken over all the same
    later = [held.connect() for _ in range(5)]
    held.old.close()
    assert [is_reset(client) for client in waiting] == [True] * 5
    for client in later:
        served, _ = held.new.accept()
        served.sendall(b"x")
        served.close()
    assert [client.recv(1) for client in later] == [b"x"] * 5
    for client in (*waiting, *later):
        client.close()


def start_waiting(held):
    """`register --wait` of the new socket, started: it has taken over when this returns."""
    words = [os.environ["ANYBIND"], "-n", held.machines.server, *held.words(held.new)]
    process = subprocess.Popen(
        [*map(str, words), "--wait", str(DEADLINE)], pass_fds=[held.new.fileno()]
    )
    held.machines.server.processes.append(process)
    address = "127.0.0.1:%d" % held.new.getsockname()[1]
    wait_until(lambda: registered_at(held.machines) == {address}, process)
    return process


def test_waits_for_accept(holder):
    held = holder(socket.SOCK_STREAM)
    clients = [held.connect() for _ in range(3)]
    process = start_waiting(held)
    accepted = [held.old.accept()[0] for _ in clients]
    assert process.wait(DEADLINE) == 0
    held.old.close()
    for connection, client in zip(accepted, clients):
        connection.sendall(b"x")
        assert client.recv(1) == b"x"
        connection.close()
        client.close()


@contextlib.contextmanager
def last_packets_dropped(client):
    """TCP handshakes with port 99 stay half open: the client's ACK does not leave it."""
    client.run("nft", "add table inet t")
    client.run("nft", "add chain inet t out { type filter hook output priority 0; }")
    client.run("nft", "add rule inet t out tcp dport 99 tcp flags & (syn | ack) == ack drop")
    try:
        yield
    finally:
        client.run("nft", "delete table inet t")


def test_waits_for_handshakes(machines, holder):
    """The SYN came before, the last packet of the handshake comes after."""
    held = holder(socket.SOCK_STREAM)
    with last_packets_dropped(machines.client):
        connection = held.connect()
        connection.sendall(b"hello")
        process = start_waiting(held)
    served, _ = held.old.accept()
    assert process.wait(DEADLINE) == 0
    held.old.close()
    assert served.recv(5) == b"hello"
    connection.close()
    served.close()


def test_handshakes_of_clients_that_do_not_exist(machines, holder):
    """A flood of SYNs must not hold it up: what had to be sent again is not waited for."""
    held = holder(socket.SOCK_STREAM)
    with last_packets_dropped(machines.client):
        connections = [held.connect() for _ in range(3)]
        assert start_waiting(held).wait(DEADLINE) == 0
    for connection in connections:
        connection.close()


def test_waits_for_datagrams(machines, holder):
    held = holder(socket.SOCK_DGRAM)
    client = machines.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.sendto(b"one", ("192.0.2.7", 99))
    refused = held.register(held.new, "--wait", 1, code=1)
    assert "udp 127.0.0.1:" in refused.err and "datagrams that are not read" in refused.err
    process = start_waiting(held)
    assert held.old.recv(8) == b"one"
    assert process.wait(DEADLINE) == 0
    client.sendto(b"two", ("192.0.2.7", 99))
    assert held.new.recv(8) == b"two"
    client.close()


def test_unregister_waits_for_one(machines, holder):
    held = holder(socket.SOCK_STREAM)
    held.register(held.new, "--add")
    (service,) = machines.anybind("-j", "services").document["services"]
    cookie = struct.unpack("=Q", held.old.getsockopt(socket.SOL_SOCKET, 57, 8))[0]  # SO_COOKIE
    assert cookie in {one["cookie"] for one in service["sockets"]}
    machines.anybind("unregister", "held", "--cookie", cookie, "--wait", DEADLINE)
    machines.anybind("unregister", "held", "--cookie", cookie, code=1)
    held.old.close()
    clients = [held.connect() for _ in range(20)]
    for client in clients:
        held.new.accept()[0].close()
        client.close()
