# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Services of several sockets: shares, weights, members that go, reuseport groups."""

import contextlib
import itertools
import os
import select
import socket

import pytest
from conftest import traced

PREFIX = {socket.AF_INET: "192.0.2.0/24", socket.AF_INET6: "2001:db8::/64"}
ADDRESS = {socket.AF_INET: "192.0.2.7", socket.AF_INET6: "2001:db8::7"}
ANY = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
FLOWS = 400


class Service:
    """UDP sockets of this process behind one rule, and flows to them."""

    def __init__(self, netns, family=socket.AF_INET):
        self.netns, self.family = netns, family
        self.members = []
        netns.any_ip(PREFIX[family])
        netns.anybind("bind", "dns", "udp", PREFIX[family], "53")
        self.clients = [self.bound() for _ in range(FLOWS)]

    def bound(self, port=0, reuseport=False):
        made = self.netns.socket(self.family, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(reuseport))
        made.bind((ANY[self.family], port))
        return made

    def register(self, *sockets, options=()):
        fds = [member.fileno() for member in sockets]
        words = [word for fd in fds for word in ("--fd", fd)]
        self.netns.anybind("register", "dns", *words, *options, pass_fds=fds)

    def add(self, *options):
        member = self.bound()
        self.register(member, options=("--add", *options))
        self.members.append(member)
        return member

    def flows(self, extra=()):
        """Where each client's datagram arrives: {client's index: member}."""
        waiting = [*self.members, *extra]
        arrived = {}
        for index, client in enumerate(self.clients):
            client.sendto(str(index).encode(), (ADDRESS[self.family], 53))
            ready, _, _ = select.select(waiting, [], [], 60)
            assert len(ready) == 1, f"datagram {index} is lost"
            assert ready[0].recv(64) == str(index).encode()
            arrived[index] = ready[0]
        return arrived

    def shown(self):
        (service,) = self.netns.anybind("-j", "services").document["services"]
        return service["sockets"]

    def close(self):
        for each in (*self.members, *self.clients):
            each.close()


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def service(netns, request):
    with contextlib.closing(Service(netns(), request.param)) as made:
        yield made


def count(flows, member):
    return sum(1 for arrived in flows.values() if arrived is member)


def test_flows_follow_weights_and_stay(service):
    light, heavy = service.add(), service.add("--weight", 3)
    flows = service.flows()
    # 1 : 3 of 400; five standard deviations of a fair coin so weighted are 43.
    assert 57 <= count(flows, light) <= 143
    assert count(flows, light) + count(flows, heavy) == FLOWS
    assert service.flows() == flows
    assert [entry["weight"] for entry in service.shown()] == [1, 3]
    assert [entry["share"] for entry in service.shown()] == [0.25, 0.75]


def test_one_more_moves_only_its_share(service):
    for _ in range(4):
        service.add()
    before = service.flows()
    new = service.add()
    after = service.flows()
    moved = {index for index in before if before[index] is not after[index]}
    assert moved and all(after[index] is new for index in moved)
    assert len(moved) == count(after, new) <= FLOWS * 2 // 5


def test_closed_member_is_skipped(service):
    for _ in range(3):
        service.add()
    before = service.flows()
    gone = service.members.pop(1)
    gone.close()
    after = service.flows()
    assert all(after[index] is before[index] for index in before if before[index] is not gone)
    assert sorted(entry["state"] for entry in service.shown()) == ["gone", "live", "live"]
    service.add()  # on this occasion the one that is gone leaves
    assert [entry["state"] for entry in service.shown()] == ["live"] * 3


def test_all_but_one_closed(service):
    for _ in range(20):
        service.add()
    while len(service.members) > 1:
        service.members.pop(0).close()
    assert count(service.flows(), service.members[0]) == FLOWS


def test_drained_member_gets_no_new_flows(service):
    old, new = service.add(), service.add()
    assert count(service.flows(), old)
    service.register(old, options=("--add", "--weight", 0))
    assert count(service.flows(), new) == FLOWS
    service.register(old, options=("--add", "--weight", 1))
    assert count(service.flows(), old)


def test_registering_replaces_all(service):
    for _ in range(3):
        service.add()
    new = service.bound()
    service.register(new)
    assert set(service.flows([new]).values()) == {new}
    assert [entry["state"] for entry in service.shown()] == ["live"]
    new.close()


def test_same_socket_twice_is_one(service):
    member = service.add()
    for _ in range(3):
        service.register(member, options=("--add",))
    assert len(service.shown()) == 1
    assert count(service.flows(), member) == FLOWS


