#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same work by archerfish, by gdbserver and by whoever else is named, side by side.

	tests/bench/peers.py [--peer NAME,...] [-k WORD,...] [--minutes N] [--json FILE] [--plot FILE]

Whoever takes part does a row's work by turns, round after round, in another order each time;
a ratio is that of two measurements of one round, and what is shown is the median of the ratios
and its quartiles.  The limits of the machine and bare loops of C take their turns with the
others.  Each row has its bars, and says whether they are met.  Exit status 1: some are not.
NAME: gdbserver13 (whatever this system has; the default), gdbserver16, gdbserver18,
lldb-server14, lldb-server19, lldb-server23, or all.
"""

import argparse
import json
import os
import statistics
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import jobs  # noqa: E402
import plot  # noqa: E402
from stubs import BIN, KNOWN, TOP, Failed, Kind  # noqa: E402


def ratio(row, ours, theirs):
    """More than 1: we are better."""
    best, other = (ours, theirs) if row.more else (theirs, ours)
    return best / other if other else float("inf")


def rivals(results, names, row, index):
    """The best of these in one round."""
    values = [results[n][index] for n in names if n in results and index < len(results[n])
              and results[n][index] is not None]
    return (max if row.more else min)(values) if values else None


class Verdict:
    """How one bar of a row came out."""

    def __init__(self, row, bar, results, names):
        self.bar, self.ratios = bar, []
        ours = results.get("archerfish", [])
        for i, value in enumerate(ours):
            other = rivals(results, names, row, i)
            if value is not None and other is not None:
                self.ratios.append(ratio(row, value, other))
        if bar.kind == "absolute":
            self.ratios = [ratio(row, v, bar.factor) for v in ours if v is not None]
        self.ratios.sort()
        self.median = statistics.median(self.ratios) if self.ratios else None
        need = 1 if bar.kind == "absolute" else bar.factor
        self.met = None if self.median is None else self.median >= need

    def spread(self):
        n = len(self.ratios)
        return self.ratios[n // 4], self.ratios[(3 * n) // 4 if n > 1 else 0]

    def text(self):
        if self.median is None:
            return "%s: not measured" % self.bar.text()
        low, high = self.spread()
        return "%s: %s (%.3g, %.3g..%.3g)" % (self.bar.text(), "met" if self.met else "NOT MET",
                                              self.median, low, high)


def names_of(kind, contenders):
    """Whom a bar is held against: a kind of stub, or the name of a limit."""
    return [c.name for c in contenders if kind in (c.kind, c.name)]


def run_job(job, contenders, wanted, seconds, least_rounds, most_rounds):
    """{row name: {contender: [value or None of each round]}}, {contender: why it failed}."""
    results, failed = {}, {}
    began, rounds = time.monotonic(), 0
    while rounds < most_rounds and (rounds < least_rounds or
                                    (time.monotonic() - began) * (rounds + 1) / rounds < seconds):
        turn = contenders[rounds % len(contenders):] + contenders[:rounds % len(contenders)]
        for c in turn:
            values = {}
            if c.name not in failed:
                try:
                    values = job.measure(c, wanted) or {}
                except (Failed, OSError, ValueError) as e:
                    failed[c.name] = str(e)[:120]
            for row in wanted:
                results.setdefault(row, {}).setdefault(c.name, []).append(values.get(row))
        rounds += 1
    return results, failed


def median(values):
    known = [v for v in values if v is not None]
    return statistics.median(known) if known else None


def form(value):
    return "-" if value is None else "%.4g" % value if value < 1e5 else "%d" % value


def report(row, results, contenders, failed):
    """Prints one row; returns it for the JSON."""
    measured = {n: median(v) for n, v in results.items() if median(v) is not None}
    print("\n%s (%s, %s is better)" % (row.title, row.unit, "more" if row.more else "less"))
    for name, value in measured.items():
        print("    %-22s %s" % (name, form(value)))
    verdicts = [Verdict(row, bar, results, names_of(bar.kind, contenders)) for bar in row.bars]
    for v in verdicts:
        print("  %s" % v.text())
    for name, why in failed.items():
        print("  %s failed: %s" % (name, why))
    sys.stdout.flush()
    return {"row": row.name, "title": row.title, "unit": row.unit,
            "better": "more" if row.more else "less", "medians": measured, "rounds": results,
            "bars": [{"against": v.bar.kind, "factor": v.bar.factor, "median": v.median,
                      "ratios": v.ratios, "met": v.met, "text": v.bar.text()} for v in verdicts],
            "failed": failed}


def peers(text):
    found = []
    for name in KNOWN if text == "all" else filter(None, text.split(",")):
        if name not in KNOWN:
            raise SystemExit("%s is not known; %s are" % (name, ", ".join(KNOWN)))
        kind = Kind.known(name)
        if kind:
            found.append(kind)
        else:
            print("# %s is not here" % name)
    return found


def summary(rows):
    print("\n| work | unit | archerfish | best gdbserver | bars |\n|---|---|---|---|---|")
    for r in rows:
        theirs = [v for n, v in r["medians"].items() if n.startswith("gdbserver")]
        best = (max if r["better"] == "more" else min)(theirs) if theirs else None
        bars = "; ".join("%s: %s" % (b["text"], "not measured" if b["median"] is None else
                                     "%s, %.3g" % ("met" if b["met"] else "NOT MET", b["median"]))
                         for b in r["bars"])
        print("| %s | %s | %s | %s | %s |" % (r["title"], r["unit"],
                                              form(r["medians"].get("archerfish")), form(best),
                                              bars))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--stub", default=os.path.join(TOP, "build/release/archerfish"))
    parser.add_argument("--static", default=os.path.join(TOP, "build/static/archerfish"))
    parser.add_argument("--peer", default="gdbserver13", help="who else takes part, or all")
    parser.add_argument("-k", "--only", default="", help="rows whose name has one of these words")
    parser.add_argument("--minutes", type=float, default=10, help="how long all may take")
    parser.add_argument("--rounds", type=int, default=25, help="at most so many of a row")
    parser.add_argument("--list", action="store_true", help="only name the rows")
    parser.add_argument("--json", default="build/bench/peers.json")
    parser.add_argument("--plot", default="build/bench/peers.svg")
    options = parser.parse_args()
    jobs.OPTIONS = options
    stubs = [Kind.ours(options.stub), *peers(options.peer)]
    if os.path.exists(os.path.join(BIN, "least")):
        stubs.append(Kind.least())
    words = [w for w in options.only.split(",") if w]
    picked = [(job, [r for r in job.rows if not words or any(w in r.name for w in words)])
              for job in jobs.every(stubs)]
    picked = [(job, rows) for job, rows in picked if rows]
    if options.list:
        for job, rows in picked:
            print("\n".join("%-16s %s" % (r.name, r.title) for r in rows))
        return 0
    share = options.minutes * 60 / sum(job.weight for job, _ in picked)
    done = []
    for job, rows in picked:
        contenders = job.contenders(stubs)
        results, failed = run_job(job, contenders, [r.name for r in rows], share * job.weight,
                                  job.least_rounds, options.rounds)
        done += [report(r, results[r.name], contenders, failed) for r in rows]
    summary(done)
    with open(options.json, "w") as f:
        json.dump(done, f, indent=1)
    plot.draw(done, options.plot)
    unmet = [r["title"] for r in done for b in r["bars"] if b["met"] is False]
    print("\n%d bars: %d met, %d not, %d not measured" % (
        sum(len(r["bars"]) for r in done), sum(b["met"] is True for r in done for b in r["bars"]),
        len(unmet), sum(b["met"] is None for r in done for b in r["bars"])))
    return 1 if unmet else 0


if __name__ == "__main__":
    sys.exit(main())
