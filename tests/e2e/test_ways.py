# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The recipes of docs/ways.md are typed, each in a namespace of its own."""

import contextlib
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
from console import ROOT, Shell, blocks

PAGE = (ROOT / "docs/ways.md").read_text()
INTRODUCTION, *PARTS = PAGE.partition("\n## Recipes\n")[2].split("\n### ")
RECIPES = {part.partition("\n")[0]: part for part in PARTS}


def anchor(heading):
    """As forges make it of a heading."""
    return "#" + re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@pytest.fixture
def shell():
    with contextlib.ExitStack() as stack:
        # Not pytest's own folder, which only root can enter.
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/run"))
        pathlib.Path(folder).chmod(0o755)
        shutil.copytree(ROOT / "examples", f"{folder}/examples")
        stack.callback(subprocess.run, ["ip", "netns", "del", "play"])
        made = stack.enter_context(contextlib.closing(Shell(folder)))
        made.follow(blocks(INTRODUCTION))
        yield made
        made.type("anybind -n play unload")


@pytest.mark.parametrize("heading", RECIPES)
def test_recipe(shell, heading):
    typed = blocks(RECIPES[heading])
    assert typed
    shell.follow(typed)


def test_each_row_has_a_recipe():
    rows = re.findall(r"^\| \[`[^`]+`\]\((#[^)]+)\)", PAGE, re.M)
    assert sorted(rows) == sorted(anchor(heading) for heading in RECIPES)
