#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
A server without any privilege that is reached wherever the service's rules say:
it listens on loopback, has anybind's agent register that, and tells each client
at which address it was asked. register() is all that another program needs.

    agent.py SERVICE [PATH-OF-AGENT]
"""

import contextlib
import select
import socket
import struct
import sys

AGENT = "/run/anybind/agent.sock"
# As anybind-agent(8) describes them.
REQUEST = struct.Struct("=4sHH64s")
ANSWER = struct.Struct("=4sHHihHHH")
MAGIC, VERSION, REGISTER = b"ANYB", 1, 1


def register(service, sockets, agent=AGENT):
    """Has the agent register the sockets (or descriptors); OSError says why it does not."""
    fds = [item if isinstance(item, int) else item.fileno() for item in sockets]
    name = service.encode()
    if len(name) > 64:
        raise ValueError(f"'{service}' is too long for a service's name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(60)
        connection.connect(agent)
        # An agent that is too busy to read the request answers all the same, and hangs up.
        with contextlib.suppress(BrokenPipeError):
            socket.send_fds(connection, [REQUEST.pack(MAGIC, VERSION, REGISTER, name)], fds)
        try:
            message = connection.recv(4096)
        except ConnectionResetError:
            message = connection.recv(4096)
    if len(message) < ANSWER.size or message[:4] != MAGIC:
        raise ConnectionError("the agent hung up without an answer")
    _, _, registered, code, descriptor, text_len, hint_len, _ = ANSWER.unpack_from(message)
    if code == 0:
        return registered
    text = message[ANSWER.size :][:text_len].decode()
    hint = message[ANSWER.size + text_len :][:hint_len].decode()
    place = f"socket {descriptor}: " if descriptor >= 0 else ""
    raise OSError(-code, f"{place}{text}. {hint}")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("Usage: agent.py SERVICE [PATH-OF-AGENT]")
    listeners = [
        socket.create_server(("127.0.0.1", 0)),
        socket.create_server(("::1", 0), family=socket.AF_INET6),
    ]
    try:
        register(sys.argv[1], listeners, *sys.argv[2:])
    except OSError as error:
        sys.exit(f"agent.py: {error.strerror or error}")
    print("registered", flush=True)
    while True:
        for listener in select.select(listeners, [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                host, port = connection.getsockname()[:2]
                connection.sendall(f"asked at {host} port {port}\n".encode())


if __name__ == "__main__":
    main()
