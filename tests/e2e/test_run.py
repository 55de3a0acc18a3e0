# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""`anybind run`: programs that know nothing of it, and what it does to them: nothing."""

import ast
import errno
import fcntl
import json
import os
import pathlib
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest
from conftest import DEADLINE, wait_line, wait_readable, wait_until
from servers import CURL_REFUSED, SERVER4, WEB4, WEB6, Machines, children

PRELOAD = pathlib.Path(os.environ["ANYBIND"]).resolve().parents[1] / "preload/libanybind-preload.so"
SERVER6 = "2001:db8::1"
TIMEOUT_MS = 1000  # RUN_TIMEOUT_MS

# Does what it is told, a line of Python each, and answers with the value's repr.
PUPPET = """
import ctypes, errno, os, signal, socket, subprocess, sys, threading, time
from socket import *
libc = ctypes.CDLL(None, use_errno=True)
def tcp(address, port, family=AF_INET):
    s = socket.socket(family)
    s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen()
    return s
def member(port):
    s = socket.socket()
    s.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
    s.bind(("127.0.0.1", port))
    s.listen()
    return s
def udp(address, port, family=AF_INET):
    s = socket.socket(family, SOCK_DGRAM)
    s.bind((address, port))
    return s
def keep(**values):
    globals().update(values)
def catch(*numbers):
    keep(hits=[])
    for number in numbers:
        signal.signal(number, lambda n, _: hits.append(n))
def call(f, *arguments):
    ctypes.set_errno(77)
    return [f(*arguments), ctypes.get_errno()]
def descriptors():
    return [fd for fd in range(64) if os.path.exists(f"/proc/self/fd/{fd}")]
socket = sys.modules["socket"]
print("ready", flush=True)
for line in sys.stdin:
    try:
        value = eval(line, globals())
    except BaseException as problem:
        value = f"!{type(problem).__name__}: {problem}"
    print(repr(value), flush=True)
"""


class Run:
    """A program under `anybind run` in the server's namespace."""

    def __init__(self, machines, *command, options=("-v",), binds=(f"tcp {WEB4} 80",), env=None,
                 service="web", run_options=(), before=(), **more):
        self.machines = machines
        words = [*before, os.environ["ANYBIND"], "-n", str(machines.server), *options, "run"]
        words += [service, *run_options]
        for bind in binds:
            words += ["--bind", bind]
        more.setdefault("stdin", subprocess.PIPE)
        self.process = subprocess.Popen(
            [*words, "--", *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, "ANYBIND_PRELOAD": str(PRELOAD), **(env or {})},
            **more,
        )
        machines.server.processes.append(self.process)

    @property
    def pid(self):
        return self.process.pid

    def said(self, text):
        return wait_line(self.process, text, "stderr")

    def printed(self, text=""):
        return wait_line(self.process, text)

    def do(self, line):
        """Has a puppet evaluate a line."""
        self.process.stdin.write(line + "\n")
        value = ast.literal_eval(self.printed())
        assert not (isinstance(value, str) and value.startswith("!")), (line, value)
        return value

    def tell(self, line):
        """The same, but the value is of no interest."""
        self.do(f"[{line}, None][-1]")

    def end(self, number=None):
        """(exit status as of subprocess, the rest of stdout, the rest of stderr)"""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, out, err


@pytest.fixture
def machines(netns, tmp_path):
    return Machines(netns, tmp_path)


@pytest.fixture
def run(machines):
    def start(*command, **more):
        return Run(machines, *command, **more)

    return start


@pytest.fixture
def puppet(run):
    def start(**more):
        started = run("/usr/bin/python3", "-c", PUPPET, **more)
        started.printed("ready")
        return started

    return start


def sockets(machines, service="web"):
    """{(family, protocol): address, or a list of them} of what is registered and alive."""
    listed = machines.anybind("-j", "services").document["services"]
    found = {}
    for one in listed:
        for entry in one["sockets"] if one["name"] == service else ():
            if entry["state"] == "live":
                kind = entry["family"], entry["protocol"]
                found.setdefault(kind, []).append(entry["address"])
    return {kind: some[0] if len(some) == 1 else some for kind, some in found.items()}


