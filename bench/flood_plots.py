# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Plots of what bench/flood found, by gnuplot."""

import shutil
import struct
import subprocess
import sys
import zlib

from flood_report import SIZES, Cells, hosts

TERMINALS = (("svg", 'svg size 900,430 font "sans,13" background "white"'),
             ("png", 'pngcairo size 1350,645 font "sans,16" background "white"'))
BARS = ("INADDR_ANY", "250 sockets on the port", "nftables TPROXY", "sk_lookup, passes",
        "sk_lookup, fixed socket", "two LPM lookups", "anybind", "anybind, 1000 sockets")
BAR_PLACES = (("one address", "one address", "#4477aa"),
              ("/24", "/24", "#ee6677"))


def datablock(name, lines):
    return "$%s << EOD\n%s\nEOD\n" % (name, "\n".join(lines))


def bars(cells, flood, place):
    for i, name in enumerate(BARS):
        ratio = cells.ratio(flood, "IPv4", place, name)
        if ratio:
            yield "%d %.4f %.4f %.4f" % (-i, ratio["median"], ratio["low"], ratio["high"])


def plot_bars(cells):
    """Lying bars, two a competitor, from 1 on; what does not apply is left out."""
    script = 'set multiplot\nset style fill solid 0.85\nset grid x\nset xrange [0.9:2.1]\n' \
             'set key noenhanced at graph 0.98,0.5 right\nset xlabel "time of a packet; a plain socket: 1"\n' \
             'set yrange [%.1f:0.6]\nset ytics noenhanced (%s)\n' % (
                 0.4 - len(BARS), ", ".join('"%s" %d' % (n, -i) for i, n in enumerate(BARS)))
    for k, flood in enumerate(("UDP", "SYN")):
        drawn = []
        for j, (place, title, colour) in enumerate(BAR_PLACES):
            script += datablock("%s%d" % (flood, j), bars(cells, flood, place))
            y = "($1%+.2f)" % (0.19 - 0.38 * j)
            drawn += ['$%s%d using 2:%s:(1):2:($1%+.2f):($1%+.2f) with boxxyerror lc "%s" '
                      'title "%s"' % (flood, j, y, 0.01 - 0.38 * j, 0.37 - 0.38 * j, colour,
                                      title),
                      '$%s%d using 2:%s:3:4 with xerrorbars pt 0 lc "black" notitle' % (
                          flood, j, y)]
        script += 'set lmargin at screen %g\nset rmargin at screen %g\nset title "%s flood, ' \
                  'IPv4"\nplot %s\nunset ytics\nset key off\n' % (
                      0.24 + 0.39 * k, 0.60 + 0.38 * k, flood, ", ".join(drawn))
    return script + "unset multiplot\n"


CURVES = (("two LPM lookups", "IPv4", 1, "#cc3311"), ("two LPM lookups", "IPv6", 2, "#cc3311"),
          ("anybind", "IPv4", 1, "#0077bb"), ("anybind", "IPv6", 2, "#0077bb"),
          ("sk_lookup, fixed socket", "IPv4", 1, "#999999"))


def curve(cells, flood, family, name):
    """Against INADDR_ANY; one rule, for a /24, then one for each of n hosts."""
    for n in (1,) + SIZES:
        ratio = cells.ratio(flood, family, "/24" if n == 1 else hosts(n), name)
        if ratio:
            yield "%d %.4f %.4f %.4f" % (n, ratio["median"], ratio["low"], ratio["high"])


def plot_curves(cells):
    script = 'set multiplot layout 1,2\nset logscale x\nset grid\nset yrange [0.9:*]\n' \
             'set xtics ("1" 1, "160" 160, "10k" 1e4, "400k" 4e5)\n' \
             'set xlabel "rules, all flooded"\nset key noenhanced top left Left reverse\n' \
             'set ylabel "time of a packet; 1: INADDR_ANY" noenhanced\nset xrange [0.7:2e6]\n'
    for flood in ("UDP", "SYN"):
        drawn = ['1 with lines lc "gray" notitle']
        for i, (name, family, dash, colour) in enumerate(CURVES):
            lines = list(curve(cells, flood, family, name))
            if lines:
                script += datablock("%s%d" % (flood, i), lines)
                drawn.append('$%s%d using 1:2:3:4 with yerrorlines dt %d pt 7 ps 0.6 lc "%s" '
                             'title "%s, %s"' % (flood, i, dash, colour, name, family))
        script += 'set title "%s flood, spread over all rules"\nplot %s\n' % (
            flood, ", ".join(drawn))
    return script + "unset multiplot\n"


# ---- files ----

LICENCE = "SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only"


def with_licence(path):
    """Every file says what its terms are, pictures too."""
    data = path.read_bytes()
    if path.suffix == ".svg":
        line = data.index(b"\n") + 1
        data = data[:line] + b"<!-- %s -->\n" % LICENCE.encode() + data[line:]
    else:
        first = 8 + 25  # signature and header
        text = b"tEXtCopyright\0" + LICENCE.encode()
        data = data[:first] + struct.pack(">I", len(text) - 4) + text + struct.pack(
            ">I", zlib.crc32(text)) + data[first:]
    path.write_bytes(data)


def plot(found, out):
    """flood-places and flood-rules, as SVG and PNG, where there is something to show."""
    if not shutil.which("gnuplot"):
        sys.exit("flood: there is no gnuplot, so no plots (make deps installs it)")
    out.mkdir(parents=True, exist_ok=True)
    cells = Cells(found)
    plots = {}
    if cells.get("UDP", "IPv4", "/24") and cells.get("SYN", "IPv4", "/24"):
        plots["flood-places"] = plot_bars(cells)
    if cells.get("UDP", "IPv4", hosts(10000)) and cells.get("SYN", "IPv4", hosts(10000)):
        plots["flood-rules"] = plot_curves(cells)
    for name, script in plots.items():
        for suffix, terminal in TERMINALS:
            path = out / ("%s.%s" % (name, suffix))
            subprocess.run(["gnuplot"], check=True, text=True,
                           input='set terminal %s\nset output "%s"\n%s' % (terminal, path,
                                                                          script))
            with_licence(path)
            print("wrote %s" % path, file=sys.stderr)
