# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
import re
import shlex

import pytest
from conftest import command_names, commands_of_build, run, run_on_terminal

# What each command takes besides the global options.
OWN_OPTIONS = {
    "bind": {"--replace", "--force"},
    "pass": {"--replace", "--force"},
    "drop": {"--replace", "--force"},
    "service": {"--replace", "--force"},
    "unbind": {"--force"},
    "apply": {"--force"},
    "agent": {"--policy", "--socket"},
    "register": {"-p", "--pid", "--pidfile", "--listening", "--cookie", "--fd", "--listen-fds",
                 "-a", "--add", "-w", "--weight", "--wait"},
    "follow": {"--cgroup", "--unit", "-w", "--weight", "--wait"},
    "unfollow": {"--cgroup", "--unit"},
    "run": {"--bind", "--only", "-a", "--add", "--replace", "--force"},
    "unregister": {"-4", "--ipv4", "-6", "--ipv6", "--cookie", "--wait"},
}
GLOBAL_OPTIONS = {"-n", "--netns", "-j", "--json", "-v", "--verbose", "-h", "--help", "-V",
                  "--version"}
COMMANDS = ["agent", "apply", "bind", "check", "diff", "drop", "explain", "follow", "load", "pass",
            "register", "register-pid", "rules", "run", "service", "services", "status", "unbind",
            "unfollow", "unload", "unregister"]


def options_in(text):
    """The options that have a line of their own."""
    lines = re.findall(r"^ +(-.*?)(?:  |$)", text, re.M)
    return {word for line in lines for word in re.findall(r"--?[a-z0-9A-Z-]+", line)}


def test_overview_lists_every_command():
    # `upgrade` may come beside these; none of them may go.
    assert set(COMMANDS) <= set(command_names())
    assert sorted(command_names()) == commands_of_build()


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("-jh",), ("-n", "blue", "--help")])
def test_overview(words):
    result = run(*words)
    assert (result.code, result.err) == (0, b"")
    assert result.out.startswith(b"Usage: anybind [OPTIONS] COMMAND")
    assert options_in(result.out.decode()) == GLOBAL_OPTIONS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_command(command):
    result = run(command, "--help")
    text = result.out.decode()
    assert (result.code, result.err) == (0, b"")
    assert text.startswith(f"Usage: anybind [OPTIONS] {command}")
    assert options_in(text) == GLOBAL_OPTIONS | OWN_OPTIONS.get(command, set())
    assert "\nExamples:\n  " in text
    assert max(map(len, text.splitlines())) <= 90
    for words in (("-h", command), (command, "-h"), (command, "-j", "too", "many", "--help")):
        again = run(*words)
        assert (again.code, again.out, again.err) == (0, result.out, b"")


@pytest.mark.parametrize("words", [("--bogus", "--help"), ("bind", "--bogus", "--help"),
                                   ("bogus", "-h"), ("register", "--fd", "x", "-h")])
def test_help_succeeds_whatever_else_is_wrong(words):
    result = run(*words)
    assert (result.code, result.err) == (0, b"")
    assert result.out.startswith(b"Usage: ")


def test_version():
    result = run("--version")
    assert result.code == 0
    assert re.fullmatch(rb"anybind \d+\.\d+\.\d+\n", result.out)
    release = result.out.decode().split()[1]
    assert run("-V", "status").out == result.out
    assert run("-j", "-V").document()["release"] == release


def test_bold_only_on_a_terminal_that_wants_it():
    assert b"\x1b" not in run("bind", "--help", env={"TERM": "xterm"}).out
    assert b"\x1b[1m--replace\x1b[0m" in run_on_terminal("bind", "--help", env={"NO_COLOR": ""}).out
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb", "NO_COLOR": ""}):
        assert b"\x1b" not in run_on_terminal("bind", "--help", env=env).out


def split_at(words, separators):
    parts = [[]]
    for word in words:
        if word in separators:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def test_every_example_is_understood(tmp_path):
    """Examples in --help pass the command line's checks: no usage error."""
    tried = 0
    for command in COMMANDS:
        examples = run(command, "--help").out.decode().split("\nExamples:\n")[1]
        for line in re.findall(r"^  (anybind [^\n]*)", examples, re.M):
            lexer = shlex.shlex(re.sub(r'"\$\(.*?\)"', "1", line), posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            for part in split_at(list(lexer), {";", "|", "&&"}):
                words = split_at(part, {">"})[0]
                if not words or words[0] != "anybind":
                    continue
                if "-n" in words:  # nothing may happen in a namespace that exists
                    at = words.index("-n")
                    del words[at : at + 2]
                result = run("-n", "no-such-namespace", *words[1:], cwd=tmp_path)
                assert result.code in (0, 1), (line, result.err)
                tried += 1
    assert tried >= len(COMMANDS)