# ---- servers ----


def test_socat(machines, run):
    server = run("socat", "TCP4-LISTEN:8080,bind=127.0.0.1,fork", "SYSTEM:echo socat")
    server.said("registered tcp 127.0.0.1:8080, socat (pid ")
    assert machines.banner("192.0.2.1", 80) == "socat\n"
    assert machines.banner("192.0.2.254", 80) == "socat\n"
    assert server.end(signal.SIGTERM)[0] == 143  # socat's own exit status


def test_python_over_both_families(machines, run):
    server = run(
        *("/usr/bin/python3", "-m", "http.server", "--bind", "::", "8080"),
        binds=(f"tcp {WEB4} 80", f"tcp {WEB6} 80"),
        cwd=machines.folder,
    )
    server.said("registered tcp [::]:8080, python3 (pid ")
    assert "Directory listing" in machines.get("192.0.2.77")
    assert "Directory listing" in machines.get("2001:db8:80::77")
    assert server.end(signal.SIGTERM)[0] == -signal.SIGTERM


def test_nginx_in_the_foreground(machines, run):
    file = machines.configured("nginx.conf")
    server = run(
        *("nginx", "-e", "stderr", "-c", file), binds=(f"tcp {WEB4} 80", f"tcp {WEB6} 80")
    )
    server.said("registered tcp 0.0.0.0:8080, nginx")
    server.said("registered tcp [::]:8080, nginx")
    assert machines.asked("192.0.2.1") and machines.asked("2001:db8:80::1")
    # A reload that listens elsewhere, too: by the signal that `anybind run` gets.
    file.write_text(file.read_text().replace("listen 8080;", "listen 8081;"))
    server.process.send_signal(signal.SIGHUP)
    server.said("tcp 0.0.0.0:8081 takes the place of tcp 0.0.0.0:8080")
    wait_until(lambda: machines.asked("192.0.2.1"), server.process)
    assert sockets(machines)["ipv4", "tcp"] == "0.0.0.0:8081"
    assert server.end(signal.SIGQUIT)[0] == 0
    assert machines.get("192.0.2.1") == CURL_REFUSED


def test_nginx_as_a_daemon(machines, run):
    """COMMAND ends at once; its daemon goes on, and so does its supervisor."""
    file = machines.configured("nginx.conf", lambda text: text.replace("daemon off", "daemon on"))
    server = run("nginx", "-e", machines.folder / "log", "-c", file)
    server.said("registered tcp 0.0.0.0:8080, nginx")
    server.said("registered tcp [::]:8080, nginx")
    pid_file = machines.folder / "nginx.pid"
    wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), server.process)
    master = int(pid_file.read_text())
    wait_until(lambda: master in children(server.process), server.process)
    assert machines.asked("192.0.2.1")
    # Signals go to the daemon now; what it opens is registered still.
    file.write_text(file.read_text().replace("listen 8080;", "listen 8081;"))
    server.process.send_signal(signal.SIGHUP)
    server.said("registered tcp 0.0.0.0:8081, nginx")
    assert server.end(signal.SIGQUIT)[0] == 0
    with pytest.raises(ProcessLookupError):
        os.kill(master, 0)


def test_daemon_that_closes_everything_and_leaves_its_root(machines, run):
    """As daemons do: twice forked, a session of its own, no descriptors, another root and user."""
    source = """
import os, socket, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.closerange(0, 1024)
os.chroot("/run/netns")
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
s = socket.socket()
assert s.fileno() == 0
s.bind(("127.0.0.1", 8080))
s.listen()
while True:
    c, _ = s.accept()
    c.sendall(b"daemon\\n")
    c.close()
"""
    server = run("/usr/bin/python3", "-c", source)
    server.said("registered tcp 127.0.0.1:8080, python3")
    assert machines.banner("192.0.2.3", 80) == "daemon\n"
    assert server.end(signal.SIGTERM)[0] == 0  # the status of COMMAND, which left the daemon


