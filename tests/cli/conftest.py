# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The program under test, run without privilege and without a terminal unless asked for."""

import json
import os
import pathlib
import pty
import re
import subprocess

import pytest

BUILD = pathlib.Path(os.environ["ANYBIND_BUILD"])


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def document(self):
        """The one JSON document on standard output; standard error has to be empty."""
        assert self.err == b""
        assert self.out.count(b"\n") == 1
        document = json.loads(self.out)
        assert document["version"] == 1
        assert isinstance(document["warnings"], list)
        return document


def run(*words, input=b"", env=None, **more):
    done = subprocess.run(
        [os.environ["ANYBIND"], *words],
        input=input,
        capture_output=True,
        timeout=60,
        env={**os.environ, **(env or {})},
        **more,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def run_on_terminal(*words, env=None):
    """What the program writes to a terminal."""
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [os.environ["ANYBIND"], *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", **(env or {})},
    )
    os.close(slave)
    output = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not piece:
            break
        output += piece
    os.close(master)
    return Result(child.wait(timeout=60), output, b"")


def command_names():
    """As the overview lists them."""
    overview = run("--help").out.decode()
    listed = overview.split("\nDispatcher:\n")[1].split("\nOptions:\n")[0]
    return re.findall(r"^  ([a-z-]+)  ", listed, re.M)


def commands_of_build():
    """As the build lists them: it installs a manual page for each."""
    pages = (BUILD / "cli").glob("anybind-*.8")
    return sorted(page.name[len("anybind-") : -len(".8")] for page in pages)


@pytest.fixture
def rules(tmp_path):
    """Writes a file of rules; returns its path."""

    def write(text, name="rules.conf"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write
