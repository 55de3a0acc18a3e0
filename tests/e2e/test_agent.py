# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The agent: sockets of programs without any privilege, and programs that mean harm."""

import errno
import itertools
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading

import pytest
from agents import (
    BUILD,
    CLIENTS_OF_USER,
    NOBODY,
    ROOT,
    UNITS,
    Agent,
    answer,
    as_user,
    confined,
    request,
    setting,
)
from conftest import DEADLINE, libc, wait_line, wait_until
from servers import Machines, activated

WEB4, WEB6 = "192.0.2.0/24", "2001:db8:80::/64"
IN4, IN6 = "192.0.2.9", "2001:db8:80::9"
POLICY = "allow user nobody service web,web-*\nallow uid 0 service *\n"

folders = itertools.count(1)


@pytest.fixture
def ns(netns):
    made = netns()
    made.any_ip(WEB4, WEB6)
    return made


@pytest.fixture
def agents(ns):
    """Makes agents, not started."""
    made = []

    def make(policy=POLICY):
        folder = pathlib.Path(f"/run/agent-{os.getpid()}-{next(folders)}")
        made.append(Agent(ns, folder, policy))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


@pytest.fixture
def agent(agents):
    return agents().start()


def bound(ns, kind, address, port=0):
    """A TCP listener or a UDP socket."""
    made = ns.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    made.bind((address, port))
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


def listener(ns, address="127.0.0.1"):
    return bound(ns, socket.SOCK_STREAM, address)


def reaches(ns, server, address, port):
    """Does a client that asks there come to that socket?"""
    with ns.socket(server.family, server.type) as client:
        client.connect((address, port))
        if server.type == socket.SOCK_STREAM:
            connection, _ = server.accept()
            with connection:
                return connection.getsockname()[:2] == (address, port)
        client.send(b"to " + address.encode())
        return server.recv(100) == b"to " + address.encode()


def sockets_of(ns, service):
    """(protocol, family) of each that is registered."""
    for found in ns.anybind("-j", "services").document["services"]:
        if found["name"] == service:
            return {(s["protocol"], s["family"]) for s in found["sockets"]}
    return set()


# ---- registering ----


def example_server(ns, agent, language, **more):
    """A server of examples/, run by nobody, from a folder that nobody may read."""
    if language == "c":
        shutil.copy(BUILD / "examples/agent", agent.folder)
        shutil.copy(BUILD / "lib/libanybind.so.0", agent.folder)
        command = [agent.folder / "agent"]
    else:
        shutil.copy(ROOT / "examples/agent.py", agent.folder)
        command = [sys.executable, agent.folder / "agent.py"]
    return ns.start(
        *("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"),
        *("--inh-caps=-all", "--bounding-set=-all", *command, "web", agent.path),
        env={**os.environ, "LD_LIBRARY_PATH": str(agent.folder)},
        stdout=subprocess.PIPE,
        **more,
    )


@pytest.mark.parametrize("language", ["c", "python"])
def test_example(ns, agent, language):
    ns.anybind("bind", "web", "tcp", WEB4, "80")
    ns.anybind("bind", "web", "tcp", WEB6, "80")
    server = example_server(ns, agent, language)
    wait_line(server, "registered")
    for address in (IN4, IN6):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with ns.socket(family, socket.SOCK_STREAM) as client:
            client.connect((address, 80))
            assert client.makefile().read() == f"asked at {address} port 80\n"
    agent.logged("web: registered tcp", f"uid {NOBODY}, pid {server.pid} (")


def test_every_kind_of_socket(ns, agent):
    """TCP and UDP over IPv4 and IPv6, in one message, by a process that has no rights."""
    for address, prefix in (("127.0.0.1", WEB4), ("::1", WEB6)):
        ns.anybind("bind", "web", "tcp,udp", prefix, "53")
    kinds = [
        bound(ns, kind, address)
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        for address in ("127.0.0.1", "::1")
    ]
    assert as_user(agent.register, "web", *kinds) == 4
    for server in kinds:
        assert reaches(ns, server, IN6 if server.family == socket.AF_INET6 else IN4, 53)
        server.close()


