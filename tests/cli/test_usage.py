# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
import pytest
from conftest import command_names, run

WHOSE_SOCKETS = ("register: whose sockets? Give --pid, --pidfile, --cookie, --listening, --fd or "
                 "--listen-fds")
ONE_SOURCE = ("register: --pid, --pidfile, --cookie, --listening, --fd and --listen-fds exclude "
              "each other")
TOO_MUCH = 'register: "tcp" is too much without --pid, --pidfile or --listening'
LISTENING = "register: --listening on what? Give PROTO and ADDR:PORT"
NO_COOKIE = '--cookie: "{}" is no socket cookie, such as 4711 or 0x1267'
NO_ADDRESS = ('register-pid: "{}" "{}" is no address and port, such as 192.0.2.1 80 or '
              "2001:db8::1 80")

MISTAKES = [
    ("", "which command?"),
    ("-v", "which command?"),
    ("--", "which command?"),
    ("bogus", 'unknown command "bogus"'),
    ("-- --help", 'unknown command "--help"'),
    ("--bogus", 'unknown option "--bogus"'),
    ("--jsno status", 'unknown option "--jsno"; did you mean --json?'),
    ("-x status", 'unknown option "-x" in "-x"'),
    ("-vx status", 'unknown option "-x" in "-vx"'),
    ("--force apply -", 'unknown option "--force"'),  # a command's own option before it
    ("-n", "-n needs a value: NETNS"),
    ("status --netns", "--netns needs a value: NETNS"),
    ("status --netns=", "--netns: NETNS is empty"),
    ("status -n a --netns b", "--netns is given twice"),
    ("status --json=yes", "--json takes no value"),
    ("status --force", 'unknown option "--force"'),
    ("status now", 'status: "now" is too much'),
    ("load all", 'load: "all" is too much'),
    ("rules web", 'rules: "web" is too much'),
    ("services -- -n", 'services: "-n" is too much'),
    ("bind", "bind: NAME is missing"),
    ("pass", "pass: PROTO is missing"),
    ("drop", "drop: PROTO is missing"),
    ("service", "service: NAME is missing"),
    ("unbind", "unbind: NAME is missing"),
    ("bind --replce web tcp any 80", 'unknown option "--replce"; did you mean --replace?'),
    ("unbind --replace web tcp any 80", 'unknown option "--replace"'),
    ("apply", "apply: FILE is missing"),
    ("apply --replace -", 'unknown option "--replace"'),
    ("check", "check: FILE is missing"),
    ("check a b", 'check: "b" is too much'),
    ("diff", "diff: FILE is missing"),
    ("register", "register: SERVICE is missing"),
    ("register web", WHOSE_SOCKETS),
    ("register web tcp", WHOSE_SOCKETS),
    ("register web --pid", "--pid needs a value: PID"),
    ("register web --pid 0", '--pid: "0" is not in the range 1 to 2147483647'),
    ("register web --pid -1", '--pid: "-1" is not a number'),
    ("register web --pid 2147483648", '--pid: "2147483648" is not in the range 1 to 2147483647'),
    ("register web --pid 99999999999999999999999", '--pid: "99999999999999999999999" is not in '
     "the range 1 to 2147483647"),
    ("register web --pid 1x", '--pid: "1x" is not a number'),
    ("register web --pid +1", '--pid: "+1" is not a number'),
    ("register web --pid 0x1", '--pid: "0x1" is not a number'),
    ("register web --pid=", '--pid: "" is not a number'),
    ("register web --pid 1 --pid 2", "--pid is given twice"),
    ("register web --fd -1", '--fd: "-1" is not a number'),
    ("register web --fd 80abc", '--fd: "80abc" is not a number'),
    ("register web --fd 3 --pid 1", ONE_SOURCE),
    ("register web --fd 3 --listen-fds", ONE_SOURCE),
    ("register web --pid 1 --pidfile a", ONE_SOURCE),
    ("register web --cookie 1 --listening tcp [::]:80", ONE_SOURCE),
    ("register web --fd 3 tcp", TOO_MUCH),
    ("register web --cookie 1 tcp", TOO_MUCH),
    ("register web --cookie=", "--cookie: N is empty"),
    ("register web --cookie 0", NO_COOKIE.format("0")),
    ("register web --cookie 0x", NO_COOKIE.format("0x")),
    ("register web --cookie -1", NO_COOKIE.format("-1")),
    ("register web --cookie 12ab", NO_COOKIE.format("12ab")),
    ("register web --cookie 0x12g", NO_COOKIE.format("0x12g")),
    ("register web --cookie 18446744073709551616", NO_COOKIE.format("18446744073709551616")),
    ("register web --cookie 0x10000000000000000", NO_COOKIE.format("0x10000000000000000")),
    ("register web --cookie 1 --cookie 2", "--cookie is given twice"),
    ("register web --pidfile", "--pidfile needs a value: FILE"),
    ("register web --listening", LISTENING),
    ("register web --listening tcp", LISTENING),
    ("register web --listening sctp 192.0.2.1:80", 'register: "sctp" is neither tcp nor udp'),
    ("register web --listening tcp [::1]", 'register: "[::1]" is no address with a port, such as '
     "192.0.2.1:80 or [2001:db8::1]:80"),
    ("register-pid", "register-pid: PID|FILE is missing"),
    ("register-pid 1 web tcp 127.0.0.1", "register-pid: PORT is missing"),
    ("register-pid 1 web tcp 127.0.0.1 80 x", 'register-pid: "x" is too much'),
    ("register-pid 1 web sctp 127.0.0.1 80", 'register-pid: "sctp" is neither tcp nor udp'),
    ("register-pid 1 web tcp [::1] 80", NO_ADDRESS.format("[::1]", "80")),
    ("register-pid 1 web tcp 127.0.0.1:80 80", NO_ADDRESS.format("127.0.0.1:80", "80")),
    ("register-pid 1 web tcp 127.0.0.1 65536", NO_ADDRESS.format("127.0.0.1", "65536")),
    ("register-pid 1 web tcp 127.0.0.1 http", NO_ADDRESS.format("127.0.0.1", "http")),
    ("register web --pid 1 sctp", 'register: "sctp" is neither tcp nor udp'),
    ("register web --pid 1 tcp 80", 'register: "80" is no address with a port, such as '
     "192.0.2.1:80 or [2001:db8::1]:80"),
    ("register web --pid 1 tcp ::1:80", 'register: "::1:80" is no address with a port, such as '
     "192.0.2.1:80 or [2001:db8::1]:80"),
    ("register web --pid 1 tcp 192.0.2.1:65536", 'register: "192.0.2.1:65536" is no address with '
     "a port, such as 192.0.2.1:80 or [2001:db8::1]:80"),
    ("register web --pid 1 tcp 192.0.2.1:80 x", 'register: "x" is too much'),
    ("agent now", 'agent: "now" is too much'),
    ("agent --policy=", "--policy: FILE is empty"),
    ("agent --socket a --socket b", "--socket is given twice"),
    ("unregister", "unregister: SERVICE is missing"),
    ("unregister web icmp", 'unregister: "icmp" is neither tcp nor udp'),
    ("unregister web -4 -6", "unregister: -4 and -6 exclude each other; without them both are "
     "meant"),
    ("unregister web --cookie 0", NO_COOKIE.format("0")),
    ("unregister web --cookie x", NO_COOKIE.format("x")),
    ("unregister web -46", "unregister: -4 and -6 exclude each other; without them both are "
     "meant"),
    ("run", "run: SERVICE is missing"),
    ("run web", "run: COMMAND is missing"),
    ("run web --", "run: COMMAND is missing"),
    ("run web nginx -g daemon", 'unknown option "-g" in "-g"'),
    ("run web --bind= -- true", "--bind: STATEMENT is empty"),
    ("run web --only sctp -- true", 'run: "sctp" is not of the form "udp" or "tcp 192.0.2.1:80"'),
    ("explain", "explain: PROTO is missing"),
    ("explain tcp", "explain: SRC:PORT is missing"),
    ("explain tcp 192.0.2.1:1", "explain: DST:PORT is missing"),
    ("explain tcp,udp 192.0.2.1:1 192.0.2.2:2", 'explain: "tcp,udp" is neither tcp nor udp'),
    ("explain tcp 192.0.2.1 192.0.2.2:2", 'explain: "192.0.2.1" is no address with a port, such '
     "as 192.0.2.1:80 or [2001:db8::1]:80"),
    ("explain tcp [::1]80 [::1]:80", 'explain: "[::1]80" is no address with a port, such as '
     "192.0.2.1:80 or [2001:db8::1]:80"),
    ("explain tcp [::1:1 [::1]:80", 'explain: "[::1:1" is no address with a port, such as '
     "192.0.2.1:80 or [2001:db8::1]:80"),
    ("explain tcp [192.0.2.1]:1 192.0.2.2:2", 'explain: "[192.0.2.1]:1" is no address with a port, '
     "such as 192.0.2.1:80 or [2001:db8::1]:80"),
    ("explain tcp 192.0.2.1: 192.0.2.2:2", 'explain: "192.0.2.1:" is no address with a port, such '
     "as 192.0.2.1:80 or [2001:db8::1]:80"),
    ("explain tcp 192.0.2.1:1 [::1]:2", 'explain: a packet from "192.0.2.1:1" to "[::1]:2" would '
     "be of two address families"),
    ("explain tcp 192.0.2.1:1 192.0.2.2:2 dev", "explain: dev which interface?"),
    ("explain tcp 192.0.2.1:1 192.0.2.2:2 on eth0", 'explain: "on" stands where only dev can'),
    ("explain tcp 192.0.2.1:1 192.0.2.2:2 dev a b", 'explain: "b" is too much'),
]


