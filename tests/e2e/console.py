# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Console blocks of the documentation, typed as a reader would."""

import json
import os
import pathlib
import re
import subprocess

from conftest import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
END = "--end-of-output--"


def blocks(text):
    """(command, expected output) of each prompt."""
    typed = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("# "):
                typed.append((line[2:], []))
            else:
                typed[-1][1].append(line)
    return [(command, "\n".join(expected)) for command, expected in typed]


def matches(expected, output):
    pattern = ".*".join(re.escape(part) for part in expected.split("…"))
    return re.fullmatch(pattern, output, re.S)


class Shell:
    """One bash that keeps its variables and jobs, as a reader's does."""

    def __init__(self, folder):
        anybind = pathlib.Path(os.environ["ANYBIND"])
        self.bash = subprocess.Popen(
            ["bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env={
                **os.environ,
                # The system's Python, which any user may run.
                "PATH": f"{anybind.parent}:/usr/bin:{os.environ['PATH']}",
                "ANYBIND_PRELOAD": str(
                    anybind.resolve().parents[1] / "preload/libanybind-preload.so"
                ),
            },
        )

    def type(self, line):
        """What the line prints."""
        self.bash.stdin.write(f"{line}\necho {END}\n")
        self.bash.stdin.flush()
        output = []
        for printed in self.bash.stdout:
            if printed.rstrip("\n") == END:
                return "".join(output).rstrip("\n")
            output.append(printed)
        raise AssertionError(f"bash ended after {line}: {''.join(output)}")

    def follow(self, typed):
        """Types all of it, and compares."""
        for command, expected in typed:
            output = self.type(command)
            assert matches(expected, output), f"# {command}\n{output}\nexpected:\n{expected}"
            if command.endswith("&"):
                pid = int(self.type("echo $!"))
                wait_until(lambda: is_ready(command, pid))

    def close(self):
        """Ends what it has started, and itself."""
        self.bash.stdin.write("kill $(jobs -p) 2>/dev/null; wait\n")
        self.bash.stdin.close()
        self.bash.stdout.read()
        self.bash.stdout.close()
        self.bash.wait()


def is_ready(command, pid):
    """
    Does the server listen that was started so? One that registers by itself does
    that last.
    """
    if " run " in command or "examples/agent" in command:
        shown = subprocess.run(
            [os.environ["ANYBIND"], "-n", "play", "-j", "services"], capture_output=True, text=True
        )
        services = json.loads(shown.stdout)["services"]
        return any(one["state"] == "live" for each in services for one in each["sockets"])
    listed = ["ss", "-Hlnp", "--tcp", "--unix"]
    inside = ["ip", "netns", "exec", "play"]
    return any(
        f"pid={pid}," in subprocess.run(words, capture_output=True, text=True).stdout
        for words in (listed, inside + listed)
    )