def test_reuseport_group_outlives_its_members(service):
    first = service.bound(reuseport=True)
    group = [first] + [service.bound(first.getsockname()[1], True) for _ in range(3)]
    service.members = group
    service.register(*group)
    assert sum(entry["standby"] for entry in service.shown()) == 3
    assert len(set(service.flows().values())) > 1  # the kernel spreads over the group
    while len(service.members) > 1:
        service.members.pop(0).close()
        service.flows()  # asserts that none is lost


def test_unregister_takes_all_of_a_group(service):
    for _ in range(3):
        service.add()
    done = service.netns.anybind("-j", "unregister", "dns").document
    assert done["unregistered"] == 3
    assert service.shown() == []
    service.netns.anybind("unregister", "dns", code=1)
    service.add()
    assert count(service.flows(), service.members[-1]) == FLOWS


def test_unregister_one_by_cookie(service):
    first, second, third = (service.add() for _ in range(3))
    cookie = service.shown()[1]["cookie"]
    before = service.flows()
    done = service.netns.anybind("-j", "unregister", "dns", "--cookie", hex(cookie)).document
    assert done["unregistered"] == 1
    assert [entry["cookie"] for entry in done["sockets"]] == [cookie]
    after = service.flows()
    gone = {index for index, member in before.items() if member not in after.values()}
    assert {before[index] for index in gone} == {second}
    assert all(after[index] is before[index] for index in before if index not in gone)
    # Gone is gone; another protocol's, and no socket's: refused, and nothing changes.
    shown = service.shown()
    for words in (("--cookie", cookie), ("tcp", "--cookie", shown[0]["cookie"]), ("--cookie", 1)):
        refusal = service.netns.anybind("unregister", "dns", *words, code=1)
        assert f"service dns has no such socket with cookie {words[-1]}" in refusal.err
    assert service.shown() == shown and len(shown) == 2
    for entry in shown:
        service.netns.anybind("unregister", "dns", "--cookie", entry["cookie"])
    assert service.shown() == []
    assert service.netns.anybind("-j", "unregister", "dns", code=1)
    for member in (first, third):
        assert not select.select([member], [], [], 0)[0]


# ---- several kinds at once ----


class Pair:
    """Two kinds of socket of one service."""

    def __init__(self, netns):
        self.sockets = []
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            made = netns.socket(socket.AF_INET, kind)
            made.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                made.listen()
            self.sockets.append(made)
        self.fds = [made.fileno() for made in self.sockets]
        self.words = [word for fd in self.fds for word in ("--fd", fd)]
        self.addresses = {f"127.0.0.1:{made.getsockname()[1]}" for made in self.sockets}

    def close(self):
        for made in self.sockets:
            made.close()


def registered(ns):
    (service,) = ns.anybind("-j", "services").document["services"]
    return {entry["address"] for entry in service["sockets"]}


# What is there before, and how the new ones come: alone, in a group, beside others.
@pytest.mark.parametrize(
    ("first", "options"),
    [(None, ()), ((), ()), ((), ("--weight", 5)), ((), ("--add",)), (("--weight", 5), ()),
     (("--weight", 5), ("--add",))],
)
def test_all_or_nothing(netns, tmp_path, first, options):
    """Whichever call to the kernel fails: both are registered, or both are what they were."""
    ns, log = netns(), tmp_path / "strace"
    ns.anybind("bind", "web", "tcp,udp", "192.0.2.0/24", "80")
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1"}
    with contextlib.closing(Pair(ns)) as old, contextlib.closing(Pair(ns)) as new:
        before = old.addresses if first is not None else set()
        after = new.addresses | (before if "--add" in options else set())
        outcomes = set()
        for number in itertools.count(1):
            if registered(ns):
                ns.anybind("unregister", "web")
            if first is not None:
                ns.anybind("register", "web", *old.words, *first, pass_fds=old.fds)
            strace = traced(log, "bpf", "-e", f"inject=bpf:error=ENOMEM:when={number}")
            done = ns.anybind(
                *("register", "web", *new.words, *options),
                before=strace, pass_fds=new.fds, code=None, env=env,
            )
            assert registered(ns) == (before if done.code else after), f"{number}: {done}"
            assert "cannot be put back" not in done.err
            outcomes.add(done.code)
            if "(INJECTED)" not in log.read_text():
                break
        assert outcomes == {0, 1} and done.code == 0


def test_weights_are_checked(service):
    member = service.bound()
    for weight in ("1001", "-1", "x", ""):
        service.netns.anybind(
            "register", "dns", "--fd", member.fileno(), f"--weight={weight}", code=2,
            pass_fds=[member.fileno()],
        )
    member.close()


def test_unload_leaves_nothing(service):
    service.add()
    service.add()
    path = service.netns.anybind("-j", "status").document["path"]
    service.netns.anybind("unload")
    with pytest.raises(AssertionError):
        service.netns.run("test", "-e", path)