@pytest.fixture(scope="module")
def go_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("go")
    binary = folder / "server"
    subprocess.run(
        ["go", "build", "-o", binary, os.path.join(os.path.dirname(__file__), "server.go")],
        check=True,
        env={**os.environ, "GOCACHE": str(folder / "cache"), "GO111MODULE": "off"},
    )
    return binary


def test_go_with_cgo(machines, run, go_server):
    server = run(go_server)
    server.said("registered tcp 127.0.0.1:8080, server (pid ")
    assert machines.banner("192.0.2.7", 80) == "go\n"
    server.end(signal.SIGTERM)


def test_what_go_opens_itself_is_reported(machines, run, go_server):
    server = run(go_server, "itself")
    wait_until(lambda: ":8080" in machines.server.run("ss", "-Hltn").stdout)
    assert not sockets(machines)
    assert "has shown a socket" in server.end(signal.SIGTERM)[2]


def test_udp_over_both_families(machines, puppet):
    server = puppet(service="echo", binds=(f"udp {SERVER4} 53", f"udp {SERVER6} 53"))
    for address, family in ((SERVER4, socket.AF_INET), (SERVER6, socket.AF_INET6)):
        name = "AF_INET" if family == socket.AF_INET else "AF_INET6"
        server.tell(f"keep(o=globals().get('s'), s=udp({address!r}, 5300, {name}))")
        client = machines.client.socket(family, socket.SOCK_DGRAM)
        client.sendto(b"hello", (address, 53))
        assert server.do("[m := s.recvfrom(100), s.sendto(m[0], m[1])][1]") == 5
        wait_readable(client)
        assert client.recv(100) == b"hello"
        client.close()
    assert set(sockets(machines, "echo")) == {("ipv4", "udp"), ("ipv6", "udp")}


def test_children_by_fork_and_exec(machines, puppet):
    server = puppet()
    # A thread's fork, then exec with all descriptors closed.
    command = ["socat", "TCP4-LISTEN:8082,bind=127.0.0.1,fork", "SYSTEM:echo child"]
    server.tell(f"keep(c=subprocess.Popen({command!r}, close_fds=True))")
    server.said("registered tcp 127.0.0.1:8082, socat")
    assert machines.banner("192.0.2.3", 80) == "child\n"
    # A fork that listens without exec.
    server.tell("os.fork() or [tcp('127.0.0.1', 8083), signal.pause()]")
    server.said("registered tcp 127.0.0.1:8083, python3")


def test_a_service_that_restarts_within(machines, run):
    script = (
        "for i in 1 2 3; do socat -u TCP4-LISTEN:8080,bind=127.0.0.1,reuseaddr SYSTEM:'cat >&2';"
        " done"
    )
    server = run("sh", "-c", script)
    for i in range(3):
        server.said("registered tcp 127.0.0.1:8080, socat")
        machines.client.run("socat", "-u", "SYSTEM:echo", "TCP4:192.0.2.1:80")
    assert server.end()[0] == 0


def test_steered_once_listen_returns(machines, puppet):
    server = puppet()
    server.tell(
        "exec('''def once(port):\\n s = tcp(\"127.0.0.1\", port)\\n"
        " c = create_connection((\"192.0.2.9\", 80))\\n"
        " a = s.accept()[0]\\n [x.close() for x in (s, c, a)]\\n''', globals())"
    )
    assert server.do("[once(9000 + i) for i in range(100)] == [None] * 100") is True


# ---- the program sees no change ----


def test_descriptors_and_environment(machines, puppet):
    server = puppet()
    before = server.do("descriptors()")
    assert before == [0, 1, 2]
    assert server.do("[s := tcp('127.0.0.1', 8080), s.fileno()][1]") == 3
    assert server.do("[keep(s=s, u=udp('127.0.0.1', 8080)), u.fileno()][1]") == 4
    assert server.do("descriptors()") == [0, 1, 2, 3, 4]
    environment = server.do("dict(os.environ)")
    mine = {**os.environ, "ANYBIND_PRELOAD": str(PRELOAD)}
    added = {key for key in environment if environment[key] != mine.get(key)}
    assert added - {"_", "LC_CTYPE"} == {"LD_PRELOAD", "ANYBIND_RUN"}
    assert set(mine) <= set(environment)


