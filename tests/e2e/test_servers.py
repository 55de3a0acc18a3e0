# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""nginx, Unbound, Knot DNS, socat and systemd's activation, as they come, behind rules."""

import signal

import pytest
from conftest import wait_until
from servers import CURL_REFUSED, WEB4, WEB6, Machines, activated, children


@pytest.fixture
def machines(netns, tmp_path):
    return Machines(netns, tmp_path)


@pytest.fixture
def web(machines):
    """nginx on a /24 and a /64."""
    machines.process = machines.nginx()
    machines.anybind("register", "web", "--pid", machines.process.pid)
    for prefix in (WEB4, WEB6):
        machines.anybind("bind", "web", "tcp", prefix, "80")
    return machines


def sockets(machines, service):
    """{(family, protocol): its document} of a service."""
    services = machines.anybind("-j", "services").document["services"]
    found = [entry for entry in services if entry["name"] == service]
    assert len(found) == 1
    return {(entry["family"], entry["protocol"]): entry for entry in found[0]["sockets"]}


# ---- nginx ----


def test_nginx_answers_on_whole_prefixes(web):
    wait_until(lambda: len(children(web.process)) == 2)  # several workers, one socket
    for address in ("192.0.2.0", "192.0.2.1", "192.0.2.255", "2001:db8:80::", "2001:db8:80::ffff"):
        assert web.asked(address), address
    # Neither another port nor another prefix.
    assert web.get("192.0.2.1", 81) == CURL_REFUSED
    assert web.get("203.0.113.1") == CURL_REFUSED
    assert {entry["program"] for entry in sockets(web, "web").values()} == {"nginx"}


def test_nginx_reload_needs_nothing(web):
    before = sockets(web, "web")
    wait_until(lambda: len(children(web.process)) == 2)
    workers = children(web.process)
    web.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(children(web.process)) == 2 and not children(web.process) & workers)
    assert web.asked("192.0.2.1") and web.asked("2001:db8:80::1")
    cookies = {key: entry["cookie"] for key, entry in sockets(web, "web").items()}
    assert cookies == {key: entry["cookie"] for key, entry in before.items()}


def test_nginx_restart_is_registered_again(web):
    web.end(web.process, signal.SIGQUIT)
    assert web.get("192.0.2.1") == CURL_REFUSED
    web.process = web.nginx()
    assert web.get("192.0.2.1") == CURL_REFUSED  # a new socket is not the old one
    web.anybind("register", "web", "--pid", web.process.pid)
    assert web.asked("192.0.2.1") and web.asked("2001:db8:80::1")


def test_missing_drop_and_pass(web):
    """Without a socket: nobody gets the traffic, or whoever listens there."""
    web.serve(
        *("socat", "TCP4-LISTEN:80,bind=192.0.2.9,fork,reuseaddr", "SYSTEM:echo other"),
        ready="192.0.2.9:80",
    )
    assert web.asked("192.0.2.9")
    web.end(web.process, signal.SIGQUIT)
    assert web.get("192.0.2.9") == CURL_REFUSED
    web.anybind("service", "web", "missing", "pass", "--replace")
    assert web.banner("192.0.2.9", 80) == "other\n"
    assert web.get("192.0.2.8") == CURL_REFUSED


def test_maintenance_page(web):
    """While nginx is away somebody else answers, at once and no longer than that."""
    page = web.folder / "page"
    page.mkdir()
    (page / "index.html").write_text("back soon\n")
    sorry = web.serve(
        *("python3", "-m", "http.server", "8081", "--bind", "::", "--directory", page),
        ready="*:8081",
    )
    web.anybind("service", "web", "fallback", "sorry", "--replace")
    web.anybind("register", "sorry", "--pid", sorry.pid)
    assert web.asked("192.0.2.1") and web.asked("2001:db8:80::1")
    web.end(web.process, signal.SIGQUIT)
    assert web.get("192.0.2.1") == web.get("2001:db8:80::1") == "back soon\n"
    flow = ("explain", "tcp", "198.51.100.2:4000", "192.0.2.1:80")
    said = web.anybind(*flow)
    assert "Service web has no usable socket: the packet goes to the fallback sorry" in said.out
    assert web.anybind("-j", *flow).document["fallbacks"] == ["sorry"]
    assert "its packets go to sorry" in web.anybind("services").out
    web.process = web.nginx()
    web.anybind("register", "web", "--pid", web.process.pid)
    assert web.asked("192.0.2.1") and web.asked("2001:db8:80::1")
    # Both away: as the rule's service says.
    web.end(web.process, signal.SIGQUIT)
    web.end(sorry)
    assert web.get("192.0.2.1") == CURL_REFUSED
    said = web.anybind(*flow).out
    assert "Service web and its fallback sorry have no usable socket" in said


def test_fallbacks_by_command(web):
    def refused(*words):
        return web.anybind(*words, code=1).err

    web.anybind("service", "web", "fallback", "sorry", "--replace")
    before = web.anybind("rules").out
    assert "service web fallback sorry\n" in before
    again = web.anybind("service", "web", "fallback", "sorry").out
    assert again == "no change: it is there already\n"
    assert '"missing drop fallback sorry"' in refused("service", "web", "fallback", "other")
    assert '"missing drop fallback sorry"' in refused("service", "web")
    assert '"web", "sorry"' in refused("service", "sorry", "fallback", "web", "--replace")
    assert 'is the fallback of service "web"' in refused("unbind", "service", "sorry")
    assert web.anybind("rules").out == before
    web.anybind("apply", "-", stdin=before)
    assert web.anybind("rules").out == before
    assert web.anybind("diff", "-", stdin=before).out == ""
    services = web.anybind("-j", "rules").document["services"]
    assert [entry["fallback"] for entry in services] == [None, "sorry"]
    web.anybind("service", "web", "fallback", "none", "--replace")
    web.anybind("unbind", "service", "sorry")
    assert "sorry" not in web.anybind("rules").out


