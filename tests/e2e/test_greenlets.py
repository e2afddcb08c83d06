# SPDX-License-Identifier: MIT
"""Greenlets that do not run are shown with their stacks."""

import glob
import json
import os
import shutil

import zoo
from harness import case


def some():
    """Debian's own, and the old ones, for which greenlet is built."""
    return [python for python in zoo.pythons()
            if python.kind.startswith(("host", "root:")) or python.version < (3, 11)]


def module_folder(t, python):
    """Greenlet for the interpreter, where the program sees it."""
    modules = os.path.join(os.path.dirname(zoo.roots_dir()), "modules")
    suite = python.kind.partition(":")[2] or python.kind
    folder = os.path.join(modules, suite, "usr/lib/python3/dist-packages")
    if python.kind == "pyenv":
        folder = os.path.join(modules, "%d.%d.%d" % python.version[:3])
    wanted = "greenlet/_greenlet.cpython-%d%d*.so" % python.version[:2]
    if not glob.glob(os.path.join(folder, wanted)):
        t.skip("no greenlet for it in %s: tests/zoo/modules.sh makes what it can" % folder)
    return shutil.copytree(folder, os.path.join(t.dir, "modules"))


@case("stacks --tasks shows greenlets as greenlet itself does", python=some)
def _(t, python):
    path = os.path.join(t.dir, "greenlets.json")
    program = t.program(python, "greenlets.py", module_folder(t, python), path, until="^ready$")
    t.asleep(program.pid)
    with open(path) as f:
        said = json.load(f)
    expected = {one["address"]: one["frames"] for one in said}
    printer = t.archerfish("stacks", "--tasks", "--json", program.pid)
    t.equal(printer.wait(), 0, "its exit status")
    shown = json.loads(printer.text)["greenlets"]
    found = {one["address"]: [[f["file"], f["line"], f["name"]] for f in one["frames"]]
             for one in shown}
    t.equal(found, expected, "the stacks")
    t.equal({one["address"] for one in shown if one.get("tid") == program.pid},
            {one["address"] for one in said if one["main"]}, "the main thread's")
    t.untouched(program.pid)
