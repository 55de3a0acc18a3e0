# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Manual pages and completion, made from the tables of the program."""

import pathlib
import re
import subprocess

import pytest
from conftest import BUILD, command_names, commands_of_build, run

PAGES = ["anybind"] + ["anybind-" + name for name in commands_of_build()]
SOURCE = pathlib.Path(__file__).parents[2]
FILES = {("anybind-policy", "5"): SOURCE / "docs/man/anybind-policy.5",
         ("anybind-rules", "5"): SOURCE / "docs/man/anybind-rules.5",
         ("anybind-sockets", "7"): BUILD / "docs/man/anybind-sockets.7",
         ("anybind-systemd", "7"): SOURCE / "docs/man/anybind-systemd.7",
         ("libanybind", "3"): BUILD / "docs/man/libanybind.3",
         **{(page, "8"): BUILD / "cli" / (page + ".8") for page in PAGES}}


@pytest.mark.parametrize("file", FILES.values(), ids=lambda file: file.name)
def test_page_is_clean(file):
    # What a page refers to is another page's matter, so those are left out.
    done = subprocess.run(["mandoc", "-Tlint", "-Wstyle", str(file)],
                          capture_output=True, text=True)
    complaints = [line for line in done.stdout.splitlines() + done.stderr.splitlines()
                  if "referenced manual not found" not in line and "mandoc.db" not in line]
    assert complaints == []


@pytest.mark.parametrize("page", PAGES)
def test_page_says_what_help_says(page):
    text = subprocess.run(["mandoc", "-Tascii", "-Owidth=1000", str(BUILD / "cli" / (page + ".8"))],
                          capture_output=True, text=True, check=True).stdout
    text = re.sub(r".\x08", "", text)
    command = page.partition("-")[2]
    shown = run(*([command] if command else []), "--help").out.decode()
    options = shown.split("\nOptions:\n")[1].split("\n\n")[0] if "\nOptions:\n" in shown else ""
    for option in re.findall(r"--[a-z0-9-]+", options):
        assert option in text
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"):
        assert f"\n{heading}\n" in text
    examples = shown.split("\nExamples:\n")[1]
    for example in re.findall(r"^  (\S.*)$", examples, re.M):
        assert example in text


def references(file):
    return set(re.findall(r"^\.(?:It )?Xr (\S*anybind\S*) (\d)", file.read_text(), re.M))


def test_references_are_to_pages_that_exist():
    for file in FILES.values():
        assert references(file) <= FILES.keys()


def test_every_page_is_referred_to():
    assert references(FILES["anybind", "8"]) == FILES.keys() - {("anybind", "8")}


def test_library_page_has_every_function():
    header = (SOURCE / "include/anybind.h").read_text()
    page = FILES["libanybind", "3"].read_text()
    synopsis = page.split(".Sh SYNOPSIS")[1].split(".Sh DESCRIPTION")[0]
    functions = re.findall(r"^\w[^;{}#/]*?\b(anybind_\w+)\([^*]", header, re.M)
    assert len(functions) > 30
    for name in functions:
        assert len(re.findall(rf"^\.F[no] {name}\b", synopsis, re.M)) == 1, name
        assert re.search(rf"^\.Fn {name}$", page.split(".Sh DESCRIPTION")[1], re.M) or \
            name.endswith("_free") or name.endswith(("_count", "_get")), name


def complete(*words):
    """What bash offers for the last of @words."""
    script = """
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _anybind
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "--norc", "-uc", script, "bash",
                           str(BUILD / "completions" / "anybind"), *words],
                          capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [word for word in done.stdout.split("\n") if word]


def test_completes_commands():
    assert sorted(complete("anybind", "")) == sorted(command_names())
    assert complete("anybind", "sta") == ["status"]
    assert complete("anybind", "-n", "blue", "unb") == ["unbind"]


def test_completes_options():
    assert complete("anybind", "--ver") == ["--verbose", "--version"]
    assert complete("anybind", "bind", "web", "--re") == ["--replace"]
    assert complete("anybind", "--json", "register", "web", "--listen-") == ["--listen-fds"]
    assert complete("anybind", "status", "--re") == []


def test_completes_words_and_values():
    assert complete("anybind", "unregister", "web", "u") == ["udp"]
    assert "lo" in complete("anybind", "bind", "web", "tcp", "any", "80", "dev", "")
    assert "1" in complete("anybind", "register", "web", "--pid", "1")
    assert "/sys/fs" in complete("anybind", "follow", "web", "--cgroup", "/sys/f")
    assert complete("anybind", "follow", "web", "--cgroup", "/", "t") == ["tcp"]
    assert complete("anybind", "status", "") == []


def test_completes_files(rules):
    path = rules("", name="a $(touch name).conf")
    assert complete("anybind", "apply", path[:-3]) == [path]
    assert complete("anybind", "register", "web", "--pidfile", path[:-3]) == [path]