def test_all_ports_but_one(web):
    web.serve(
        *("socat", "TCP4-LISTEN:22,fork,reuseaddr", "SYSTEM:echo SSH"), ready="0.0.0.0:22"
    )
    web.anybind("bind", "web", "tcp", "192.0.2.7", "any", "except", "22")
    for port in (1, 21, 23, 80, 8080, 65535):
        assert web.asked("192.0.2.7", port), port
    assert web.banner("192.0.2.7", 22) == "SSH\n"
    assert web.banner("192.0.2.8", 22) == "SSH\n"


# ---- DNS ----


def both_families(text):
    """Of Knot's or Unbound's configuration."""
    text = text.replace("listen: 0.0.0.0@53", "listen: [0.0.0.0@53, ::@53]")
    return text.replace("do-ip6: no", "do-ip6: yes\n\tip-freebind: yes\n\taccess-control: ::/0 allow")


def test_knot_on_prefixes_by_udp_and_tcp(machines):
    # The kernel checks the source of an answer over IPv6, unless the server's
    # socket may bind to what is not local (see README.md).
    machines.server.run("sysctl", "-q", "net.ipv6.ip_nonlocal_bind=1")
    knot = machines.knot(both_families)
    wait_until(lambda: machines.listens(knot, "[::]:53"), knot)
    machines.anybind("register", "dns", "--pid", knot.pid)
    assert set(sockets(machines, "dns")) == {
        (family, protocol) for family in ("ipv4", "ipv6") for protocol in ("tcp", "udp")
    }
    machines.anybind("bind", "dns", "tcp,udp", "203.0.113.0/24", "53")
    machines.anybind("bind", "dns", "tcp,udp", "2001:db8:53::/64", "53")
    for address in ("203.0.113.1", "203.0.113.200", "2001:db8:53::1", "2001:db8:53::beef"):
        for option in ("+notcp", "+tcp"):
            assert machines.dig(address, "www.example.org", option) == "192.0.2.20", address


def test_unbound_on_prefixes_of_both_families(machines):
    unbound = machines.unbound(both_families)
    wait_until(lambda: machines.listens(unbound, "[::]:53", "udp"), unbound)
    machines.anybind("register", "dns", "--pid", unbound.pid)
    machines.anybind("bind", "dns", "udp", "203.0.113.0/24", "53")
    machines.anybind("bind", "dns", "udp", "2001:db8:53::/64", "53")
    for address in ("203.0.113.1", "203.0.113.200", "2001:db8:53::1", "2001:db8:53::beef"):
        assert machines.dig(address, "www.example.net") == "192.0.2.10", address


def test_two_servers_share_a_port(machines):
    """Both have UDP 0.0.0.0:53; the prefix says who answers, whoever started first."""
    unbound, knot = machines.unbound(), machines.knot()
    machines.anybind("register", "resolver", "--pid", unbound.pid)
    machines.anybind("register", "authority", "--pid", knot.pid)
    machines.anybind("bind", "resolver", "udp", "203.0.113.0/25", "53")
    machines.anybind("bind", "authority", "tcp,udp", "203.0.113.128/25", "53")
    for service in ("resolver", "authority"):  # they share no group
        assert sockets(machines, service)["ipv4", "udp"]["members"] == 1
    for _ in range(3):
        assert machines.dig("203.0.113.1", "www.example.net") == "192.0.2.10"
        assert machines.dig("203.0.113.201", "www.example.org") == "192.0.2.20"
        assert machines.dig("203.0.113.202", "www.example.org", "+tcp") == "192.0.2.20"
    assert machines.dig("203.0.113.1", "www.example.org") is None
    assert machines.dig("203.0.113.201", "www.example.net") is None


# ---- systemd's activation ----


def test_listen_fds(machines):
    code, said = activated(machines, ["127.0.0.1:9000"], "register", "web", "--listen-fds")
    assert code == 0 and said.startswith("web: registered tcp 127.0.0.1:9000"), said
    machines.anybind("bind", "web", "tcp", WEB4, "80")
    assert machines.banner("192.0.2.5", 80) == "activated\n"


def test_listen_fds_by_name(machines):
    """Only the descriptor that is named like the service."""
    code, said = activated(
        machines,
        ["127.0.0.1:9000", "127.0.0.1:9001"],
        *("register", "web", "--listen-fds"),
        names=("web", "admin"),
    )
    assert code == 0, said
    assert sockets(machines, "web")["ipv4", "tcp"]["address"] == "127.0.0.1:9000"


def test_listen_fds_without_names_are_ambiguous(machines):
    code, said = activated(
        machines, ["127.0.0.1:9000", "127.0.0.1:9001"], "register", "web", "--listen-fds"
    )
    assert code == 1
    assert "127.0.0.1:9000" in said and "127.0.0.1:9001" in said


def test_listen_fds_without_any(machines):
    said = machines.anybind("register", "web", "--listen-fds", code=1).err
    assert "LISTEN_FDS" in said and "socket unit" in said