def test_results_and_errno(puppet):
    server = puppet()
    server.tell("keep(s=socket.socket(), d=socket.socket(AF_INET, SOCK_DGRAM))")
    address = struct.pack("=H", socket.AF_INET) + struct.pack("!H4B8x", 8080, 127, 0, 0, 1)
    assert server.do("call(libc.listen, -1, 1)") == [-1, errno.EBADF]
    assert server.do("call(libc.listen, d.fileno(), 1)") == [-1, errno.EOPNOTSUPP]
    for name in "sd":
        assert server.do(f"call(libc.bind, {name}.fileno(), {address!r}, 16)") == [0, 77]
        assert server.do(f"call(libc.bind, {name}.fileno(), {address!r}, 16)") == [-1, errno.EINVAL]
    assert server.do("call(libc.bind, -1, None, 0)") == [-1, errno.EBADF]
    assert server.do("call(libc.listen, s.fileno(), 1)") == [0, 77]
    assert server.do("call(libc.listen, s.fileno(), 100)") == [0, 77]  # again


def test_signals_do_not_interrupt(puppet):
    """An interval timer goes off all the time: calls succeed, and the handler runs."""
    server = puppet()
    server.tell("catch(signal.SIGALRM)")
    server.tell("signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)")
    assert server.do("[tcp('127.0.0.1', 9000 + i).close() for i in range(50)] == [None] * 50")
    server.tell("signal.setitimer(signal.ITIMER_REAL, 0)")
    assert server.do("len(hits) > 0") is True
    assert server.do("signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()") is True


def test_many_threads_and_processes_at_once(machines, puppet):
    server = puppet()
    server.tell(
        "exec('''def work(base):\\n for i in range(20): tcp(\"127.0.0.1\", base + i).close()\\n"
        "def crowd():\\n"
        " pids = []\\n"
        " for n in range(8):\\n"
        "  pid = os.fork()\\n"
        "  if not pid:\\n"
        "   t = [threading.Thread(target=work, args=(10000+1000*n+100*k,)) for k in range(4)]\\n"
        "   [x.start() for x in t]; [x.join() for x in t]; os._exit(0)\\n"
        "  pids.append(pid)\\n"
        " return [os.waitpid(p, 0)[1] for p in pids]\\n''', globals())"
    )
    assert server.do("crowd()") == [0] * 8
    assert server.do("descriptors()") == [0, 1, 2]
    server.tell("keep(s=tcp('127.0.0.1', 8080))")
    assert sockets(machines) == {("ipv4", "tcp"): "127.0.0.1:8080"}


def test_no_descriptor_left_for_the_library(puppet):
    """Out of descriptors: the socket is not registered, the program listens all the same."""
    server = puppet()
    server.tell("keep(s=socket.socket())")
    server.tell("s.bind(('127.0.0.1', 8080))")
    server.tell("__import__('resource').setrlimit(__import__('resource').RLIMIT_NOFILE, (4, 4))")
    server.tell("ctypes.set_errno(0)")
    assert server.do("[libc.listen(s.fileno(), 5), ctypes.get_errno()]") == [0, 0]
    assert server.do("s.getsockopt(SOL_SOCKET, SO_ACCEPTCONN)") == 1


