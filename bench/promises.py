#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The promises beside what was measured. Reads the benchmarks' JSON files."""

import json
import sys


class Verdicts:
    def __init__(self):
        self.rows = []

    def at_most(self, promise, limit, measured, unit):
        self.add(promise, "<= %g%s" % (limit, unit), measured, unit, measured <= limit)

    def at_least(self, promise, limit, measured, unit):
        self.add(promise, ">= %g%s" % (limit, unit), measured, unit, measured >= limit)

    def add(self, promise, limit, measured, unit, holds):
        self.rows.append((promise, limit, "%.3g%s" % (measured, unit) if measured < 1000
                          else "%.0f%s" % (measured, unit),
                          "holds" if holds else "falls short"))

    def print(self):
        widths = [max(len(row[i]) for row in self.rows) for i in range(4)]
        for row in self.rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def judge_lookup(verdicts, cases):
    """Each size and kind has to hold by itself; medians of the rounds' ratios."""
    def name(case):
        return "%d rules, %s, ports %s" % (case["rules"], case["family"], case["ports"])

    for case in cases:
        verdicts.at_most("hot, anybind / fixed, " + name(case), 1.25,
                         case["hot_to_fixed"]["median"], "")
    for rules, least in ((160, 3), (10000, 5), (400000, 8)):
        for case in cases:
            if case["rules"] == rules and case["spread_gain_over_fixed"]:
                verdicts.at_least("spread, added lpm / added anybind, " + name(case), least,
                                  case["spread_gain_over_fixed"]["median"], "")


def judge_control(verdicts, sizes, memory):
    limits = {("apply fresh", 10000): 50, ("apply over", 10000): 50,
              ("apply fresh", 1000000): 2000, ("apply over", 1000000): 2000,
              ("bind", 10000): 20, ("bind", 1000000): 250, ("unbind", 1000000): 250}
    for size in sizes:
        for (what, rules), limit in limits.items():
            if size["rules"] == rules:
                verdicts.at_most("%s, %d rules, %s" % (what, rules, size["family"]), limit,
                                 size["commands"][what]["seconds"]["median"] * 1e3, " ms")
    for row, limit in zip(memory, (100, 200, 4)):
        verdicts.at_most("table, " + row["what"], limit, row["table_bytes_a_rule"], " B/rule")


def main():
    verdicts = Verdicts()
    for path in sys.argv[1:]:
        with open(path, encoding="ascii") as file:
            found = json.load(file)
        if found["benchmark"] == "lookup":
            judge_lookup(verdicts, found["cases"])
        elif found["benchmark"] == "control":
            judge_control(verdicts, found["sizes"], found["memory"])
    if verdicts.rows:
        print("\nPromises")
        verdicts.print()


if __name__ == "__main__":
    main()
