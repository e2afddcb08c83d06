#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""GDB's own testsuite with archerfish and with gdbserver as the server, file by file.

	tests/gdb-testsuite/run.py --stub build/release/archerfish [--board BOARD] [--gdb GDB]
		[--base gdbserver|TABLE.tsv] [-o TABLE.tsv] [-j 2] [GLOB | @LIST ...]

Needs no gdb to be built: the testsuite is taken from the source package of the installed gdb,
kept in ~/.cache/gdb-testsuite (or GDB_TESTSUITE names a gdb/testsuite folder).  As root each
file runs in a network and among processes of its own.  Without globs: gdb.server, and the
quick files of fast.txt, beside this.

Prints a table by folder and every file in which archerfish passes less than the other; those of
explained.txt are told apart, with the reason (docs/gdb-testsuite.md).  A file that loses is
tried once more, alone.  Exit status: 0 nothing is lost, 1 something is, 77 it cannot run here.
"""

import argparse
import collections
import concurrent.futures
import glob
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                     "gdb-testsuite")
KINDS = ("PASS", "FAIL", "KFAIL", "XFAIL", "UNSUPPORTED", "UNTESTED", "UNRESOLVED", "ERROR")
RESULT = re.compile(r"(?m)^(%s): " % "|".join(KINDS))


class CannotRun(Exception):
    pass


def output_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          universal_newlines=True).stdout


def fetch(folder, package):
    """The source of `package`, by the machine's own package sources."""
    state = os.path.join(folder, "apt")
    for sub in ("lists/partial", "cache/archives/partial", "parts"):
        os.makedirs(os.path.join(state, sub), exist_ok=True)
    for path in glob.glob("/etc/apt/sources.list") + glob.glob("/etc/apt/sources.list.d/*"):
        with open(path) as f:
            text = f.read()
        text = re.sub(r"(?m)^Types:.*", "Types: deb-src", text)
        text = re.sub(r"(?m)^deb ", "deb-src ", text)
        with open(os.path.join(state, "parts", os.path.basename(path)), "w") as f:
            f.write(text)
    apt = ["apt-get", "-q", "-o", "Dir::Etc::sourcelist=/dev/null", "-o",
           "Dir::Etc::sourceparts=%s/parts" % state, "-o", "Dir::State::lists=%s/lists" % state,
           "-o", "Dir::Cache=%s/cache" % state, "-o", "APT::Sandbox::User="]
    for command in (apt + ["update"], apt + ["source", package]):
        done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, universal_newlines=True)
        if done.returncode:
            raise CannotRun("the source of %s cannot be had: %s" % (package, done.stderr[-300:]))


def find_testsuite():
    """(folder of the testsuite, its version)"""
    if os.environ.get("GDB_TESTSUITE"):
        return os.environ["GDB_TESTSUITE"]

    def there():
        return sorted(glob.glob(os.path.join(CACHE, "gdb-*", "gdb", "testsuite")))
    if not there():
        package = output_of("dpkg-query", "-W", "-f=${source:Package}=${source:Version}", "gdb")
        if not package:
            raise CannotRun("only Debian's gdb says which source is its own: set GDB_TESTSUITE")
        os.makedirs(CACHE, exist_ok=True)
        fetch(CACHE, package)
    if not there():
        raise CannotRun("there is no gdb/testsuite in " + CACHE)
    return there()[-1]


def isolates():
    return os.geteuid() == 0 and shutil.which("ip") and subprocess.run(
        ["unshare", "-n", "-p", "-f", "--mount-proc", "ip", "link", "set", "lo", "up"],
        stderr=subprocess.DEVNULL).returncode == 0


