# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
import os
import subprocess

import pytest
from conftest import run

GOOD = """\
# A comment.
service web missing pass
bind web tcp 192.0.2.0/24 80,443
bind dns udp 192.0.2.53 53   # another
pass tcp any 22
drop udp any any except 53 from 198.51.100.0/24
"""


def test_check_counts(rules):
    path = rules(GOOD)
    result = run("check", path)
    assert (result.code, result.err) == (0, b"")
    # web 2, dns 1, pass 2 families, drop 2 ranges of one family
    assert result.out.decode() == f"{path}: 7 rules, 2 services\n"
    document = run("check", path, "-j").document()
    assert {key: document[key] for key in ("file", "rules", "services")} == {
        "file": path, "rules": 7, "services": 2}
    assert "error" not in document and document["warnings"] == []


def test_check_one_is_singular(rules):
    path = rules("bind web tcp 192.0.2.1 80\n")
    assert run("check", path).out.decode() == f"{path}: 1 rule, 1 service\n"


def test_check_standard_input():
    result = run("check", "-", input=GOOD.encode())
    assert (result.code, result.out) == (0, b"stdin: 7 rules, 2 services\n")
    assert run("check", "--", "-", input=b"").out == b"stdin: 0 rules, 0 services\n"


def test_check_reads_pipes_in_pieces(tmp_path):
    """Larger than a pipe and than the first buffer; with no newline at the end."""
    lines = [f"bind web tcp 10.{i >> 16}.{i >> 8 & 255}.{i & 255} 80" for i in range(20000)]
    result = run("check", "-", input="\n".join(lines).encode())
    assert (result.code, result.out) == (0, b"stdin: 20000 rules, 1 service\n")


def test_check_reports_every_error_at_its_line(rules):
    path = rules("bind web tcp 192.0.2.0/24 80\nbogus\n\npass tcp any 70000\n")
    result = run("check", path)
    assert (result.code, result.out) == (1, b"")
    errors = [line for line in result.err.decode().splitlines() if not line.startswith("  ")]
    assert [line.split(": ", 2)[:2] for line in errors] == [
        ["anybind", f"{path}:2"], ["anybind", f"{path}:4"]]
    document = run("check", path, "-j").document()
    assert [(e["source"], e["line"]) for e in document["errors"]] == [(path, 2), (path, 4)]
    assert document["error"] == document["errors"][0]
    assert all(error["code"] in ("EINVAL", "ERANGE") for error in document["errors"])
    assert "rules" not in document


def test_verbose_names_the_errno(rules):
    path = rules("bogus\n")
    assert b"(EINVAL)\n" in run("check", "-v", path).err
    assert b"(EINVAL)" not in run("check", path).err
    assert "detail" in run("check", "-jv", path).document()["error"]
    assert "detail" not in run("check", "-j", path).document()["error"]


def test_errors_beyond_the_twentieth_are_counted(rules):
    path = rules("bogus\n" * 25)
    text = run("check", path).err.decode()
    assert text.count(f"{path}:") == 20
    assert text.endswith("anybind: … and 5 more errors\n")
    document = run("check", path, "-j").document()
    assert (len(document["errors"]), document["errors_omitted"]) == (20, 5)
    assert "… and 1 more error\n" in run("check", rules("bogus\n" * 21)).err.decode()


@pytest.mark.parametrize("text", [b"\x1b[2J\n", b"bind \xff\xfe tcp any 80\n", b"\x00\x00\n",
                                  b"pass tcp any 22 dev \x9b\n", b"\xe2\x80\xae" * 100 + b"\n"])
def test_hostile_files(rules, text):
    path = rules(text)
    result = run("check", path)
    assert result.code == 1
    message = result.err.decode()
    assert not any(c < " " and c != "\n" or "\x7f" <= c < "\xa0" or c == "\u202e" for c in message)
    assert run("check", path, "-j").document()["error"]["line"] == 1


@pytest.mark.parametrize("command", ["check", "apply", "diff"])
def test_unreadable(command, tmp_path):
    """The file comes first: no namespace is opened, so no privilege is needed."""
    for path, reason, code in (
            (tmp_path, "it is a directory", "EISDIR"),
            (tmp_path / "none", "No such file or directory", "ENOENT"),
            ("/proc/self/mem", "Input/output error", "EIO")):
        words = ("-n", "no-such-namespace", command, str(path))
        result = run(*words)
        assert (result.code, result.out) == (1, b"")
        first = result.err.decode().splitlines()[0]
        assert first == f'anybind: cannot read "{path}": {reason}'
        assert run("-j", *words).document()["error"]["code"] == code


def test_too_large(tmp_path):
    path = tmp_path / "large"
    with open(path, "wb") as file:
        os.truncate(file.fileno(), (1 << 30) + 1)  # sparse
    result = run("check", str(path))
    assert result.code == 1
    assert result.err.decode() == f'anybind: cannot read "{path}": larger than 1 GiB\n'


