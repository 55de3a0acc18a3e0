# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What bench/flood found: the promises beside it, and tables in Markdown."""

import statistics

from promises import Verdicts

FLOODS = ("UDP", "SYN", "SYN cookies")
FAMILIES = ("IPv4", "IPv6")
SIZES = (160, 10000, 400000, 1000000)


def hosts(n):
    return "%d hosts" % n


def quotient(a, b):
    """Of two medians with their intervals: at worst."""
    return {"median": a["median"] / b["median"], "low": a["low"] / b["high"],
            "high": a["high"] / b["low"]}


class Cells:
    """The cells of one run, by flood, family and place."""

    def __init__(self, found):
        self.cells = {(c["flood"], c["family"], c["place"]): c for c in found["cells"]}

    def get(self, flood, family, place):
        return self.cells.get((flood, family, place))

    def row(self, flood, family, place, name):
        for row in (self.get(flood, family, place) or {"competitors": []})["competitors"]:
            if row["name"] == name:
                return row
        return None

    def ratio(self, flood, family, place, name, over=None):
        """Median and 95 % interval of the ratio to the reference or to another competitor."""
        row = self.row(flood, family, place, name)
        if not row or not over:
            return row and row["ratio"]
        other = self.row(flood, family, place, over)
        if not other:
            return None
        return quotient(row["ratio"], other["ratio"])


# ---- promises ----

# What: place, competitor it is compared with (None: the cell's reference), limits for UDP, SYN.
PROMISES = (
    ("one address, to a plain bound socket", "one address", None, 1.08, 1.06),
    ("/24, to INADDR_ANY", "/24", None, 1.06, 1.04),
    ("400,000 rules, to INADDR_ANY", hosts(400000), None, 1.20, 1.13),
    ("400,000 rules, to two LPM lookups", hosts(400000), "two LPM lookups", 0.45, 0.49),
    ("all ports of a /24, to TPROXY", "/24, all ports", "nftables TPROXY", 0.62, 0.72),
)


def judge(verdicts, what, limit, ratio):
    """Like at_most(), with the interval."""
    holds = ratio["median"] <= limit
    sure = ratio["high"] <= limit if holds else ratio["low"] > limit
    verdicts.rows.append((what, "<= %g" % limit, "%(median).3f (%(low).3f-%(high).3f)" % ratio,
                          ("holds" if holds else "falls short") +
                          ("" if sure else ", within the noise")))


def judge_costs(verdicts, cells):
    for what, place, over, udp, syn in PROMISES:
        for family in FAMILIES:
            for flood, limit in (("UDP", udp), ("SYN", syn)):
                ratio = cells.ratio(flood, family, place, "anybind", over)
                if ratio:
                    judge(verdicts, "%s flood, %s, %s" % (flood, family, what), limit, ratio)


def judge_ipv6(verdicts, cells):
    for flood in ("UDP", "SYN"):
        for n in SIZES:
            added = [cells.row(flood, family, hosts(n), "anybind") for family in FAMILIES]
            if all(added) and added[0]["added_ns"]["low"] > 0:
                judge(verdicts, "%s flood, %d rules, time added for IPv6 / IPv4" % (flood, n),
                      1.3, quotient(added[1]["added_ns"], added[0]["added_ns"]))


def judge_changes(verdicts, changes):
    for change in changes:
        for row in change["rows"]:
            if row["name"] == "with changes":
                verdicts.at_most("%s flood, %s, clients refused or astray, %d changes of %s" % (
                    change["flood"], change["family"], change["changes"], change["rules"]), 0,
                    row["refused"] + row["lost"] + row["astray"], "")
                verdicts.at_most("%s flood, %s, CPU late, %d changes of %s (without: %.1f ms)" % (
                    change["flood"], change["family"], change["changes"], change["rules"],
                    change["rows"][0]["cpu_late_ms"]), 10, row["cpu_late_ms"], " ms")


def print_promises(found):
    verdicts = Verdicts()
    cells = Cells(found)
    judge_costs(verdicts, cells)
    judge_ipv6(verdicts, cells)
    judge_changes(verdicts, found["changes"])
    if verdicts.rows:
        print("\nPromises (medians; with 95 % intervals)")
        verdicts.print()


# ---- Markdown ----