def test_started_by_the_first_connection(ns, agents):
    """By systemd-socket-activate: the agent does not run until somebody asks."""
    agent = agents()
    path = agent.folder / "activated.sock"
    agent.path = str(path)
    process = ns.start(
        *("systemd-socket-activate", "--seqpacket", "-l", path),
        *("-E", f"NOTIFY_SOCKET={agent.folder}/notify", *agent.command()),
        stderr=subprocess.PIPE,
    )
    wait_until(path.exists, process)
    path.chmod(0o666)
    with listener(ns) as server:
        assert as_user(agent.register, "web", server) == 1
        agent.wait_notified("READY=1")
        assert sockets_of(ns, "web") == {("tcp", "ipv4")}
        process.terminate()
        agent.wait_notified("STOPPING=1")
        assert process.wait(DEADLINE) == 0
        assert path.is_socket()  # the manager's, not the agent's to remove


def test_for_another_namespace(ns, netns, agents):
    """-n: the agent is in one namespace and serves another."""
    other = netns()
    agent = agents()
    agent.command = lambda *words: [
        *(os.environ["ANYBIND"], "-n", str(other), "agent", "--policy", agent.policy)
    ]
    agent.start()
    with listener(other) as server, listener(ns) as foreign:
        assert as_user(agent.register, "web", server) == 1
        assert sockets_of(other, "web") == {("tcp", "ipv4")}
        with pytest.raises(OSError) as refused:
            as_user(agent.register, "web", foreign)
        assert refused.value.errno == errno.EXDEV


def test_same_socket_twice(ns, agent):
    with listener(ns) as server:
        assert agent.register("web", server, server) == 1
        assert agent.register("web", *[server] * 64) == 1


# ---- refusals ----


def test_policy_decides(ns, agents):
    agent = agents("allow group www-data service dns\nallow user nobody service web-*\n").start()
    nobody, www_data = NOBODY, 33
    with listener(ns) as server:
        ns.anybind("load")
        before = ns.anybind("status").out
        for service, who in (
            ("web", {}),
            ("dns", {}),
            ("dns", {"uid": www_data}),  # the user's number is not the group's
            ("web-1", {"uid": www_data, "gid": www_data}),
            ("web-1", {"uid": 0, "gid": 0}),
            ("", {}),
            ("web-1/", {}),
        ):
            with pytest.raises(OSError) as refused:
                as_user(agent.register, service, server, **who)
            assert refused.value.errno == errno.EACCES
            uid = who.get("uid", nobody)
            assert f"does not let uid {uid} register" in refused.value.strerror
            assert f"allow uid {uid} service {service or 'NAME'}" in refused.value.strerror
        assert ns.anybind("status").out == before
        assert as_user(agent.register, "web-1", server) == 1
        assert as_user(agent.register, "dns", server, gid=www_data) == 1
        assert as_user(agent.register, "dns", server, uid=1, groups=[4, www_data]) == 1


def bad_sockets(ns, netns):
    """(error, words of the message, sockets), of which the last is at fault."""
    good = listener(ns)
    plain = ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    connected = bound(ns, socket.SOCK_DGRAM, "127.0.0.1")
    connected.connect(("127.0.0.1", 9))
    return [
        (errno.ENOTSOCK, "not a socket but '/dev/null'", [open("/dev/null")]),
        (errno.ENOTSOCK, "not a socket but 'pipe:", [good, os.fdopen(os.pipe()[0])]),
        (errno.EPROTONOSUPPORT, "a unix socket", [socket.socket(socket.AF_UNIX)]),
        (errno.EINVAL, "does not listen", [good, plain]),
        (errno.EINVAL, "is not bound", [ns.socket(socket.AF_INET, socket.SOCK_DGRAM)]),
        (errno.EISCONN, "is connected to", [connected]),
        (errno.EXDEV, "is in network namespace", [good, good, listener(netns())]),
        (errno.ENOTUNIQ, "hold 2 tcp sockets of IPv4", [good, listener(ns)]),
    ]


