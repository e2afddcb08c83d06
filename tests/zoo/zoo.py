#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The interpreters and debuggers this machine has for the tests.

As a program it lists them, one a line, and what is missing with the reason:

	tests/zoo/zoo.py [pythons|gdbs|lldbs|builds]
	3.14.10  root:sid  stripped  .../tests/zoo/enter.sh ROOT /usr/bin/python3.14

As a module it gives the same to tests: pythons(), gdbs(), lldbs(), missing().
Sources: this machine's /usr/bin, pyenv, $ARCHERFISH_PYTHONS (paths, ':' between)
and the Debian roots that roots.sh makes; builds() and interpreters(wide=True) also
give what build-python.sh made.
"""

import functools
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ENTER = os.path.join(HERE, "enter.sh")
SERVED = [(3, minor) for minor in range(6, 16)]  # the versions archerfish serves


def cache_dir(variable, name):
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get(variable) or os.path.join(cache, "archerfish", name)


def roots_dir():
    return cache_dir("ARCHERFISH_ROOTS", "roots")


def builds_dir():
    return cache_dir("ARCHERFISH_BUILDS", "builds")


# Runs what follows with a folder of this machine shown inside the root it names.
SHOWN = 'export ZOO_BIND="${ZOO_BIND:+$ZOO_BIND:}$0"; exec "$@"'


class Tool:
    """An interpreter or a debugger: `version` (a tuple), `kind` (host, pyenv,
    given, root:SUITE, build:NAME), `path` (inside its root, if any), `root` (a folder
    or None), and how it was built: `build` (release, pydebug, free-threaded,
    free-threaded-pydebug, static, musl, pie, no-pie)."""

    build = "release"

    def __init__(self, version, kind, path, root=None):
        self.version, self.kind, self.path, self.root = version, kind, path, root

    def command(self, *args):
        prefix = [ENTER, self.root] if self.root else []
        return prefix + [self.path, *args]

    def beside(self, *command):
        """A command to be run where this tool runs: in the same root."""
        return ([ENTER, self.root] if self.root else []) + list(command)

    @property
    def file(self):
        """The executable as this machine sees it."""
        return os.path.realpath((self.root or "") + self.path)

    @property
    def library(self):
        """The interpreter as a shared library, as this machine sees it, or None."""
        path = os.path.join(os.path.dirname(os.path.dirname(self.file)), "lib",
                            "libpython%d.%d*.so.1.0" % self.version[:2])
        return (sorted(glob.glob(path)) or [None])[0]

    @property
    def loads(self):
        """Whether it can load shared libraries: extension modules, and others by ctypes."""
        return self.build not in ("static", "musl")

    @property
    def stripped(self):
        return not has_symtab(self.file)

    @property
    def label(self):
        return "%s %s" % (".".join(map(str, self.version)), self.kind)

    def line(self):
        return "%-8s %-13s %-9s %s" % (".".join(map(str, self.version)), self.kind,
                                       "stripped" if self.stripped else "symbols",
                                       " ".join(self.command()))


class Unpacked(Tool):
    """An interpreter out of a package.  Of a debug build there is no more than it and its
    extension modules; the rest of its library is the suite's."""

    def __init__(self, version, kind, path, root, folder):
        super().__init__(version, kind, path, root)
        self.folder = folder

    def command(self, *args):
        modules = glob.glob(self.folder + "/usr/lib/python3*/lib-dynload")
        libraries = self.folder + "/usr/lib/x86_64-linux-gnu"
        own = ["/usr/bin/env"] + (
            ["PYTHONHOME=/usr", "PYTHONPATH=" + ":".join(modules)] if modules
            else ["LD_LIBRARY_PATH=" + libraries]) + [self.path]
        inside = ["/bin/sh", "-c", SHOWN, self.folder, ENTER, self.root] if self.root else []
        return inside + own + list(args)

    @property
    def file(self):
        return os.path.realpath(self.path)


def has_symtab(path):
    """Whether an ELF file has a symbol table of its own (SHT_SYMTAB), not just .dynsym."""
    try:
        with open(path, "rb") as f:
            head = f.read(64)
            if head[:5] != b"\x7fELF\x02":
                return False
            table, size, count = (int.from_bytes(head[a:b], "little")
                                  for a, b in ((40, 48), (58, 60), (60, 62)))
            f.seek(table)
            sections = f.read(size * count)
        return any(sections[i + 4:i + 8] == b"\2\0\0\0" for i in range(0, len(sections), size or 1))
    except OSError:
        return False


def numbers(text):
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(n) for n in match.groups() if n) if match else None


def ask(command, pattern=r"(\d+\.\d+(?:\.\d+)?)\s*$"):
    """The version in the first line a command prints, or None."""
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, universal_newlines=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    line = (run.stdout.splitlines() or [""])[0]
    match = re.search(pattern, line)
    return numbers(match.group(1)) if run.returncode == 0 and match else None


