# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What README.md shows is what happens: its console blocks are typed, and the output compared."""

import contextlib
import re

from console import ROOT, Shell, blocks

README = ROOT / "README.md"


def test_console_blocks(tmp_path):
    typed = blocks(README.read_text())
    assert len(typed) > 15
    with contextlib.closing(Shell(tmp_path)) as shell:
        shell.follow(typed)


def test_example_rules_are_rules(anybind, tmp_path):
    """The indented example at the top is made of valid commands."""
    rules = re.findall(r"^    anybind (bind .*)$", README.read_text(), re.M)
    assert len(rules) >= 4
    file = tmp_path / "rules.conf"
    file.write_text("\n".join(rules) + "\n")
    anybind("check", file)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https:)([^)#]+)\)", README.read_text()):
        assert (ROOT / target).exists(), target