def test_descriptors_that_are_passed_are_the_programs_alone(machines, run):
    """What `anybind` was started with goes to the program and ends when that closes it."""
    sock = machines.server.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", 7000))
    sock.listen()
    held = (sock.fileno(),)
    server = run("/usr/bin/python3", "-c", PUPPET, pass_fds=held, binds=())
    server.printed("ready")
    address = machines.server.run("ss", "-Hnlt", "src", "127.0.0.1:7000").stdout
    assert address
    sock.close()
    assert server.do(f"os.path.exists('/proc/self/fd/{held[0]}')") is True
    server.tell(f"os.close({held[0]})")
    assert machines.server.run("ss", "-Hnlt", "src", "127.0.0.1:7000").stdout == ""
    # Nor does it hold the pipe that the program reads from or writes to.
    for fd in (0, 1):
        assert os.readlink(f"/proc/{server.pid}/fd/{fd}") == "/dev/null"


def test_variables_of_a_service_manager(machines):
    """LISTEN_PID names the process that takes the descriptors, which is the program now."""
    script = (
        'LISTEN_PID=$$ LISTEN_FDS=1 WATCHDOG_PID=1 exec "$ANYBIND" -n "$0" run web -- '
        "python3 -c 'import os; print(os.environ[\"LISTEN_PID\"] == str(os.getpid()), "
        'os.environ["WATCHDOG_PID"])\''
    )
    done = subprocess.run(
        ["sh", "-c", script, str(machines.server)],
        env={**os.environ, "ANYBIND_PRELOAD": str(PRELOAD)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.stdout == "True 1\n", done.stderr


def test_other_preloaded_libraries_stay(machines, run):
    server = run(
        *("sh", "-c", "echo $LD_PRELOAD; exec \"$ANYBIND\" run inner -- sh -c 'echo $LD_PRELOAD'"),
        env={"LD_PRELOAD": "libm.so.6"},
    )
    code, out, _ = server.end()
    assert out == f"{PRELOAD}:libm.so.6\n" * 2
    assert code == 0


# ---- exit status and signals ----


@pytest.mark.parametrize("script, code", [
    ("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -KILL $$", -signal.SIGKILL),
    ("kill -TERM $$", -signal.SIGTERM), ("kill -SEGV $$", -signal.SIGSEGV)])
def test_ends_as_the_program_does(run, script, code):
    assert run("sh", "-c", script).end()[0] == code


def test_waits_for_what_the_program_left(machines, run):
    """The status is COMMAND's, though a descendant ends later and otherwise."""
    script = "exec 3<&0; (read line <&3; echo $line >left; exit 9) & echo $$; exit 3"
    server = run("sh", "-c", script, cwd=machines.folder)
    main = int(server.printed())
    wait_until(lambda: main not in children(server.process), server.process)
    server.process.stdin.write("behind\n")
    assert server.end()[0] == 3
    assert (machines.folder / "left").read_text() == "behind\n"


def test_terminal_interrupts_the_program_once(puppet):
    """It sends the signal to both; the supervisor does not send it again."""
    master, slave = pty.openpty()

    def take_terminal():
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    server = puppet(start_new_session=True, preexec_fn=take_terminal, pass_fds=[slave])
    os.close(slave)
    server.tell("catch(signal.SIGINT, signal.SIGUSR1)")
    os.write(master, b"\x03")
    wait_until(lambda: server.do("hits"), server.process)
    # What the supervisor passes on after that comes after it.
    server.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: signal.SIGUSR1 in server.do("hits"), server.process)
    assert server.do("hits") == [signal.SIGINT, signal.SIGUSR1]
    os.close(master)


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH", "CONT"])
def test_signals_are_passed_on(puppet, name):
    server = puppet()
    number = getattr(signal, "SIG" + name)
    server.tell(f"catch({number:d})")
    server.process.send_signal(number)
    wait_until(lambda: server.do("hits") == [number], server.process)
    server.process.stdin.close()
    assert server.process.wait(DEADLINE) == 0


def test_signal_mask_and_dispositions_are_untouched(run):
    show = ("grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status")
    code, out, _ = run(*show).end()
    assert code == 0
    plain = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert out == plain


# ---- what cannot be registered ----


def test_sockets_that_cannot_be_registered(machines, puppet):
    """Reported with the reason, once; the program goes on, and so does the next socket."""
    server = puppet()
    server.tell("keep(held=[])")
    path = str(machines.folder / "socket")
    server.tell(f"held.append([s := socket.socket(AF_UNIX), s.bind({path!r}), s.listen()])")
    assert "python3 (pid " in (said := server.said("a unix socket")) and "descriptor 3 of" in said
    server.tell("held.append([s := socket.socket(AF_UNIX), s.bind('\\0x'), s.listen()])")
    server.tell("held.append([s := socket.socket(AF_INET, SOCK_STREAM, 262), s.listen()])")
    said = server.said("")  # the next line: the second unix socket is no news
    while said.startswith("  "):
        said = server.said("")
    assert "an MPTCP socket" in said
    server.tell("held.append(tcp('127.0.0.1', 8080))")
    server.said("registered tcp 127.0.0.1:8080")
    assert server.do("len(held)") == 4


def test_socket_of_another_namespace(machines, puppet):
    server = puppet()
    server.tell(f"keep(other=os.open({machines.client.path!r}, 0))")
    server.tell("keep(own=os.open('/proc/self/ns/net', 0))")
    assert server.do("libc.setns(other, 0)") == 0
    server.tell("keep(s=socket.socket())")
    assert server.do("libc.setns(own, 0)") == 0
    assert server.do("s.listen()") is None
    said = server.said("is in network namespace")
    assert f"'{machines.client}', not in '{machines.server}'" in said


def test_the_later_socket_takes_the_place(machines, puppet):
    server = puppet()
    server.tell("keep(a=tcp('127.0.0.1', 8080), b=tcp('127.0.0.1', 8081))")
    server.said("tcp 127.0.0.1:8081 takes the place of tcp 127.0.0.1:8080")
    assert sockets(machines) == {("ipv4", "tcp"): "127.0.0.1:8081"}


def test_a_clients_udp_socket_takes_nobodys_place(machines, puppet):
    server = puppet()
    server.tell("keep(a=udp('127.0.0.1', 5300), b=udp('127.0.0.1', 0))")
    server.said("do not take the place of udp 127.0.0.1:5300")
    assert sockets(machines) == {("ipv4", "udp"): "127.0.0.1:5300"}
    # But it has a place where there is none.
    server.tell("a.close(), b.close()")
    assert sockets(machines) == {}
    port = server.do("[keep(a=udp('127.0.0.1', 0)), a.getsockname()[1]][1]")
    assert sockets(machines) == {("ipv4", "udp"): f"127.0.0.1:{port}"}


def test_members_of_a_reuseport_group_stand_beside_each_other(machines, puppet):
    """As workers open them; one that ends leaves the traffic to the rest."""
    server = puppet()
    server.tell("keep(a=member(8080), b=member(8080), c=member(8080))")
    assert sockets(machines) == {("ipv4", "tcp"): ["127.0.0.1:8080"] * 3}
    server.tell("b.listen(7)")  # again
    assert sockets(machines) == {("ipv4", "tcp"): ["127.0.0.1:8080"] * 3}
    server.tell("a.close(), c.close()")
    assert sockets(machines) == {("ipv4", "tcp"): "127.0.0.1:8080"}
    for _ in range(10):
        server.tell("create_connection(('192.0.2.9', 80)), b.accept()")


def test_add(machines, puppet):
    server = puppet(run_options=("--add",))
    server.tell("keep(a=tcp('127.0.0.1', 8080), b=tcp('127.0.0.1', 8081))")
    server.tell("keep(c=udp('127.0.0.1', 5300), d=udp('127.0.0.1', 0))")
    found = sockets(machines)
    assert sorted(found.pop(("ipv4", "tcp"))) == ["127.0.0.1:8080", "127.0.0.1:8081"]
    assert found == {("ipv4", "udp"): "127.0.0.1:5300"}
    (service,) = machines.anybind("-j", "services").document["services"]
    assert {entry["how"] for entry in service["sockets"]} == {"run"}


def test_only(machines, puppet):
    server = puppet(run_options=("--only", "tcp 127.0.0.1:8080", "--only=udp"))
    server.tell("keep(a=tcp('127.0.0.1', 8080), b=tcp('127.0.0.1', 8081))")
    server.tell("keep(c=tcp('::1', 8080, AF_INET6), d=udp('127.0.0.1', 5300))")
    assert sockets(machines) == {
        ("ipv4", "tcp"): "127.0.0.1:8080", ("ipv4", "udp"): "127.0.0.1:5300"}


def test_refused_registration(machines, puppet):
    """The dispatcher's state cannot be had: each is said, and the program listens."""
    server = puppet(binds=())
    state = machines.anybind("-j", "status").document["path"]
    os.unlink(f"{state}/sockets")
    os.mkdir(f"{state}/sockets")
    assert server.do("keep(s=tcp('127.0.0.1', 8080))") is None
    server.said("is not registered: ")
    assert server.do("s.getsockopt(SOL_SOCKET, SO_ACCEPTCONN)") == 1
    os.rmdir(f"{state}/sockets")


def compiled(folder, source, *flags):
    file, binary = folder / "program.c", folder / "program"
    file.write_text(source)
    subprocess.run(["gcc", "-o", binary, file, *flags], check=True)
    return binary


LISTENS = """
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void)
{
	char c;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (CALL)
		return 1;
	return read(0, &c, 1) != 0;
}
"""


def test_static_program_is_reported_at_once(machines, run):
    binary = compiled(machines.folder, LISTENS, "-static", "-DCALL=listen(fd, 5)")
    server = run(binary)
    assert "statically linked" in server.said("itself will be registered")
    assert server.end() == (0, "", "")


def test_set_uid_program_is_reported_at_once(machines, run):
    binary = compiled(machines.folder, LISTENS, "-DCALL=listen(fd, 5)")
    os.chown(binary, 65534, 65534)
    binary.chmod(0o4755)
    server = run(binary)
    assert "set-uid" in server.said("itself will be registered")
    assert server.end() == (0, "", "")


def test_system_calls_of_its_own_are_reported_at_the_end(machines, run):
    """As Go's net package makes them."""
    binary = compiled(machines.folder, LISTENS, "-DCALL=syscall(SYS_listen, fd, 5)")
    code, out, err = run(binary).end()
    assert (code, out) == (0, "")
    assert "neither it nor what it started has shown a socket" in err


# ---- the supervisor's end ----


def test_supervisor_is_killed(machines, puppet):
    server = puppet()
    server.tell("keep(s=tcp('127.0.0.1', 8080))")
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(DEADLINE)
    start = time.monotonic()
    assert server.do("keep(t=tcp('127.0.0.1', 8081))") is None
    assert server.do("t.getsockopt(SOL_SOCKET, SO_ACCEPTCONN)") == 1
    assert time.monotonic() - start < TIMEOUT_MS / 1000
    # What was registered is so still, and nobody holds it but the program.
    assert sockets(machines) == {("ipv4", "tcp"): "127.0.0.1:8080"}
    server.tell("s.close()")
    assert sockets(machines) == {}


def test_supervisor_does_not_answer(machines, puppet):
    server = puppet()
    server.process.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    assert server.do("keep(s=tcp('127.0.0.1', 8080))") is None
    assert time.monotonic() - start >= TIMEOUT_MS / 1000
    assert server.do("descriptors()") == [0, 1, 2, 3]
    server.process.send_signal(signal.SIGCONT)
    server.said("registered tcp 127.0.0.1:8080")  # late is better than never


def test_impostor_gets_nothing(machines, puppet):
    """Who sits on the address when the supervisor is gone, but is somebody else."""
    server = puppet()
    (name,) = abstract_names(machines)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(DEADLINE)
    source = f"""
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind("\\0{name}")
s.listen()
print("ready", flush=True)
print(s.accept()[0].recvmsg(1000, 1000), flush=True)
"""
    impostor = machines.server.start(
        *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
        *("/usr/bin/python3", "-c", source),
        stdout=subprocess.PIPE,
    )
    wait_line(impostor, "ready")
    assert server.do("keep(s=tcp('127.0.0.1', 8080))") is None
    assert wait_line(impostor, "").startswith("(b'', []")


# ---- strangers ----


def abstract_names(machines):
    listed = machines.server.run("cat", "/proc/net/unix").stdout
    return re.findall(r" 01 +\d+ @(anybind-run-[0-9a-f]{16})$", listed, re.M)


def secret_of(pid):
    environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    (value,) = [entry for entry in environment if entry.startswith(b"ANYBIND_RUN=")]
    return value.split(b":")[3]


def request(secret, version=1, flags=0):
    return struct.pack("=IIi", version, flags, 7) + secret


def test_strangers_and_bad_messages(machines, puppet):
    """Half messages, wrong secrets, idle and many connections: nothing registered, nothing kept."""
    server = puppet()
    (name,) = abstract_names(machines)
    (main,) = children(server.process)
    secret = secret_of(main)
    descriptors = f"/proc/{server.pid}/fd"
    before = len(os.listdir(descriptors))
    listener = machines.server.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.listen()

    def connect():
        sock = machines.server.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(f"\0{name}")
        return sock

    good = request(secret)
    for data, fds in (
        (request(b"0" * 32), 1),
        (good[:-1], 1),
        (good + b"x", 1),
        (request(secret, version=2), 1),
        (request(secret, flags=2), 1),
        (good, 0),
        (good, 2),
        (good, 200),
        (b"", 1),
        (b"\0", 100),
    ):
        with connect() as sock:
            socket.send_fds(sock, [data], [listener.fileno()] * fds)
            assert sock.recv(1) == b""  # closed
    assert sockets(machines) == {}
    # Many that say nothing: the oldest go, those that say something are heard.
    idle = [connect() for _ in range(300)]
    with connect() as sock:
        socket.send_fds(sock, [good], [listener.fileno()])
        assert sock.recv(1) == b""
    assert list(sockets(machines)) == [("ipv4", "tcp")]
    for sock in idle:
        sock.close()
    # Descriptors that are no sockets, from one who knows the secret.
    reader, writer = os.pipe()
    with connect() as sock:
        socket.send_fds(sock, [good], [reader])
        assert sock.recv(1) == b""
    assert "not a socket" in server.said("is not registered")
    os.close(reader)
    os.close(writer)
    wait_until(lambda: len(os.listdir(descriptors)) == before, server.process)
    server.tell("keep(s=tcp('127.0.0.1', 8080))")
    server.said("registered tcp 127.0.0.1:8080")
    listener.close()


def test_the_secret_is_no_name(machines, puppet):
    server = puppet()
    (main,) = children(server.process)
    listed = machines.server.run("cat", "/proc/net/unix").stdout
    assert secret_of(main).decode() not in listed


# ---- before the start ----


def test_failures_before_the_start(machines, run):
    for more, code, text in (
        ({"binds": ("tcp 300.0.0.1 80",)}, 2, "300.0.0.1"),
        ({"binds": ("tcp any 80", "bogus")}, 2, "bogus"),
        ({"service": "we/b"}, 2, "we/b"),
        ({"env": {"ANYBIND_PRELOAD": "/none"}}, 1, 'cannot read the library to preload, "/none"'),
    ):
        got, out, err = run("echo", "started", **more).end()
        assert (got, out) == (code, ""), err
        assert text in err
    got, out, err = run("/no/such/program").end()
    assert (got, out) == (1, "")
    assert 'cannot start "/no/such/program": No such file or directory' in err


def test_document(machines):
    env = {**os.environ, "ANYBIND_PRELOAD": str(PRELOAD)}
    source = "import socket; s = socket.socket(); s.listen(); print('hello')"
    result = machines.anybind("-j", "run", "web", "--", "/usr/bin/python3", "-c", source, env=env)
    hello, document = result.out.splitlines()
    assert hello == "hello"
    document = json.loads(document)
    assert (document["registered"], document["refused"], document["service"]) == (1, 0, "web")
