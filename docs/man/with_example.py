#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Prints a manual page with a program in place of its line @EXAMPLE@."""

import sys

page, program = sys.argv[1:]


def escaped(line):
    line = line.rstrip("\n").replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + line if line[:1] in (".", "'") else line


with open(program, encoding="utf-8") as file:
    # The licence of the program is the page's.
    example = "\n".join(escaped(line) for line in file if "SPDX" not in line)
with open(page, encoding="utf-8") as file:
    text = file.read()
if text.count("\n@EXAMPLE@\n") != 1:
    sys.exit(f"{page}: one line @EXAMPLE@ is needed")
print(text.replace("\n@EXAMPLE@\n", f"\n{example}\n"), end="")