class Suite:
    def __init__(self, args):
        for tool in ("runtest", "expect", "gcc", args.gdb):
            if not shutil.which(tool):
                raise CannotRun("there is no %s (Debian: dejagnu, expect, gcc, gdb)" % tool)
        self.args = args
        self.source = find_testsuite()
        self.folder = tempfile.mkdtemp(prefix="gdb-testsuite-")
        self.isolated = isolates()
        self.number = itertools.count()

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def files(self, words):
        """What globs and lists of them mean, once each, in their order."""
        found = collections.OrderedDict()
        for word in words:
            if word.startswith("@"):
                with open(word[1:]) as f:
                    found.update(dict.fromkeys(self.files(
                        line.split()[0] for line in f if line.strip() and line[0] != "#")))
                continue
            for path in sorted(glob.glob(os.path.join(self.source, word))):
                found[os.path.relpath(path, self.source)] = None
        return list(found)

    def site(self, lane):
        target = os.uname().machine + "-pc-linux-gnu"
        with open(os.path.join(lane, "site.exp"), "w") as f:
            f.write("".join("set %s %s\n" % kv for kv in (
                ("host_triplet", target), ("build_triplet", target), ("target_triplet", target),
                ("target_alias", target), ("srcdir", self.source), ("tool", "gdb"),
                ("enable_libctf", "yes"))))
            f.write("source ${srcdir}/lib/append_gdb_boards_dir.exp\n")
        open(os.path.join(lane, "Makefile"), "w").close()   # one file wants to see one

    def run(self, server, exp):
        """Counter of the results of one file."""
        lane = os.path.join(self.folder, str(next(self.number)))
        os.makedirs(os.path.join(lane, "out"))
        self.site(lane)
        command = ["runtest", "--status", "GDB_PARALLEL=yes", "--outdir=out",
                   "GDB=" + shutil.which(self.args.gdb), "GDBSERVER=" + server,
                   "--target_board=" + self.args.board, exp]
        if self.isolated:
            command = ["unshare", "-n", "-p", "-f", "--mount-proc", "--kill-child", "--", "sh",
                       "-c", 'ip link set lo up; "$@"; exit $?', "sh"] + command
        environ = {k: v for k, v in os.environ.items()
                   if k not in ("DEBUGINFOD_URLS", "DISPLAY", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        environ.update(LC_ALL="C", HOME=lane)
        subprocess.run(["timeout", "-k", "10", str(self.args.timeout)] + command, cwd=lane,
                       env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        try:
            with open(os.path.join(lane, "out", "gdb.sum"), errors="replace") as f:
                counts = collections.Counter(RESULT.findall(f.read()))
        except OSError:
            counts = collections.Counter()
        if self.args.keep:
            self.save(lane, server, exp)
        shutil.rmtree(lane, ignore_errors=True)
        return counts

    def save(self, lane, server, exp):
        folder = os.path.join(self.args.keep, os.path.basename(server))
        os.makedirs(folder, exist_ok=True)
        for name in ("gdb.sum", "gdb.log"):
            path = os.path.join(lane, "out", name)
            if os.path.exists(path):
                shutil.copy(path, os.path.join(folder, exp.replace("/", "+") + name[3:]))

    def run_all(self, server, exps):
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            return dict(zip(exps, pool.map(lambda exp: self.run(server, exp), exps)))


def read_table(path):
    """A table that -o has written, or one with the same first three columns."""
    table = {}
    with open(path) as f:
        for line in f:
            words = line.rstrip("\n").split("\t")
            if words[0].endswith(".exp"):
                table[words[0]] = collections.Counter(PASS=int(words[1]), FAIL=int(words[2]))
    return table


def write_table(path, table):
    with open(path, "w") as f:
        f.write("exp\t%s\n" % "\t".join(kind.lower() for kind in KINDS))
        for exp in sorted(table):
            f.write("%s\t%s\n" % (exp, "\t".join(str(table[exp][kind]) for kind in KINDS)))


def read_reasons():
    """{file: why it may lose} of explained.txt: a name, and a reason, in each line."""
    with open(os.path.join(HERE, "explained.txt")) as f:
        return dict(line.rstrip("\n").split(None, 1) for line in f
                    if line.strip() and line[0] != "#")


def report(base, ours, board):
    """Prints the table; the files that lose and should not."""
    folders = collections.OrderedDict()
    for exp in sorted(ours):
        row = folders.setdefault(exp.split("/")[0], [0] * 5)
        for i, n in enumerate((1, base[exp]["PASS"], ours[exp]["PASS"], base[exp]["FAIL"],
                               ours[exp]["FAIL"])):
            row[i] += n
    folders["total"] = [sum(column) for column in zip(*folders.values())] or [0] * 5
    print("# %s\n%-14s %6s %10s %12s %8s %12s" % (board, "", "files", "gdbserver", "archerfish",
                                              "fails", "of archerfish"))
    for name, row in folders.items():
        print("%-14s %6d %10d %12d %8d %12d" % (name, *row))
    reasons = read_reasons()
    lost = [exp for exp in sorted(ours) if ours[exp]["PASS"] < base[exp]["PASS"]]
    for exp in lost:
        print("less: %s: %d of %d%s" % (exp, ours[exp]["PASS"], base[exp]["PASS"],
                                        "; " + reasons[exp] if exp in reasons else ""))
    more = [exp for exp in sorted(ours) if ours[exp]["PASS"] > base[exp]["PASS"]]
    for exp in more:
        print("more: %s: %d for %d" % (exp, ours[exp]["PASS"], base[exp]["PASS"]))
    return [exp for exp in lost if exp not in reasons]


def compare(suite, args):
    exps = suite.files(args.words)
    if not exps:
        raise CannotRun("no file is meant by %s" % " ".join(args.words))
    ours = suite.run_all(args.stub, exps)
    if args.base.endswith(".tsv"):
        base = read_table(args.base)
        ours = {exp: ours[exp] for exp in exps if exp in base}
    else:
        base = suite.run_all(shutil.which(args.base) or args.base, exps)
    for exp in [e for e in ours if ours[e]["PASS"] < base[e]["PASS"]]:
        again = suite.run(args.stub, exp)
        if again["PASS"] > ours[exp]["PASS"]:
            ours[exp] = again
    if args.output:
        write_table(args.output, ours)
    return report(base, ours, args.board)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--stub", required=True, type=os.path.abspath)
    p.add_argument("--board", default="native-gdbserver")
    p.add_argument("--base", default="gdbserver")
    p.add_argument("--gdb", default="gdb")
    p.add_argument("--timeout", type=int, default=300)
    p.add_argument("--keep", help="a folder for what each run has said")
    p.add_argument("-o", "--output")
    p.add_argument("-j", "--jobs", type=int, default=2)
    p.add_argument("words", nargs="*")
    args = p.parse_args()
    args.words = args.words or ["gdb.server/*.exp", "@" + os.path.join(HERE, "fast.txt")]
    try:
        suite = Suite(args)
        try:
            lost = compare(suite, args)
        finally:
            suite.close()
    except CannotRun as e:
        print("gdb's testsuite is skipped: %s" % e)
        return 77
    print("gdb-testsuite: %s" % ("%d files lose" % len(lost) if lost else "nothing is lost"))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
