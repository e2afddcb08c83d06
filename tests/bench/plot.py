# SPDX-License-Identifier: MIT
"""Draws how much better archerfish was than the best gdbserver, by gnuplot: an SVG."""

import shutil
import statistics
import subprocess

SCRIPT = """
set terminal svg size 900,%(height)d font "sans,12" background "white"
set output "%(output)s"
set title "times as good as the best gdbserver (median, quartiles; bar asked for: red)"
set logscale x
set xrange [0.5:*]
set yrange [-0.5:%(top)g]
set ytics (%(tics)s)
set grid x
set lmargin 46
unset key
set style fill solid 0.6
plot $data using (0.5):1:(0.5):2:($1-0.3):($1+0.3) with boxxyerror lc rgb "#4477aa", \\
     $data using 2:1:3:4 with xerrorbars pt 7 ps 0.3 lc rgb "black", \\
     $data using 5:1:(0):(0.6) with vectors nohead lw 2 lc rgb "#cc3311"
"""


def draw(rows, output):
    """Nothing, if there is no gnuplot."""
    points, tics = [], []
    for r in rows:
        for b in r["bars"]:
            if b["against"] != "gdbserver" or b["median"] is None:
                continue
            y, ratios = len(points), b["ratios"]
            quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            points.append("%d %g %g %g %g" % (y, b["median"], max(quartiles[0], 0.5),
                                              quartiles[2], b["factor"]))
            tics.append('"%s" %d' % (r["title"].replace('"', ""), y))
    if not points or not shutil.which("gnuplot"):
        return
    script = "$data << END\n%s\nEND\n" % "\n".join(points) + SCRIPT % {
        "height": 80 + 26 * len(points), "output": output, "top": len(points) - 0.5,
        "tics": ", ".join(tics)}
    subprocess.run(["gnuplot"], input=script, universal_newlines=True, check=False)
