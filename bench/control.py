#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What changes of rules cost, with the program as built: time from start to
exit, peak memory, and memory of the table. To be run by bench/run, which
gives it namespaces of its own."""

import argparse
import ipaddress
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile

SERVICES = 16
SIZES = 10000, 100000, 1000000
COMMANDS = ("apply fresh", "apply over", "diff", "check", "bind", "unbind", "explain", "rules",
            "services", "status")
EXPLAINED = {"ipv4": ("192.0.2.1:1000", "198.51.100.7:443"),
             "ipv6": ("[2001:db8::1]:1000", "[2001:db8::2]:443")}


def random_hosts(family, n, seed):
    """Distinct random unicast addresses as text."""
    rng = random.Random(seed)
    if family == "ipv4":
        for number in rng.sample(range(0x01000000, 0x7F000000), n):
            yield "%d.%d.%d.%d" % (number >> 24, number >> 16 & 255, number >> 8 & 255,
                                   number & 255)
        return
    for _ in range(n):  # 125 random bits: no two are alike
        yield str(ipaddress.IPv6Address(1 << 125 | rng.getrandbits(125)))


def adjacent_hosts(n):
    for i in range(n):
        yield "10.1.%d.%d" % (i >> 8 & 255, i & 255)


def write_rules(path, hosts, services=SERVICES):
    with open(path, "w", encoding="ascii") as out:
        for i, host in enumerate(hosts):
            out.write("bind s%d udp %s 443\n" % (i % services, host))


class Anybind:
    """Runs the program under test; anything that it says is wrong ends the benchmark."""

    def __init__(self, path, timed, folder):
        self.path = path
        self.timed = timed
        self.result = os.path.join(folder, "timed")

    def run(self, *words):
        """Seconds, CPU seconds and peak memory (bytes) of one command."""
        done = subprocess.run([self.timed, self.result, self.path, *words], check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode:
            sys.exit("control: anybind %s: exit %d\n%s" % (
                " ".join(words), done.returncode, done.stderr.decode(errors="replace")))
        with open(self.result, encoding="ascii") as file:
            return json.load(file)

    def status(self):
        answer = subprocess.run([self.path, "-j", "status"], check=True, capture_output=True)
        return json.loads(answer.stdout)


def summary(runs):
    seconds = [run["seconds"] for run in runs]
    return {
        "seconds": {"median": statistics.median(seconds), "min": min(seconds),
                    "max": max(seconds)},
        "cpu_seconds": statistics.median(run["cpu_seconds"] for run in runs),
        "peak_bytes": max(run["peak_bytes"] for run in runs),
        "runs": len(runs),
    }


def print_row(what, result):
    seconds = result["seconds"]
    print("%-38s %8.1f ms (%.1f-%.1f)  CPU %8.1f ms  peak %6.1f MiB" % (
        what, seconds["median"] * 1e3, seconds["min"] * 1e3, seconds["max"] * 1e3,
        result["cpu_seconds"] * 1e3, result["peak_bytes"] / 2**20), flush=True)


def expect_rules(anybind, n):
    found = anybind.status()["rules"]
    if found != n:
        sys.exit("control: %d rules are in force where %d were written" % (found, n))


def measure_size(anybind, folder, family, n, repeats):
    """Every command whose time might depend on how many rules there are."""
    files = [os.path.join(folder, "rules.%d" % seed) for seed in (0, 1)]
    for seed, path in enumerate(files):
        write_rules(path, random_hosts(family, n, seed))
    runs = {what: [] for what in COMMANDS}
    address = "192.168.77.%d" if family == "ipv4" else "2001:db8::%d"
    for i in range(repeats):
        here, there = files[i % 2], files[(i + 1) % 2]
        anybind.run("unload")
        runs["apply fresh"].append(anybind.run("apply", here))
        runs["apply over"].append(anybind.run("apply", there))
        runs["diff"].append(anybind.run("diff", here))
        runs["check"].append(anybind.run("check", here))
        expect_rules(anybind, n)
        one = ("s0", "udp", address % (i + 1), "53")
        runs["bind"].append(anybind.run("bind", *one))
        expect_rules(anybind, n + 1)
        runs["unbind"].append(anybind.run("unbind", *one))
        expect_rules(anybind, n)
        runs["explain"].append(anybind.run("explain", "udp", *EXPLAINED[family]))
        for what in ("rules", "services", "status"):
            runs[what].append(anybind.run(what))
    commands = {what: summary(runs[what]) for what in COMMANDS}
    for what in COMMANDS:
        print_row("%s, %d rules, %s" % (what, n, family), commands[what])
    return {"rules": n, "family": family, "commands": commands}


def growth(sizes):
    """How CPU time grows from one size to the next: 1, as the rules do; 0, not at all."""
    result = []
    for less, more in zip(sizes, sizes[1:]):
        if less["family"] != more["family"]:
            continue
        exponents = {what: math.log(more["commands"][what]["cpu_seconds"] /
                                    less["commands"][what]["cpu_seconds"],
                                    more["rules"] / less["rules"]) for what in COMMANDS}
        result.append({"family": less["family"], "from": less["rules"], "to": more["rules"],
                       "commands": exponents})
        print("growth, %s, %d to %d rules: %s" % (
            less["family"], less["rules"], more["rules"],
            ", ".join("%s %.2f" % item for item in exponents.items())), flush=True)
    return result


def measure_memory(anybind, folder, what, n, hosts, services):
    path = os.path.join(folder, "memory")
    write_rules(path, hosts, services)
    anybind.run("unload")
    anybind.run("apply", path)
    expect_rules(anybind, n)
    status = anybind.status()
    result = {"what": what, "rules": n, "table_bytes_a_rule": status["table_bytes"] / n,
              "rules_bytes_a_rule": status["rules_bytes"] / n}
    print("memory, %-30s %10.3f bytes a rule in the table, %5.1f beside it" % (
        what, result["table_bytes_a_rule"], result["rules_bytes_a_rule"]), flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anybind", required=True, help="the program")
    parser.add_argument("--timed", required=True, help="the program that measures another")
    parser.add_argument("--json", required=True, help="file to write")
    parser.add_argument("--quick", action="store_true", help="few repeats, IPv4 only")
    options = parser.parse_args()
    # The machine's own session is none of the benchmark's business.
    os.environ.pop("SSH_CONNECTION", None)
    repeats = 3 if options.quick else 7
    families = ["ipv4"] if options.quick else ["ipv4", "ipv6"]

    print("Start to exit, wall clock: median (min-max). Where other work shares the machine, CPU\n"
          "time (user and system) says more.")
    with tempfile.TemporaryDirectory() as folder:
        anybind = Anybind(os.path.abspath(options.anybind), os.path.abspath(options.timed),
                          folder)
        sizes = [measure_size(anybind, folder, family, n, repeats)
                 for family in families for n in SIZES]
        exponents = growth(sizes)
        million = 1000000
        memory = [
            measure_memory(anybind, folder, "1,000,000 random /32", million,
                           random_hosts("ipv4", million, 2), SERVICES),
            measure_memory(anybind, folder, "1,000,000 random /128", million,
                           random_hosts("ipv6", million, 2), SERVICES),
            measure_memory(anybind, folder, "65,536 rules alike", 65536,
                           adjacent_hosts(65536), 1),
        ]
        anybind.run("unload")
    with open(options.json, "w", encoding="ascii") as out:
        json.dump({"version": 1, "benchmark": "control", "sizes": sizes, "growth": exponents,
                   "memory": memory}, out, indent=2)
        out.write("\n")


if __name__ == "__main__":
    main()
