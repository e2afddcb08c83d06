# SPDX-License-Identifier: MIT
"""asyncio's tasks are shown as asyncio itself knows them."""

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import zoo
from harness import TOP, case

DTD = os.path.join(TOP, "docs", "python-tasks.dtd")


def tasks_program(t, python):
    """A program whose tasks do not move; it and what it says of them."""
    path = os.path.join(t.dir, "tasks.json")
    program = t.program(python, "tasks.py", path, until="^ready$")
    t.asleep(program.pid)
    with open(path) as f:
        return program, json.load(f)["loops"]


def stacks_tasks(t, program, *options):
    printer = t.archerfish("stacks", "--tasks", *options, program.pid)
    t.equal(printer.wait(), 0, "its exit status")
    return printer.text


def label(task):
    return task.get("name") or task["address"]


def told(task):
    """Of a task in the document what the program says of it."""
    keys = ("name", "type", "state", "coroutine", "future", "future-type")
    found = {key: task.get(key) for key in keys}
    if task["state"] != "running":
        found["chain"] = [[s["file"], s["line"], s["qualname"]] for s in task["awaits"]]
    return found


def compare(t, document, loops):
    """The document's tasks, one by one, with the program's account."""
    t.equal(document.get("corrupt"), None, "why it is not complete")
    shown = {task["address"]: (task, loop) for loop in document["loops"] for task in loop["tasks"]}
    names = {address: label(task) for address, (task, _) in shown.items()}
    expected = {task["address"]: (task, loop) for loop in loops for task in loop["tasks"]}
    t.equal(sorted(names[a] for a in shown if a not in expected), [], "tasks that are not there")
    for address, (task, loop) in expected.items():
        t.check(address in shown, "%s is missing" % task["name"])
        found, its_loop = shown[address]
        t.equal(found.get("corrupt"), None, "what is corrupt in %s" % task["name"])
        for key, value in told(found).items():
            t.equal(value, task[key], "%s of %s" % (key, task["name"]))
        t.equal(sorted(names[by["task"]] for by in found["awaited-by"]), task["awaited-by"],
                "who waits for %s" % task["name"])
        t.equal(its_loop["address"], loop["loop"], "the loop of %s" % task["name"])
        t.equal(its_loop["ident"], hex(loop["ident"]), "the thread of %s" % task["name"])


@case("stacks --tasks equals asyncio's own account", python=zoo.pythons)
def _(t, python):
    program, loops = tasks_program(t, python)
    document = json.loads(stacks_tasks(t, program, "--json"))
    compare(t, document, loops)
    t.equal(len(document["cycles"]), 1, "cycles")
    t.equal(len(document["cycles"][0]["members"]), 2, "tasks in the cycle")
    t.untouched(program.pid)


def heading_of(text, name):
    found = re.search(r"^[|` -]*%s \(.*$" % re.escape(name), text, re.M)
    return found.group(0) if found else ""


@case("monitor py-tasks draws who waits for whom")
def _(t):
    program, loops = tasks_program(t, t.python())
    out = t.gdb(zoo.gdbs()[0], t.serve(pid=program.pid), "monitor py-tasks", "info os",
                "info os python-tasks", "monitor py-tasks x")
    text = out["monitor py-tasks"]
    t.has(heading_of(text, "naps"), r"^naps \(nap\): waiting for sleep\(1000000\)$")
    t.has(heading_of(text, "gets"), r": waiting for Queue at 0x")
    t.has(heading_of(text, "wants-lock"), r": waiting for Lock at 0x")
    t.has(heading_of(text, "awaits"), r": waiting for awaits-a$")
    t.has(heading_of(text, "gathers-a"), r"^\|-- gathers-a")
    t.has(heading_of(text, "gathers-b"), r"^`-- gathers-b")
    t.has(text, r"^`-- shared \(shown above\)$")
    t.has(text, r"^Cycle: cycle-[ab] waits for cycle-[ab] waits for cycle-[ab]$")
    t.has(text, r"^Thread \d+ \(other_main\) runs the event loop \w+ at 0x")
    t.has(text, r'^ +File ".*tasks.py", line \d+, in Manager.__aenter__$')
    t.has(out["info os"], r"^python-tasks")
    for task in loops[0]["tasks"]:
        t.check(task["name"] in out["info os python-tasks"], "%s is missing" % task["name"])
    t.has(out["monitor py-tasks x"], r"Unknown monitor command")


@case("the XML document of tasks follows its DTD")
def _(t):
    program, loops = tasks_program(t, t.python())
    walk = os.path.join(os.path.dirname(t.stub), "walk")
    done = subprocess.run([walk, "-A", "", str(program.pid)], stdout=subprocess.PIPE, timeout=60,
                          check=True)
    root = xml.etree.ElementTree.fromstring(done.stdout)
    t.equal({task.get("name") for task in root.iter("task")},
            {task["name"] for loop in loops for task in loop["tasks"]}, "the names")
    if not shutil.which("xmllint"):
        t.skip("no xmllint: the DTD was not tried")
    path = os.path.join(t.dir, "document.xml")
    with open(path, "wb") as f:
        f.write(done.stdout)
    shutil.copy(DTD, t.dir)
    done = subprocess.run(["xmllint", "--noout", "--nonet", "--valid", path], timeout=60,
                          check=False)
    t.equal(done.returncode, 0, "xmllint's exit status")


@case("py-tasks says so where there is no asyncio")
def _(t):
    program = t.program(t.python(), "philosophers.py", until="deadlocked")
    t.has(stacks_tasks(t, program), r"^No asyncio tasks")
    t.has(stacks_tasks(t, program, "--json"), r'"asyncio":false,"loops":\[\]')


@case("stacks --nonblocking --tasks equals asyncio's own account", python=lambda: zoo.pythons()[1::3])
def _(t, python):
    program, loops = tasks_program(t, python)
    document = json.loads(stacks_tasks(t, program, "--nonblocking", "--json"))
    if python.version[:2] == (3, 6) or python.build.startswith("free-threaded"):
        # Nothing there tells that no thread ran Python meanwhile, and that is said.
        t.has(document.pop("corrupt", ""), "torn")
    compare(t, document, loops)
    t.untouched(program.pid)


BUSY = """
import asyncio, sys
async def work():
    while True:
        for i in range(1000):
            pass
        await asyncio.sleep(0)
async def main():
    tasks = [asyncio.ensure_future(work()) for i in range(3)]
    print("ready", flush=True)
    await asyncio.wait(tasks)
asyncio.get_event_loop_policy().new_event_loop().run_until_complete(main())
"""


@case("tasks of a program that never rests are right, or said to be torn")
def _(t):
    path = os.path.join(t.dir, "busy.py")
    with open(path, "w") as f:
        f.write(BUSY)
    program = t.start_program([*t.python().command(), path], until="^ready$")
    for _ in range(5):
        document = json.loads(stacks_tasks(t, program, "--nonblocking", "--json"))
        if "torn" in (document.get("corrupt") or ""):
            continue
        t.equal(document.get("corrupt"), None, "why it is not complete")
        tasks = [task for loop in document["loops"] for task in loop["tasks"]]
        t.equal(sorted(task["coroutine"] for task in tasks), ["main"] + ["work"] * 3, "the tasks")
        t.equal([task.get("corrupt") for task in tasks], [None] * 4, "what is corrupt in one")
        t.check(sum(task["state"] == "running" for task in tasks) <= 1, "two run at once")
