# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What README.md shows is what happens: its console blocks are typed, and the output compared."""

import os
import pathlib
import re
import subprocess

from conftest import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
END = "--end-of-output--"


def blocks():
    """(command, expected output) of each prompt in README.md."""
    text = (ROOT / "README.md").read_text()
    typed = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("# "):
                typed.append((line[2:], []))
            else:
                typed[-1][1].append(line)
    return [(command, "\n".join(expected)) for command, expected in typed]


class Shell:
    """One bash that keeps its variables and jobs, as a reader's does."""

    def __init__(self, folder):
        path = os.path.dirname(os.environ["ANYBIND"]) + ":" + os.environ["PATH"]
        self.bash = subprocess.Popen(
            ["bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env={**os.environ, "PATH": path},
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

    def close(self):
        self.bash.stdin.close()
        self.bash.stdout.close()
        self.bash.wait()


def matches(expected, output):
    pattern = ".*".join(re.escape(part) for part in expected.split("…"))
    return re.fullmatch(pattern, output, re.S)


def listens(shell):
    """The server that the shell started last, in namespace play."""
    pid = shell.type("echo $!")
    sockets = subprocess.run(
        ["ip", "netns", "exec", "play", "ss", "-Hlntp"], capture_output=True, text=True
    )
    return f"pid={pid}," in sockets.stdout


def test_console_blocks(tmp_path):
    typed = blocks()
    assert len(typed) > 15
    shell = Shell(tmp_path)
    try:
        for command, expected in typed:
            output = shell.type(command)
            assert matches(expected, output), f"# {command}\n{output}\nexpected:\n{expected}"
            if command.endswith("&"):
                wait_until(lambda: listens(shell))
    finally:
        shell.close()


def test_example_rules_are_rules(anybind, tmp_path):
    """The indented example at the top is made of valid commands."""
    text = (ROOT / "README.md").read_text()
    rules = re.findall(r"^    anybind (bind .*)$", text, re.M)
    assert len(rules) >= 4
    file = tmp_path / "rules.conf"
    file.write_text("\n".join(rules) + "\n")
    anybind("check", file)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https:)([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