@pytest.mark.parametrize("line, message", MISTAKES)
def test_mistake(line, message):
    words = line.split()
    result = run(*words)
    assert (result.code, result.out) == (2, b"")
    first, *hint = result.err.decode().splitlines()
    assert first == "anybind: " + message + (" (EINVAL)" if "-v" in line else "")
    assert hint[0].startswith("  Usage: anybind [OPTIONS] ")
    assert all(text.startswith("  ") for text in hint)
    assert hint[-1].startswith("  Type `anybind ")

    # The same as a document, wherever -j stands; at the end it may be a value or a word.
    at_end = "--" not in words and "needs a value" not in message
    for place in (0, len(words)) if at_end else (0,):
        result = run(*words[:place], "-j", *words[place:])
        document = result.document()
        assert result.code == 2
        assert document["error"] == document["errors"][0]
        assert document["error"]["message"] == message
        assert document["error"]["code"] == "EINVAL"
        assert document["error"]["hint"].startswith("Usage: anybind")
        assert (document["error"]["source"], document["error"]["line"]) == (None, None)
        assert len(document["errors"]) == 1


@pytest.mark.parametrize("typed, meant", [("sttus", "status"), ("stauts", "status"),
                                          ("bnd", "bind"), ("unlod", "unload"),
                                          ("register-", "register"), ("rule", "rules"),
                                          ("srevices", "services"), ("Load", "load")])
