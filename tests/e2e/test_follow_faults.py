# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Follows whose commands are killed or fail: made or not, and nothing left behind."""

import itertools
import json
import os
import pathlib
import signal
import subprocess

import pytest
from conftest import traced, wait_until
from following import answer, cgroup, follows, machines, script, start  # noqa: F401
from servers import WEB4


def bpftool(*words):
    """It fails if something goes while it lists, whoever's it is: then once more."""

    def ask():
        done = subprocess.run(["bpftool", "-j", *words], capture_output=True)
        return done if done.returncode == 0 else None

    return json.loads(wait_until(ask).stdout or "[]")


def in_kernel(ns):
    """Programs and links by which the namespace's sockets are registered."""
    folder = ns.anybind("-j", "status").document["path"]
    map_id = bpftool("map", "show", "pinned", f"{folder}/sockets")["id"]
    programs = {x["id"] for x in bpftool("prog", "show") if map_id in x.get("map_ids", [])}
    links = {x["id"] for x in bpftool("link", "show") if x.get("prog_id") in programs}
    return programs, links


def folders(ns):
    """Follows that have a folder."""
    path = pathlib.Path(ns.anybind("-j", "status").document["path"])
    return list(path.glob("f*")), sorted(entry.name for entry in path.glob("s*-*"))


def expect_tidy(machines, follows_wanted):
    """The follows that are shown, and no trace of any other."""
    assert len(follows(machines.server)) == follows_wanted
    made, groups = folders(machines.server)
    assert len(made) == follows_wanted
    assert all(sorted(os.listdir(folder)) == ["link", "state"] for folder in made)
    assert len(groups) == 2 * follows_wanted  # tcp of both families
    # The kernel frees what is no longer referred to a little later.
    wait_until(lambda: [len(ids) for ids in in_kernel(machines.server)] == [1 + follows_wanted] * 2)


# Whatever changes something beyond the process.
STEPS = "bpf,mkdir,unlink,rmdir"


def steps():
    """Each of the first, then samples: most of the rest empty one slot each."""
    return itertools.chain(range(1, 40), itertools.count(40, 29))


def killed_at(machines, log, number, *words):
    """Kills a command when it begins such a step; was there one?"""
    inject = f"inject={STEPS}:signal=SIGKILL:when={number}"
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = machines.anybind(*words, code=None, env=env,
                            before=["strace", "-f", "-o", log, "-e", inject])
    assert done.code in (0, -signal.SIGKILL, 128 + signal.SIGKILL), str(done)
    return done.code != 0


def test_killed_at_every_step(machines, cgroup, script):
    """Followed or not: nothing between, and nothing left behind."""
    group = cgroup()
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    log = machines.folder / "log"
    outcomes = set()
    start(machines, group, script, "a", "127.0.0.1:8080")
    for number in steps():
        killed = killed_at(machines, log, number, "follow", "web", "--cgroup", group, "tcp")
        made = len(follows(machines.server))
        served = answer(machines) == "a"
        assert made or not served
        machines.anybind("load")  # the next writer clears up
        expect_tidy(machines, made)
        outcomes.add(made)
        if made:
            # Once more, and it is complete.
            machines.anybind("follow", "web", "--cgroup", group, "tcp")
            assert answer(machines) == "a"
            machines.anybind("unfollow", "web")
        if not killed:
            break
    assert outcomes == {0, 1} and number > 20


def test_unfollow_killed_at_every_step(machines, cgroup, script):
    group = cgroup()
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    log = machines.folder / "log"
    outcomes = set()
    start(machines, group, script, "a", "127.0.0.1:8080")
    for number in steps():
        machines.anybind("follow", "web", "--cgroup", group, "tcp")
        killed = killed_at(machines, log, number, "unfollow", "web")
        machines.anybind("load")
        made = len(follows(machines.server))
        expect_tidy(machines, made)
        assert (answer(machines) == "a") == bool(made)
        outcomes.add(made)
        if not killed:
            break
    assert outcomes == {0, 1} and number > 20


# What a command asks of the kernel that can fail, with an errno it fails with.
FAILURES = [("bpf", "ENOMEM"), ("bpf", "EPERM"), ("mkdir", "ENOSPC"), ("mmap", "ENOMEM"),
            ("openat", "EMFILE"), ("fcntl", "EMFILE"), ("sendto", "ENOBUFS"),
            ("name_to_handle_at", "EOPNOTSUPP"), ("fstatfs", "EIO"), ("uname", "EFAULT")]


@pytest.mark.parametrize("syscall,error", FAILURES, ids=["-".join(f) for f in FAILURES])
def test_failure(machines, cgroup, script, syscall, error):
    """Done, or refused with a reason and not followed."""
    group = cgroup()
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    log = machines.folder / "log"
    words = ("follow", "web", "--cgroup", group, "tcp")
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1"}
    start(machines, group, script, "a", "127.0.0.1:8080")
    machines.anybind(*words, before=traced(log, f"openat,{syscall}"), env=env)
    machines.anybind("unfollow", "web")
    # What the dynamic linker calls comes first, before there is a program to fail.
    first = log.read_text().split('"/run/netns/')[0].count(f" {syscall}(")
    refused_once = False
    for number in (first + step for step in steps()):
        inject = f"inject={syscall}:error={error}:when={number}"
        done = machines.anybind(*words, code=None, env=env,
                                before=traced(log, syscall, "-e", inject))
        injected = "(INJECTED)" in log.read_text()
        made = len(follows(machines.server))
        if done.code:
            assert done.code == 1 and "anybind: " in done.err, f"{number}: {done}"
            assert not made, f"{number}: {done}"
            refused_once = True
        else:
            assert made, f"{number}: {done}"
        machines.anybind("load")
        expect_tidy(machines, made)
        if made:
            assert answer(machines) == "a" or "warning" in done.err, f"{number}: {done}"
            machines.anybind("unfollow", "web")
        if not injected:
            break
    assert refused_once and done.code == 0


def test_nothing_leaks(machines, cgroup, script):
    group = cgroup()
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    for _ in range(10):
        machines.anybind("follow", "web", "--cgroup", group, "tcp")
        server = start(machines, group, script, "a", "127.0.0.1:8080")
        open_files = sorted(os.listdir(f"/proc/{server.pid}/fd"))
        machines.anybind("follow", "web", "--cgroup", group, "tcp")
        assert sorted(os.listdir(f"/proc/{server.pid}/fd")) == open_files
        expect_tidy(machines, 1)
        machines.end(server, signal.SIGKILL)
        machines.anybind("unfollow", "web")
        expect_tidy(machines, 0)
    machines.anybind("follow", "web", "--cgroup", group, "tcp")
    programs, links = in_kernel(machines.server)
    machines.anybind("unload")
    wait_until(lambda: not programs & {x["id"] for x in bpftool("prog", "show")})
    assert not links & {x["id"] for x in bpftool("link", "show")}