def test_what_is_no_socket_for_a_service(ns, netns, agent):
    ns.anybind("load")
    before, status = agent.descriptors(), ns.anybind("status").out
    for code, text, sockets in bad_sockets(ns, netns):
        with pytest.raises(OSError) as refused:
            as_user(agent.register, "web", *sockets)
        said = refused.value.strerror
        assert refused.value.errno == code and text in said
        if code != errno.ENOTUNIQ:
            assert f"socket {len(sockets) - 1}: " in said
            agent.logged("web: refused to", f"descriptor {len(sockets)} of {len(sockets)}: ", text)
        assert "fd " not in said  # numbers of the agent's own mean nothing here
    assert ns.anybind("status").out == status
    agent.idle(before)


BAD_MESSAGES = [
    (b"x", "1 bytes is no request"),
    (b"ANYB", "4 bytes is no request"),
    (b"ANYB\1\0", "6 bytes instead of 72"),
    (b"GET / HTTP/1.1\r\n\r\n", "is no request"),
    (request(b"web")[:-1], "71 bytes instead of 72"),
    (request(b"web") + b"\0", "73 bytes instead of 72"),
    (request(b"web") + bytes(100000), "bytes instead of 72"),
    (request(b"web", magic=b"anyb"), "is no request"),
    (request(b"web", version=2), "version 2; this agent knows version 1"),
    (request(b"web", command=2), "an unknown command, 2"),
    (request(b"we\0b"), "something stands behind"),
    (request(b"\x1b[2J\n<0>x"), "has the byte 0x1b in it"),
    (request(b"caf\xc3\xa9"), "has the byte 0xc3 in it"),
    (request(b"a/b"), "does not let"),
    (request(b"web"), "no sockets came"),
]


def test_bad_messages(ns, agents):
    agent = agents("allow uid 0 service web\n").start()
    before = agent.descriptors()
    for (message, text), fds in itertools.product(BAD_MESSAGES, ([], [0], [0] * 253)):
        if message == request(b"web") and fds:
            continue
        code, said, _ = answer(agent.send(message, fds))
        assert code < 0 and text in said
        agent.logged("refused to uid 0, pid", text)
    agent.idle(before)
    with listener(ns) as server:
        assert agent.register("web", server) == 1


def rename_and_send(agent):
    libc.prctl(15, b"\x1b[2J\n\xff<0>")  # PR_SET_NAME
    return answer(agent.send(b"x"))


def test_nobody_writes_the_log(agent):
    """What clients choose makes no line of its own and steers no terminal."""
    as_user(rename_and_send, agent)
    agent.logged("refused to uid 65534", "(\\x1b[2J)")
    assert all(line.startswith("anybind: ") for line in agent.log().splitlines())
    assert "\x1b" not in agent.log()


def test_number_of_descriptors(ns, agent):
    before = agent.descriptors()
    with listener(ns) as server:
        for n in (65, 253):
            code, text, _ = answer(agent.send(request(b"web"), [server.fileno()] * n))
            assert code == -errno.E2BIG and f"{n} descriptors at once; at most 64" in text
        assert answer(agent.send(request(b"web"), [server.fileno()] * 64))[0] == 0
    agent.idle(before)


def test_client_that_ended_meanwhile(ns, agent):
    """Its message is there, but nobody to whom it belongs."""
    ns.anybind("load")
    with listener(ns) as server:
        agent.process.send_signal(signal.SIGSTOP)
        as_user(lambda: agent.send(request(b"web"), [server.fileno()]).close())
        agent.process.send_signal(signal.SIGCONT)
        agent.logged("web: refused to", "the process that connected has ended")
        assert sockets_of(ns, "web") == set()


# ---- harm ----


def silent_connections(agent, n):
    """That nobody made and that say nothing, in this process."""
    ours, theirs = socket.socketpair()

    def make():
        made = [agent.connect() for _ in range(n)]
        return socket.send_fds(theirs, [b"x"], [connection.fileno() for connection in made])

    with ours, theirs:
        as_user(make)
        made = [socket.socket(fileno=fd) for fd in socket.recv_fds(ours, 1, n)[1]]
    for connection in made:
        connection.settimeout(DEADLINE)
    return made