def test_unknown_command_suggests_the_near_one(typed, meant):
    result = run(typed)
    assert result.code == 2
    assert result.err.decode().startswith(
        f'anybind: unknown command "{typed}"; did you mean {meant}?\n')


@pytest.mark.parametrize("typed", ["x", "ab", "frobnicate", "a" * 500, ""])
def test_unknown_command_far_from_all(typed):
    result = run(typed)
    assert result.code == 2
    assert "did you mean" not in result.err.decode()


def test_every_command_suggests_itself():
    for command in command_names():
        assert f"did you mean {command}?" in run(command + "x").err.decode()


@pytest.mark.parametrize("words", [("bind", "web", "tcp", "300.0.0.1", "80"),
                                   ("pass", "sctp", "any", "80"),
                                   ("drop", "tcp any 70000"),
                                   ("service", "we/b"),
                                   ("unbind", "pass", "tcp", "any")])
def test_statement_that_cannot_be_read(words):
    """It is read before anything is opened, so no privilege is needed to hear of it."""
    result = run("-n", "no-such-namespace", *words)
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith(b"anybind: ")
    assert b"no-such-namespace" not in result.err
    document = run("-n", "no-such-namespace", *words, "-j").document()
    assert document["error"]["code"] in ("EINVAL", "ERANGE")


HOSTILE = [b"\x1b[31mred", b"a\nb", b"\xff\xfe", b"\xc2\x9b2J", b"\xed\xa0\x80", b"\xc0\x80",
           b"\xf4\x90\x80\x80", "\u202eevil".encode(), b"tab\t", b"\x7f", b"cut\xe2\x82"]


@pytest.mark.parametrize("word", HOSTILE)
@pytest.mark.parametrize("place", [("{}",), ("check", "{}"), ("status", "{}"), ("bind", "{}"),
                                   ("--{}",), ("-{}",), ("register", "web", "--fd={}"),
                                   ("explain", "tcp", "{}", "{}"), ("-n", "no-such-{}", "status")])
def test_outside_text_cannot_steer_the_terminal(word, place):
    words = [part.encode().replace(b"{}", word) for part in place]
    result = run(*words)
    assert result.code in (1, 2)
    text = result.err.decode()  # valid UTF-8, whatever was typed
    assert not any(c < " " and c != "\n" or "\x7f" <= c < "\xa0" or c == "\u202e" for c in text)
    assert text.startswith("anybind: ")
    assert all(line.startswith("  ") for line in text.splitlines()[1:])
    document = run("-j", *words).document()
    assert document["error"]["message"]


def test_what_is_harmless_stays_readable():
    assert '"grün"' in run("grün").err.decode()