def globs(folder, names):
    return sorted(path for name in names for path in glob.glob(os.path.join(folder, name)))


NAMES = {"python": ("python3.[6-9]", "python3.1[0-9]"), "gdb": ("gdb",),
         "lldb": ("lldb", "lldb-1[0-9]", "lldb-2[0-9]")}


def candidates(program):
    """(kind, path, root) of each file that may be `program`, one of NAMES."""
    names = NAMES[program]
    for folder in ("/usr/bin", "/usr/local/bin"):
        for path in globs(folder, names):
            yield "host", path, None
    if program == "python":
        pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
        for path in globs(pyenv, ("versions/3.[6-9].*/bin/python3", "versions/3.1[0-9].*/bin/python3")):
            yield "pyenv", path, None
        for path in filter(None, os.environ.get("ARCHERFISH_PYTHONS", "").split(":")):
            yield "given", path, None
    for root in sorted(glob.glob(roots_dir() + "/*")):
        if os.geteuid() == 0 and os.path.exists(root + "/.archerfish-zoo"):
            for path in globs(root + "/usr/bin", names):
                yield "root:" + os.path.basename(root), path[len(root):], root


@functools.lru_cache(maxsize=None)
def tools(program):
    found, seen = [], set()
    for kind, path, root in candidates(program):
        tool = Tool(None, kind, path, root)
        if tool.file in seen:
            continue
        seen.add(tool.file)
        tool.version = ask(tool.command("--version"))
        if tool.version and (program != "python" or tool.version[:2] in SERVED):
            found.append(tool)
    return sorted(found, key=lambda t: t.version)


def pythons():
    return tools("python")


@functools.lru_cache(maxsize=None)
def builds():
    """What build-python.sh made."""
    found = []
    for folder in sorted(glob.glob(builds_dir() + "/*")):
        try:
            with open(folder + "/.archerfish-build") as f:
                suite, build = f.read().split()
        except OSError:
            continue
        kind = "build:" + os.path.basename(folder)
        tool = Tool(None, kind, folder + "/python")
        if build == "pydebug":
            paths = globs(folder + "/usr/bin", ("python3.[0-9]*d",))
            root = os.path.join(roots_dir(), suite)
            if not os.path.isdir(root):  # this machine may be of that suite
                root = None
            tool = Unpacked(None, kind, paths[0], root, folder)
        tool.build = build
        # A suite that is not released may have a version that isn't either.
        tool.version = ask(tool.command("--version"), r"(\d+\.\d+\.\d+)(?:(?:a|b|rc)\d+)?\+?\s*$")
        if tool.version and tool.version[:2] in SERVED:
            found.append(tool)
    return found


def others():
    """Pythons that are not CPython 3; their `build` is the name of what they are."""
    found = []
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for path in globs(pyenv, ("versions/2.*/bin/python2.7",))[:1]:
        found.append(Tool((2, 7), "pyenv", path))
        found[-1].build = "Python 2"
    folder, root = os.path.join(builds_dir(), "pypy"), os.path.join(roots_dir(), "sid")
    for path in globs(folder + "/usr/bin", ("pypy3.[0-9]*",))[:1]:
        if os.path.isdir(root) and os.geteuid() == 0:
            found.append(Unpacked((3,), "build:pypy", path, root, folder))
            found[-1].build = "PyPy"
    return found


def interpreters(wide=False):
    """Every interpreter; if `wide`, those too that build-python.sh made."""
    return pythons() + (builds() if wide else [])


def recent():
    """Those whose frames are not objects: enough for what does not depend on the version."""
    return [tool for tool in pythons() if tool.version >= (3, 11)]


def gdbs():
    return tools("gdb")


def lldbs():
    return tools("lldb")


def missing():
    """[(what, why)] for what the tests want and this machine has not."""
    why = "not here: neither the machine's own, nor in pyenv, $ARCHERFISH_PYTHONS or the roots"
    found = [("python%d.%d" % v, why) for v in SERVED
             if v not in [t.version[:2] for t in pythons()]]
    found += [("gdb %d" % major, why) for major in (13, 16, 18)
              if major not in [t.version[0] for t in gdbs()]]
    found += [("lldb %d" % major, why) for major in (14, 19)
              if major not in [t.version[0] for t in lldbs()]]
    return found


def main():
    chosen = sys.argv[1:] or ["pythons", "gdbs", "lldbs"]
    lists = {"pythons": pythons, "gdbs": gdbs, "lldbs": lldbs, "builds": builds}
    if not set(chosen) <= set(lists):
        sys.exit(__doc__)
    for what in chosen:
        for tool in lists[what]():
            print(tool.line())
    for what, reason in missing():
        if what[:3] in [c[:3] for c in chosen]:
            print("%-21s missing   %s" % (what, reason))


if __name__ == "__main__":
    main()