def table(heading, rows):
    lines = ["| " + " | ".join(heading) + " |", "|-" * len(heading) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def cost_table(cells, family, place):
    """All floods of one place; None if there are none."""
    columns = [cells.get(flood, family, place) for flood in FLOODS]
    if not any(columns):
        return None
    names = [row["name"] for row in next(c for c in columns if c)["competitors"]]
    rows = []
    for name in names:
        row = [name]
        for flood in FLOODS:
            found = cells.row(flood, family, place, name)
            row.append("–" if not found else "%.3f (%.3f–%.3f), %+.0f ns" % (
                found["ratio"]["median"], found["ratio"]["low"], found["ratio"]["high"],
                found["added_ns"]["median"]))
        rows.append(row)
    first = next(c for c in columns if c)
    rows.insert(0, ["**%s**" % first["reference"]] + [
        "–" if not c else "1, %.0f ns" % c["reference_ns"]["median"] for c in columns])
    return table(["%s, %s" % (place, family)] + ["%s" % flood for flood in FLOODS], rows)


# Each does what the one before it does, and one thing more.
STAGES = (("the hook", "sk_lookup, passes"), ("finding a socket", "sk_lookup, finds a socket"),
          ("assigning it", "sk_lookup, fixed socket"), ("counting", "sk_lookup, fixed, counts"),
          ("the rules", "anybind"))


def split_table(cells):
    """What each part of a dispatcher adds; None if that was not measured."""
    rows, all_parts = [], []
    for flood, family, place in cells.cells:
        if flood == "SYN cookies":
            continue  # what they cost varies by more than all this together
        found = [cells.row(flood, family, place, name) for _, name in STAGES]
        if all(found):
            added = [row["added_ns"]["median"] for row in found]
            parts = [after - before for before, after in zip([0] + added, added)]
            all_parts.append(parts)
            rows.append(["%s, %s, %s" % (flood, family, place)] +
                        ["%+.0f" % part for part in parts] + ["%.0f" % added[-1]])
    if rows:
        # The rules alone depend on the place.
        middle = [statistics.median(column) for column in zip(*all_parts)]
        rows.append(["**median of these**"] + ["%+.0f" % part for part in middle[:-1]] +
                    ["–", "–"])
    return rows and table(["ns a packet, of medians"] + [stage for stage, _ in STAGES] +
                          ["anybind"], rows)


def clients_table(scene):
    def us(row, key):
        return "%.0f" % row["us"][key] if "us" in row else "–"

    return table(
        ["%s flood, %s" % (scene["flood"], scene["family"]), "answered", "refused", "lost",
         "astray", "p50 µs", "p99", "p99.9", "max"],
        [[row["name"], "%.2f %%" % (100 * row["answered"] / row["asked"]), str(row["refused"]),
          str(row["lost"]), str(row["astray"])] + [us(row, key) for key in (
              "p50", "p99", "p999", "max")] for row in scene["rows"]])


def changes_table(changes):
    rows = []
    for change in changes:
        for row in change["rows"]:
            us = row.get("us", {})
            rows.append(["%s, %s" % (change["flood"], change["family"]),
                         "%d × %s, %.1f ms each" % (change["changes"], change["rules"],
                                                    change["ms_each"])
                         if row["name"] == "with changes" else "none",
                         str(row["asked"]), str(row["refused"]), str(row["lost"]),
                         str(row["astray"])] +
                        ["%.0f" % us[key] if us else "–" for key in ("p50", "p99", "p999")] +
                        ["%.1f" % row["cpu_late_ms"]])
    return table(["flood", "changes", "asked", "refused", "lost", "astray", "p50 µs", "p99",
                  "p99.9", "CPU late, ms"], rows)


def memory_table(changes):
    return table(
        ["flood", "changes", "one generation, MiB", "most at once, MiB", "freed after, ms"],
        [["%(flood)s, %(family)s" % c, "%(changes)d × %(rules)s" % c,
          "%(generation_mib).1f" % c, "%(most_mib).1f" % c, "%(freed_ms).0f" % c if c["freed_ms"] else "–"]
         for c in changes])


def markdown(found):
    cells = Cells(found)
    places = dict.fromkeys(cell["place"] for cell in found["cells"])
    parts = ["Measured on %(date)s at commit %(commit)s: Linux %(kernel)s, %(cpus)d × %(cpu)s, "
             "load average %(load_before).1f before and %(load_after).1f after." % found]
    for place in places:
        parts += filter(None, (cost_table(cells, family, place) for family in FAMILIES))
    parts += filter(None, [split_table(cells)])
    parts += [clients_table(scene) for scene in found["clients"]]
    if found["changes"]:
        parts += [changes_table(found["changes"]), memory_table(found["changes"])]
    return "\n\n".join(parts)
