# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Real servers, with the demo's configurations, and two machines to run them and to ask them."""

import os
import pathlib
import re
import shutil
import signal

from conftest import DEADLINE, wait_until

DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo"

WEB4, WEB6 = "192.0.2.0/24", "2001:db8:80::/64"
DNS4, DNS6 = "203.0.113.0/24", "2001:db8:53::/64"
SERVER4, CLIENT4 = "198.51.100.1", "198.51.100.2"


class Machines:
    """A server with prefixes of its own, and a client that is joined to it."""

    def __init__(self, netns, folder):
        self.server, self.client = netns(), netns()
        self.folder = folder
        folder.chmod(0o755)  # for servers that give up root
        self.server.veth("eth0", self.client, "eth0")
        for ns, host in ((self.server, 1), (self.client, 2)):
            ns.run("ip", "address", "add", f"198.51.100.{host}/24", "dev", "eth0")
            ns.run("ip", "address", "add", f"2001:db8::{host}/64", "dev", "eth0", "nodad")
        self.client.run("ip", "route", "add", "default", "via", SERVER4)
        self.client.run("ip", "-6", "route", "add", "default", "via", "2001:db8::1")
        self.server.any_ip(WEB4, WEB6, DNS4, DNS6)

    def anybind(self, *words, **more):
        return self.server.anybind(*words, **more)

    # ---- servers ----

    def listens(self, process, address, protocol="tcp"):
        """Does the process have a socket bound to that?"""
        sockets = self.server.run("ss", "-Hnlp", f"--{protocol}", "src", address).stdout
        return f"pid={process.pid}," in sockets

    def serve(self, *words, ready, protocol="tcp", **more):
        """Starts a server and waits until it is bound to `ready`."""
        log = open(self.folder / f"{pathlib.Path(words[0]).name}.log", "a")
        with log:
            process = self.server.start(*words, stdout=log, stderr=log, **more)
        wait_until(lambda: self.listens(process, ready, protocol), process)
        return process

    def configured(self, name, edit=lambda text: text):
        """A configuration of the demo in a folder of this test's."""
        file = self.folder / name
        text = (DEMO / name).read_text().replace("@DIR@", str(self.folder))
        file.write_text(edit(text))
        return file

    def nginx(self, edit=lambda text: text):
        file = self.configured("nginx.conf", edit)
        return self.serve("nginx", "-e", "stderr", "-c", file, ready="[::]:8080")

    def unbound(self, edit=lambda text: text):
        file = self.configured("unbound.conf", edit)
        return self.serve("unbound", "-d", "-p", "-c", file, ready="0.0.0.0:53", protocol="udp")

    def knot(self, edit=lambda text: text):
        file = self.configured("knot.conf", edit)
        shutil.copy(DEMO / "example.org.zone", self.folder)
        return self.serve("knotd", "-c", file, ready="0.0.0.0:53", protocol="udp")

    def end(self, process, number=signal.SIGTERM):
        process.send_signal(number)
        process.wait(DEADLINE)

    # ---- clients ----

    def get(self, address, port=80):
        """Who says to have been asked where, or curl's exit code."""
        url = f"http://{f'[{address}]' if ':' in address else address}:{port}/"
        done = self.client.run("curl", "-sS", "--max-time", DEADLINE, url, check=False)
        return done.stdout if done.returncode == 0 else done.returncode

    def asked(self, address, port=80):
        """nginx answers, asked at just that address and port."""
        return self.get(address, port) == f"nginx, asked at {address} port {port}\n"

    def dig(self, address, name, *options):
        """The short answer; None: refused, timed out or sent to nobody."""
        done = self.client.run(
            "dig", "+short", "+tries=1", "+time=5", *options, f"@{address}", name, check=False
        )
        answer = done.stdout.strip()
        return answer if done.returncode == 0 and re.fullmatch(r"[0-9.]+", answer) else None

    def banner(self, address, port):
        return self.client.run("socat", "-T", DEADLINE, "-u", f"TCP:{address}:{port}", "-").stdout


CURL_REFUSED = 7


def children(process):
    """Process ids of its children."""
    text = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return {int(word) for word in text.split()}


# Answers on the descriptor that it was started with.
ANSWER = """
import socket
listener = socket.socket(fileno=3)
while True:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"activated\\n")
"""


def activated(machines, addresses, *words, names=(), before=()):
    """
    `anybind WORDS` with TCP sockets that systemd-socket-activate binds and passes.
    As with a service manager, they stay open when it ends: a server answers on the
    first. Returns anybind's exit code and what it said. `before`: a command that is to
    run it.
    """
    command = ["systemd-socket-activate"]
    for address in addresses:
        command += ["-l", address]
    if names:
        command.append(f"--fdname={':'.join(names)}")
    # LISTEN_PID says whom the descriptors are for: the process to be exec'ed.
    script = """
        answer=$1
        shift
        sh -c 'LISTEN_PID=$$ exec "$@"' sh "$@" >said 2>&1
        echo $? >>said
        exec python3 -c "$answer"
        """
    command += ["sh", "-c", script, "sh", ANSWER, *before, os.environ["ANYBIND"], *words]
    process = machines.server.start(*command, cwd=machines.folder)
    wait_until(lambda: machines.listens(process, addresses[0]), process)
    # It starts the command at the first connection, which is then served.
    host, port = addresses[0].rsplit(":", 1)
    ask = machines.server.run("socat", "-T", DEADLINE, "-u", f"TCP:{host}:{port}", "-")
    assert ask.stdout == "activated\n"
    *said, code = (machines.folder / "said").read_text().splitlines()
    return int(code), "\n".join(said)
