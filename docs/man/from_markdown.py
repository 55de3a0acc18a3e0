#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Prints the manual page of a Markdown file of few words: headings, paragraphs, tables, blocks."""

import re
import sys
import textwrap

NAME, SECTION, DATE = "anybind-sockets", 7, "November 22, 2026"
HEADINGS = {"Recipes": "EXAMPLES"}


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return "\\&" + text if text[:1] in (".", "'") else text


def inline(text):
    """Links lose their address; code is bold."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"`([^`]*)`", r"\\fB\1\\fP", escaped(text))


def sentences(text):
    """A sentence begins a line of its own, as mdoc wants it."""
    for sentence in re.split(r"(?<=[.:]) (?=[A-Z`])", text):
        yield from textwrap.wrap(inline(sentence), 78, break_long_words=False,
                                 break_on_hyphens=False)


def table(rows):
    heads, _, *rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    yield ".Bl -tag -width Ds"
    for way, *cells in rows:
        yield f".It {inline(way)}"
        for head, cell in zip(heads[1:], cells):
            yield from sentences(f"{head.capitalize()} {cell}.")
    yield ".El"


def block(lines):
    yield ".Bd -literal -offset indent"
    yield from (escaped(line) for line in lines)
    yield ".Ed"


def body(text):
    text = re.sub(r"<!--.*?-->\n", "", text, flags=re.S)
    after_heading = True
    for part in re.findall(r"```console\n.*?^```$|[^\n]+(?:\n(?!```)[^\n]+)*", text, re.M | re.S):
        lines = part.splitlines()
        heading = re.fullmatch(r"(#+) (.*)", lines[0])
        if heading and len(heading[1]) < 3:
            yield f".Sh {HEADINGS.get(heading[2], 'DESCRIPTION')}"
        elif heading:
            yield f".Ss {heading[2]}"
        elif lines[0] == "```console":
            yield from block(lines[1:-1])
        elif lines[0].startswith("|"):
            yield from table(lines)
        else:
            if not after_heading:
                yield ".Pp"
            yield from sentences(" ".join(lines))
        after_heading = bool(heading)


def see_also(text):
    """Pages that are named, and those of the commands in the tables."""
    pages = {(int(n), page) for page, n in re.findall(r"\b((?:lib)?anybind[a-z-]*)\((\d)\)", text)}
    pages |= {(8, f"anybind-{word}") for word in re.findall(r"^\| \[`([a-z]+)", text, re.M)}
    pages -= {(SECTION, NAME)}
    references = [f".Xr {page} {section} ," for section, page in sorted(pages)]
    return [".Sh SEE ALSO", *references[:-1], references[-1].removesuffix(" ,")]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    title = re.search(r"^# (.*)$", text, re.M)[1]
    print('.\\" SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only')
    print(f".Dd {DATE}\n.Dt {NAME.upper()} {SECTION}\n.Os\n.Sh NAME\n.Nm {NAME}")
    print(f".Nd {title[0].lower()}{title[1:]}")
    print("\n".join([*body(text), *see_also(text)]))


main()