def test_silent_clients_take_no_place_of_others(ns, agent):
    """A user's connections are limited in number, and in time."""
    before = agent.descriptors()
    silent = silent_connections(agent, CLIENTS_OF_USER)
    wait_until(lambda: len(agent.children()) == CLIENTS_OF_USER, agent.process)
    with listener(ns) as server:
        with pytest.raises(OSError) as refused:
            as_user(agent.register, "web", server)
        assert refused.value.errno == errno.EBUSY
        assert agent.register("web", server) == 1
        for connection in silent:
            code, text, _ = answer(connection)
            assert code == -errno.ETIMEDOUT and "no request within" in text
        agent.idle(before)
        assert as_user(agent.register, "web", server) == 1


def flood(agent, n):
    """Of connections, messages and descriptors of all kinds, without waiting for an answer."""
    null = os.open("/dev/null", os.O_RDONLY)
    messages = [message for message, _ in BAD_MESSAGES] + [request(b"web"), b""]
    kept = []
    for i in range(n):
        try:
            fds = [null] * 250 if i % 100 < 4 else [null] * (i % 3)
            connection = agent.send(messages[i % len(messages)] or b"\0", fds)
            if i % 7 == 0:
                agent_more(connection, null)
        except OSError:
            continue  # no more descriptors may be on their way, or it hung up
        kept.append(connection)
        if len(kept) > 100:
            kept.pop(0).close()
    return n


def agent_more(connection, fd):
    """More than the one message that is read: 1,000 descriptors at once."""
    for _ in range(4):
        socket.send_fds(connection, [request(b"web")], [fd] * 250)


def test_flood(ns, agent):
    """10,000 connections of one user: others are served meanwhile, and nothing is left."""
    before = agent.descriptors()
    attacker = threading.Thread(target=as_user, args=(flood, agent, 10000))
    attacker.start()
    served = 0
    with listener(ns) as server:
        while attacker.is_alive():
            assert agent.register("web", server) == 1
            served += 1
        attacker.join()
        assert served > 10
        agent.idle(before)
        assert as_user(agent.register, "web", server) == 1


def unwilling_to_close(ns):
    """A connection with data that nobody reads, which close() would wait a long time for."""
    server = listener(ns)
    client = ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.connect(server.getsockname())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 10000))
    client.setblocking(False)
    try:
        while client.send(bytes(100000)):
            pass
    except BlockingIOError:
        return client, server


def test_descriptors_that_stop_whoever_closes_them(ns, agent):
    """Whether it has received them or has not, the agent does not wait."""
    before = agent.descriptors()
    pairs = [unwilling_to_close(ns) for _ in range(3)]
    agent.process.send_signal(signal.SIGSTOP)
    connections = []
    for client, _ in pairs:
        connections.append(agent.send(request(b"web"), [client.fileno()]))
    # Behind the message that is read, and where none is read.
    for connection in connections[:2]:
        socket.send_fds(connection, [b"x"], [pairs[2][0].fileno()])
    for client, _ in pairs:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 10000))
        os.close(client.detach())
    agent.process.send_signal(signal.SIGCONT)
    for connection in connections:
        code, text, _ = answer(connection)
        assert code == -errno.EISCONN and "is a connection to" in text
    agent.idle(before)
    for _, server in pairs:
        server.close()


def test_client_that_takes_too_long(ns, agent):
    """Here because somebody holds the dispatcher's lock; the agent itself goes on."""
    ns.anybind("load")
    before = agent.descriptors()
    folder = ns.anybind("-j", "status").document["path"]
    lock = subprocess.Popen(
        ["flock", folder, "sh", "-c", "echo locked; read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_line(lock, "locked")
    with listener(ns) as server:
        waiting = agent.send(request(b"web"), [server.fileno()])
        assert answer(agent.send(b"x"))[0] == -errno.EBADMSG
        assert answer(waiting) is None
        agent.logged("uid 0 was not done within 30 s")
        agent.idle(before)
        lock.communicate("\n", DEADLINE)
        assert agent.register("web", server) == 1


# ---- its life ----


class Traffic:
    """Clients, one after the other, until the end of the block."""

    def __init__(self, ns, server):
        self.ns, self.server = ns, server
        self.served, self.failed, self.over = 0, [], False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over:
            try:
                assert reaches(self.ns, self.server, IN4, 80)
                self.served += 1
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))

    def more(self):
        """Waits for some more."""
        enough = self.served + 50
        wait_until(lambda: self.served >= enough or self.failed)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()