def test_full_output_is_an_error(rules):
    path = rules(GOOD)
    for option in (), ("-j",):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([os.environ["ANYBIND"], *option, "check", path], stdout=full,
                                  stderr=subprocess.PIPE)
        assert done.returncode == 1
        assert done.stderr.startswith(b"anybind: cannot write to standard output")


@pytest.mark.parametrize("command", ["apply", "diff"])
def test_errors_in_a_file_come_before_the_namespace(command, rules):
    result = run("-n", "no-such-namespace", command, rules("bogus\n"))
    assert result.code == 1
    assert b"rules.conf:1: " in result.err
    assert b"no-such-namespace" not in result.err


@pytest.mark.parametrize("words", [("load",), ("unload",), ("status",), ("rules",), ("services",),
                                   ("bind", "web", "tcp", "any", "80"), ("pass", "tcp any 22"),
                                   ("drop", "--force", "tcp", "any", "22"),
                                   ("service", "web", "missing", "pass", "--replace"),
                                   ("service", "web", "fallback", "sorry"),
                                   ("unbind", "web", "tcp", "any", "80"),
                                   ("unbind", "service web"),
                                   ("apply", "-"), ("diff", "-"),
                                   ("register", "web", "--pid", "1", "tcp", "[::]:80"),
                                   ("register", "web", "--fd", "0", "--fd=1"),
                                   ("register", "web", "--listen-fds"),
                                   ("register", "web", "--listening", "udp", "[::]:53"),
                                   ("register", "web", "--cookie", "0xffffffffffffffff"),
                                   ("register-pid", "1", "web", "tcp", "::1", "80"),
                                   ("unregister", "web", "udp", "-6"),
                                   ("unregister", "web", "--cookie", "0x1267"),
                                   ("agent",),
                                   ("explain", "udp", "[::1]:1", "[::1]:2", "dev", "lo")])
def test_namespace_that_does_not_exist(words):
    """Every command that looks at a namespace says so, and takes -n before and behind."""
    for line in (("-n", "no-such-namespace", *words), (*words, "--netns=no-such-namespace")):
        result = run(*line)
        assert (result.code, result.out) == (1, b"")
        assert result.err.startswith(b"anybind: ")
        assert b"no-such-namespace" in result.err
        assert run("-j", *line).document()["error"]["code"] == "ENOENT"


# ---- pid files ----


@pytest.mark.parametrize("text, message", [
    (b"", "is empty"), (b"\n", "is empty"), (b"1\n\n", "holds something else"),
    (b"1 2\n", "holds something else"), (b"1\n2\n", "holds something else"),
    (b" 1\n", "holds something else"), (b"-1\n", "holds something else"),
    (b"+1\n", "holds something else"), (b"0\n", "holds something else"),
    (b"1\r\n", "holds something else"), (b"1\0\n", "holds something else"),
    (b"1\0", "holds something else"), (b"\x001\n", "holds something else"),
    (b"2147483648\n", "holds something else"), (b"0" * 5000 + b"1\n", "holds something else"),
    (b"nginx\n", "holds something else"),
    (b"2147483647\n", "names pid 2147483647, and there is no such process"),
    (b"2147483647", "names pid 2147483647, and there is no such process"),
])
def test_pid_files_that_are_refused(rules, text, message):
    """Before the namespace is looked at; register-pid takes a file in the pid's place."""
    path = rules(text, name="server.pid")
    for words in (("register", "web", "--pidfile", path),
                  ("register-pid", path, "web", "tcp", "127.0.0.1", "80")):
        result = run("-n", "no-such-namespace", *words)
        assert (result.code, result.out) == (1, b"")
        first, hint = result.err.decode().splitlines()
        assert first.startswith(f'anybind: "{path}" {message}')
        assert hint.startswith("  ")


@pytest.mark.parametrize("text", [b"1\n", b"1"])
def test_pid_file_that_is_taken(rules, text):
    path = rules(text, name="server.pid")
    for words in (("register", "web", "--pidfile", path, "tcp"),
                  ("register-pid", path, "web", "tcp", "127.0.0.1", "80")):
        result = run("-n", "no-such-namespace", *words)
        assert b"no-such-namespace" in result.err and b"server.pid" not in result.err


def test_pid_files_that_are_not_opened(tmp_path, rules):
    os.mkfifo(tmp_path / "fifo")  # nobody writes: opening it must not wait
    os.symlink(rules(b"1\n", name="server.pid"), tmp_path / "link")
    for name, message in ((tmp_path / "fifo", "is not a regular file"),
                          (tmp_path, "is not a regular file"),
                          ("/dev/zero", "is not a regular file"),
                          (tmp_path / "link", "is a symbolic link and not followed")):
        result = run("-n", "no-such-namespace", "register", "web", "--pidfile", str(name))
        assert result.code == 1
        assert result.err.decode().startswith(f'anybind: "{name}" {message}\n')
    missing = tmp_path / "none"
    result = run("register", "web", "--pidfile", str(missing))
    assert result.err.decode().startswith(
        f'anybind: cannot read "{missing}": No such file or directory\n')
