# SPDX-License-Identifier: MIT
"""Python in a core is what it was in the process, with and without the interpreter's files."""

import difflib
import os
import re
import shutil
import signal

import zoo
from cores import copy_files, count, kernel_writes, newest, unlimited
from harness import INFERIORS, case

# What is asked, and of which program, once it has said what it says; and what without files.
QUESTIONS = {
    "philosophers.py": ("deadlocked", ("--locals", "--locks", "--native"), ("--locals", "--locks")),
    "tasks.py": ("ready", ("--tasks", "--locals"), ()),
}


def interpreters():
    # Of what is out of a package alone the libraries lie elsewhere than it thinks.
    return [p for p in zoo.interpreters(wide=True) if not isinstance(p, zoo.Unpacked)]


def answer(t, *arguments):
    run = t.archerfish("stacks", *arguments)
    t.equal(run.wait(), 0, "the exit status of stacks " + " ".join(map(str, arguments)))
    return run.text


def copy_sources(texts, root, folder):
    """The lines of source that are shown come from files as well."""
    for path in set(re.findall(r'File "(/.*?)"', "".join(texts))):
        source = root + path if os.path.exists(root + path) else path
        if os.path.isfile(source):
            os.makedirs(os.path.dirname(folder + path), exist_ok=True)
            shutil.copyfile(source, folder + path)


def same(t, found, live, what):
    t.check(len(live) > 100, "it says something: " + live)
    if found != live:
        t.fail("%s:\n%s" % (what, "\n".join(difflib.unified_diff(
            live.split("\n"), found.split("\n"), "process", "core", n=1))))


@case("a core's Python is what the process had", python=interpreters, script=sorted(QUESTIONS),
      timeout=300)
def _(t, python, script):
    kernel_writes(t)
    until, questions, without = QUESTIONS[script]
    program = t.start_program(python.command(os.path.join(INFERIORS, script), t.dir + "/said"),
                              until=until, cwd=t.dir, preexec_fn=unlimited)
    t.asleep(program.pid)
    live = {question: answer(t, question, program.pid) for question in questions}
    program.signal(signal.SIGABRT)
    program.wait()
    core, files, sources = newest(t.dir), os.path.join(t.dir, "files"), os.path.join(t.dir, "sources")
    t.check(core, "the kernel writes a core")
    for folder in files, sources:
        copy_sources(live.values(), python.root or "", folder)
    if python.root:
        copy_files(core, python.root, files)
    # Without build-ids nothing is read from files.
    for question in questions if "musl" not in python.label else ():
        same(t, answer(t, question, *(["--sysroot=" + files] if python.root else []), core),
             live[question], question)
    for question in without:
        same(t, answer(t, question, "--sysroot=" + sources, core), live[question],
             question + " without files")
    count()