def test_killed_and_started_again_under_load(ns, agent):
    """Registrations wait for the next agent; traffic does not notice."""
    ns.anybind("bind", "web", "tcp", WEB4, "80")
    with listener(ns) as server, listener(ns) as other, listener(ns) as third:
        as_user(agent.register, "web", server)
        with Traffic(ns, server) as traffic:
            traffic.more()
            agent.end(signal.SIGKILL)
            traffic.more()
            waiting = agent.send(request(b"web-2"), [other.fileno()])
            traffic.more()
            agent.start()
            assert answer(waiting)[0] == 0
            assert as_user(agent.register, "web-3", third) == 1
            traffic.more()
        assert traffic.failed == [] and traffic.served >= 200
        assert agent.end() == 0
        for service in ("web", "web-2", "web-3"):
            assert sockets_of(ns, service) == {("tcp", "ipv4")}


def reload(agent):
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_notified("RELOADING=1")
    agent.wait_notified("READY=1")


def test_reload(ns, agent):
    with listener(ns) as server:
        assert as_user(agent.register, "web", server) == 1

        # One with errors changes nothing, and says each.
        agent.write_policy("allow uid 0 service *\nalow uid 1 service a\nallow user no-such service b\n")
        reload(agent)
        agent.logged(f'{agent.policy}:2: "alow" stands where', 'did you mean "allow"?')
        agent.logged(f'{agent.policy}:3: there is no user "no-such"')
        agent.logged("the policy stays as it was")
        assert as_user(agent.register, "web", server) == 1

        # Nor does one that others could have written, or one that is gone.
        agent.write_policy("allow user nobody service dns\n")
        agent.policy.chmod(0o664)
        reload(agent)
        agent.logged("mode 664) can be written by others than root")
        assert as_user(agent.register, "web", server) == 1

        agent.policy.chmod(0o644)
        reload(agent)
        agent.logged(f"{agent.policy} is in force")
        assert as_user(agent.register, "dns", server) == 1
        with pytest.raises(OSError):
            as_user(agent.register, "web", server)


def test_policies_that_it_does_not_start_with(ns, anybind, tmp_path):
    file = tmp_path / "policy"
    words = ("agent", "--policy", file, "--socket", tmp_path / "sock")
    said = anybind(*words, code=1).err
    assert "cannot read the policy" in said and "anybind-policy(5)" in said
    for text, mode, messages in (
        ("allow uid 0 service *\nalow\nallow uid -1 service a\n", 0o644, [":2: ", ":3: "]),
        ("allow uid 0 service *\n", 0o646, ["mode 646) can be written by others than root"]),
        ("#" * (1 << 20) + "\n", 0o644, ["larger than 1 MiB"]),
    ):
        file.write_text(text)
        file.chmod(mode)
        said = anybind(*words, code=1).err
        assert all(message in said for message in messages)
    file.unlink()
    os.mkfifo(file)
    assert "is not a regular file" in anybind(*words, code=1).err
    assert not (tmp_path / "sock").exists()


