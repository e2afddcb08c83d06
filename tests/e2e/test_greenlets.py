# SPDX-License-Identifier: MIT
"""Greenlets that do not run are shown with their stacks."""

import glob
import json
import os
import shutil

import zoo
from harness import case


def debians():
    return [python for python in zoo.pythons() if python.kind.startswith(("host", "root:"))]


def module_folder(t, python):
    """Debian's greenlet for one of Debian's own interpreters, where the program sees it."""
    suite = python.kind.partition(":")[2] or python.kind
    folder = os.path.join(os.path.dirname(zoo.roots_dir()), "modules", suite,
                          "usr/lib/python3/dist-packages")
    wanted = "greenlet/_greenlet.cpython-%d%d-*.so" % python.version[:2]
    if not glob.glob(os.path.join(folder, wanted)):
        t.skip("no greenlet for it in %s: tests/zoo/modules.sh fetches Debian's" % folder)
    return shutil.copytree(folder, os.path.join(t.dir, "modules"))


@case("stacks --tasks shows greenlets as greenlet itself does", python=debians)
def _(t, python):
    path = os.path.join(t.dir, "greenlets.json")
    program = t.program(python, "greenlets.py", module_folder(t, python), path, until="^ready$")
    t.asleep(program.pid)
    with open(path) as f:
        expected = {one["address"]: one["frames"] for one in json.load(f)}
    printer = t.archerfish("stacks", "--tasks", "--json", program.pid)
    t.equal(printer.wait(), 0, "its exit status")
    found = {one["address"]: [[f["file"], f["line"], f["name"]] for f in one["frames"]]
             for one in json.loads(printer.text)["greenlets"]}
    t.equal(found, expected, "the stacks")
    t.untouched(program.pid)
