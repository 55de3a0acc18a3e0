# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""An agent as a service manager runs it, and its clients, who are other users."""

import contextlib
import importlib.util
import json
import os
import pathlib
import select
import signal
import socket
import struct
import traceback

from conftest import DEADLINE, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("ANYBIND", "")).parents[1]
UNITS = BUILD / "packaging/systemd"

NOBODY = 65534
CLIENTS_OF_USER = 16


def load_example():
    """examples/agent.py, which knows the protocol."""
    spec = importlib.util.spec_from_file_location("example_agent", ROOT / "examples/agent.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = load_example()


def setting(unit, name):
    """What a unit file of the build says."""
    lines = (UNITS / unit).read_text().splitlines()
    (value,) = [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]
    return value


def confined(unit="anybind-agent.service"):
    """Runs a command with the capabilities that a unit leaves."""
    capabilities = setting(unit, "CapabilityBoundingSet").lower().split()
    bounding = ",".join("+" + name.removeprefix("cap_") for name in capabilities)
    return ["setpriv", "--no-new-privs", f"--bounding-set=-all,{bounding}"]


class Agent:
    """Its socket is held by the test, as by a service manager: it outlives the process."""

    def __init__(self, ns, folder, policy):
        self.ns, self.folder = ns, folder
        self.folder.mkdir(mode=0o755)
        self.policy, self.path = folder / "policy", str(folder / "agent.sock")
        self.logfile = folder / "log"
        self.write_policy(policy)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(DEADLINE)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(4096)
        self.process = None

    def close(self):
        self.notify.close()
        self.listener.close()

    def write_policy(self, text):
        self.policy.write_text(text)
        self.policy.chmod(0o644)

    def command(self, *words):
        return [*confined(), os.environ["ANYBIND"], "agent", "--policy", str(self.policy), *words]

    def start(self, *words):
        """Starts it and waits until it says that it is ready."""
        script = 'eval "exec 3<&$1"; shift; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
        fd = self.listener.fileno()
        with open(self.logfile, "a") as log:
            self.process = self.ns.start(
                *("bash", "-c", script, "bash", fd, *self.command(*words)),
                env={**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify")},
                pass_fds=[fd],
                stdout=log,
                stderr=log,
            )
        self.wait_notified("READY=1")
        return self

    def wait_notified(self, text):
        said = []
        while text not in said:
            wait_until(lambda: select.select([self.notify], [], [], 0)[0], self.process)
            said.append(self.notify.recv(4096).decode())

    def log(self):
        return self.logfile.read_text()

    def logged(self, *words):
        """Waits for a line with all of the words."""
        return wait_until(
            lambda: [
                line for line in self.log().splitlines() if all(str(w) in line for w in words)
            ],
            self.process,
        )

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    # ---- what must not grow ----

    def descriptors(self):
        """Numbers and what they are, of the process that accepts."""
        folder = f"/proc/{self.process.pid}/fd"
        found = {}
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                found[name] = os.readlink(f"{folder}/{name}")
        return found

    def children(self):
        pid = self.process.pid
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    def idle(self, before):
        """Waits until nobody is served; then its descriptors are those of `before`."""
        wait_until(lambda: not self.children(), self.process)
        wait_until(lambda: self.descriptors() == before, self.process)

    # ---- clients, in this process ----

    def connect(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(DEADLINE)
        connection.connect(self.path)
        return connection

    def send(self, message, fds=()):
        """A connection on which that was sent."""
        connection = self.connect()
        with contextlib.suppress(BrokenPipeError):  # refused before it could be sent
            socket.send_fds(connection, [message], fds)
        return connection

    def register(self, service, *sockets):
        return example.register(service, sockets, self.path)


def request(service, magic=b"ANYB", version=1, command=1):
    return struct.pack("=4sHH64s", magic, version, command, service)


def answer(connection):
    """(code, text, hint) of the answer, None if there is none; closes the connection."""
    with connection:
        try:
            message = connection.recv(4096)
        except ConnectionResetError:
            message = connection.recv(4096)
    if not message:
        return None
    _, _, _, code, _, text_len, hint_len, _ = example.ANSWER.unpack_from(message)
    assert len(message) == example.ANSWER.size + text_len + hint_len
    text = message[example.ANSWER.size :]
    return code, text[:text_len].decode(), text[text_len:].decode()


def as_user(function, *args, uid=NOBODY, gid=NOBODY, groups=()):
    """
    What function(*args) returns in a process of that user, without capabilities;
    an OSError is raised here, too.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(list(groups))
            os.setgid(gid)
            os.setuid(uid)
            result = {"value": function(*args)}
        except OSError as error:
            result = {"errno": error.errno, "text": error.strerror}
        except BaseException:
            result = {"broken": traceback.format_exc()}
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        result = json.load(pipe)
    os.waitpid(pid, 0)
    assert "broken" not in result, result["broken"]
    if "errno" in result:
        raise OSError(result["errno"], result["text"])
    return result["value"]