def test_socket_of_its_own(ns, agents):
    """Made where none was passed; the one of a killed agent is replaced, others are not."""
    agent = agents()
    path = agent.folder / "made" / "own.sock"
    agent.path = str(path)
    command = [os.environ["ANYBIND"], "agent", "--policy", agent.policy, "--socket", path]

    def start():
        process = ns.start(*command, stderr=subprocess.PIPE)
        wait_line(process, "the agent is ready", "stderr")
        return process

    with listener(ns) as server:
        killed = start()
        killed.kill()
        killed.wait(DEADLINE)
        process = start()
        assert path.stat().st_mode & 0o777 == 0o666 and path.parent.stat().st_mode & 0o777 == 0o755
        assert as_user(agent.register, "web", server) == 1
        said = ns.run(*command, check=False).stdout
        assert f'a program listens at "{path}" already' in said
        assert as_user(agent.register, "web", server) == 1
    process.terminate()
    assert process.wait(DEADLINE) == 0
    assert not path.exists()
    path.write_text("precious")
    assert "is no socket" in ns.run(*command, check=False).stdout
    assert path.read_text() == "precious"


def test_sockets_that_it_does_not_take(ns, agents, anybind):
    """What a service manager may pass by mistake."""
    agent = agents()
    stream = socket.socket(socket.AF_UNIX)
    stream.bind(str(agent.folder / "stream"))
    stream.listen()
    script = 'eval "exec 3<&$1 4<&$1"; shift; LISTEN_PID=$$ exec "$@"'
    for number, sock, words, message in (
        (1, stream, (), "no unix socket of type SOCK_SEQPACKET"),
        (2, agent.listener, (), "2 sockets were passed"),
        (1, agent.listener, ("--socket", "/run/x"), "--socket names another"),
    ):
        done = ns.run(
            *("bash", "-c", script, "bash", sock.fileno(), *agent.command(*words)),
            env={**os.environ, "LISTEN_FDS": str(number)},
            pass_fds=[sock.fileno()],
            check=False,
        )
        assert done.returncode == 1 and message in done.stdout
    stream.close()


def test_no_agent(ns, agents):
    """The library's call says why, and what would help."""
    agent = agents()
    agent.listener.close()
    with listener(ns):
        server = example_server(ns, agent, "c", stderr=subprocess.STDOUT)
        said = server.stdout.read()
    assert f"no agent listens at {agent.path}" in said and "anybind-agent.socket" in said
    assert server.wait(DEADLINE) == 1


def test_library_names_the_policy(ns, agents):
    agent = agents("# nobody\n").start()
    server = example_server(ns, agent, "c", stderr=subprocess.STDOUT)
    said = server.stdout.read()
    assert f"agent: the policy ({agent.policy}) does not let uid {NOBODY} register" in said
    assert f"allow uid {NOBODY} service web" in said


# ---- units ----


def installed_units(tmp_path):
    """Copies of all units, with a socket to register, whose program is the one that was built."""
    units = tmp_path / "units"
    units.mkdir()
    for name in ("anybind-agent.service", "anybind-register@.service"):
        words = setting(name, "ExecStart").split()
        text = (UNITS / name).read_text().replace(words[0], os.environ["ANYBIND"])
        (units / name.replace("@", "@web")).write_text(text)
    shutil.copy(ROOT / "packaging/systemd/anybind-agent.socket", units)
    (units / "web.socket").write_text("[Socket]\nListenStream=127.0.0.1:8080\n")
    (units / "web.service").write_text("[Service]\nExecStart=/bin/true\n")
    return units


def test_units_are_right(tmp_path):
    units = installed_units(tmp_path)
    services = ["anybind-agent.service", "anybind-register@web.service"]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no"]
        + [units / name for name in [*services, "anybind-agent.socket"]],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    for name in services:
        subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--threshold=30", units / name],
            stdout=subprocess.DEVNULL,
            timeout=DEADLINE,
            check=True,
        )


def test_registering_unit(netns, tmp_path):
    """What anybind-register@web.service runs, with its capabilities and its sockets."""
    machines = Machines(netns, tmp_path)
    words = setting("anybind-register@.service", "ExecStart").replace("%i", "web").split()[1:]
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    code, said = activated(
        machines,
        ["127.0.0.1:8080", "[::1]:8080"],
        *words,
        before=confined("anybind-register@.service"),
    )
    assert code == 0 and "web: registered tcp 127.0.0.1:8080" in said
    assert machines.banner(IN4, 80) == "activated\n"
