# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The demo: it checks its own answers, and must notice a wrong one."""

import os
import pathlib
import re
import subprocess
import tempfile

DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo/run"


def run(program):
    env = {**os.environ, "ANYBIND": str(program)}
    return subprocess.run([DEMO], capture_output=True, text=True, timeout=120, env=env)


def test_demo_is_right():
    done = run(os.environ["ANYBIND"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"All \d\d answers were right\.", done.stdout)
    assert "\x1b" not in done.stdout  # no colours where there is no terminal
    assert os.listdir("/run/netns") == []


def test_demo_notices_a_wrong_answer():
    """With a program that says that it did and does not."""
    # Not in /run, which the demo covers.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        lazy = pathlib.Path(folder) / "anybind"
        real = os.environ["ANYBIND"]
        lazy.write_text(f'#!/bin/sh\n[ "$3" = bind ] || exec {real} "$@"\n')
        lazy.chmod(0o755)
        done = run(lazy)
    assert done.returncode == 1
    assert "demo: wrong answer" in done.stderr
