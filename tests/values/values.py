#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the values that archerfish shows with what the program says itself.

	tests/values/values.py --walk build/release/walk [-v] [--core]

Runs tests/inferiors/values.py under every interpreter of the zoo.  Each variable of
its function must be shown exactly as repr() had it there, but for those in BY_DESIGN,
whose text must match the pattern beside them.  With --core the program's files can't be
read, as in a core: then what only they have may be missing.  Exit status: 0 all of them, 1 not, 77
there is no interpreter.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "zoo"))
import zoo  # pylint: disable=import-error,wrong-import-position

# Each with the function whose variables are compared.
PROGRAMS = (("values.py", "main"), ("objects.py", "variables"))
AT = r" at 0x[0-9a-f]+>"

# Why a value is not shown as its repr(), and how it is shown.
ATTRIBUTES = "a plain instance: its attributes instead of its address alone"
OWN_CODE = "repr() is the class's own code, which is not run: attributes instead"
STATE = "the state is said too"
LIMIT = "longer or deeper than is shown"
BY_DESIGN = {
    "o_plain": (ATTRIBUTES, r"<Plain\(a=1, b='two'\)" + AT),
    "d_split_obj": (ATTRIBUTES, r"<Plain\(a=1, b='two'\)" + AT),
    "o_slots": (ATTRIBUTES, r"<Slots\(p=10, q=\[1\]\)" + AT),
    "o_slots2": (ATTRIBUTES, r"<SlotsChild\(p=10, q=\[1\], extra='dict'\)" + AT),
    "o_deleted": (ATTRIBUTES, r"<Plain\(b='two'\)" + AT),
    "o_many": (ATTRIBUTES, r"<Plain\(a=1, b='two', attr0=0, .*, attr39=39\)" + AT),
    "o_list": (ATTRIBUTES, r"\[<Plain\(a=1, b='two'\) at \w+>, <Plain\(a=1, b='two'\) at \w+>\]"),
    "o_self": (ATTRIBUTES, r"<Bare\(me=<Bare at \w+>\)" + AT),
    "i_loud": (OWN_CODE, r"<LoudInt\(3\)" + AT),
    "o_custom": (OWN_CODE, r"<Custom\(v=5\)" + AT),
    "k_meta": (OWN_CODE, "<Meta" + AT),
    "g_new": (STATE, r"<generator object generate at \w+, created>"),
    "g_mid": (STATE, r"<generator object generate at \w+, suspended>"),
    "g_from": (STATE, r"<generator object generate at \w+, suspended>"),
    "g_done": (STATE, r"<generator object generate at \w+, finished>"),
    "g_expr": (STATE, r"<generator object main.<locals>.<genexpr> at \w+, created>"),
    "g_async": (STATE, r"<async_generator object agenerate at \w+, created>"),
    "g_coro": (STATE, r"<coroutine object coroutine at \w+, created>"),
    "r_keep": (ATTRIBUTES, r"\[<Plain\(slot=1\)" + AT + r", <class .*"),
    "u_deep": (LIMIT, r"\[{10}\.\.\.\]{10}"),
    "u_wide": (LIMIT, r"\[0, 1, .*, 99, \.\.\.\]"),
}
# Of objects.py: what may be shown as <Name(its attributes) at 0x..> or <Name at 0x..>,
# which no type of CPython's has for a repr(), and why.
MARKED = {
    ATTRIBUTES: "f_object q_priority q_queue q_simple x_decoder x_parser x_random x_template "
                "k_cached h_local x_spec",
    OWN_CODE: "c_str_own c_tuple_own m_own h_own x_completed x_logger x_root r_error "
              "c_counter_float c_counter_mixed c_ordered_sub m_re m_signal "
              "t_any_alone t_callable t_co t_contra t_dict_old t_of_var t_optional t_plain_old "
              "t_typing t_typing_union t_var t_queue t_any x_net4 x_ip6 p_win p_win_drive p_surrogate",
    "a type of C's whose insides are not known":
        "x_struct f_tuplegetter k_attrgetter f_method_of_list r_odict re_array",
}
# The same of versions that have no repr() of their own for it yet.
MARKED_OLD = {
    ATTRIBUTES: "h_barrier h_barrier2 h_bounded h_semaphore h_set h_stop",  # to 3.10
    OWN_CODE: "t_generic",  # 3.6
}
MARKS_OLD = {name: why for why, names in MARKED_OLD.items() for name in names.split()}
MARKS = {name: why for why, names in MARKED.items() for name in names.split()}
MARK = re.compile(r"<[\w.]+(\(.*\))? at 0x[0-9a-f]+>", re.S)
# What is shown without the program's files though the text is another: a type's name may
# be a guess or not known, and a C function's not known.
GUESS = re.compile(r"\?|<builtin_function_or_method at 0x[0-9a-f]+>")
# An array's type code is in a table that some builds have as a constant, and so is the
# name of a capsule.
ARRAY = re.compile(r"<corrupt: cannot access memory at 0x[0-9a-f]+>")
ARGUMENTS = {"everything", "tell", "out"}
UNSET = {"unset", "values", "f"}
# Of comprehensions, which are a function's own from 3.12 on and over here.
INLINED = {"e", "m", "name", "value"}


def ask(walk, core, command, folder, name, function):
    """The variables of a function and what the program says of them."""
    program = os.path.join(TOP, "tests", "inferiors", name)
    out = os.path.join(folder, "out.json")
    env = dict(os.environ, ZOO_BIND=":".join((TOP, folder)), PYTHONDONTWRITEBYTECODE="1")
    env.pop("LD_LIBRARY_PATH", None)
    process = subprocess.Popen(command(program, out), env=env, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not os.path.exists(out):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the program did not get ready")
            time.sleep(0.05)
        time.sleep(0.2)
        said = subprocess.run([walk] + ["-c"] * core + ["-d", ";locals;format=json", str(process.pid)],
                              check=True, stdout=subprocess.PIPE, timeout=60).stdout
    finally:
        process.kill()
        process.wait()
    with open(out, encoding="utf-8") as f:
        truth = json.load(f)
    os.unlink(out)
    frames = [f for i in json.loads(said)["interpreters"] for t in i["threads"]
              for f in t["frames"] if f["name"] == function]
    return {v["name"]: v for v in frames[0]["locals"]}, truth


def judge(name, shown, truth, marks):
    """What is wrong with one variable, or None."""
    if name in UNSET | INLINED:
        return "is shown though it is not set" if "repr" in shown else None
    if "repr" not in shown:
        return "is not set"
    if shown["repr"] == truth.get(name):
        return None
    if name in BY_DESIGN:
        return None if re.fullmatch(BY_DESIGN[name][1], shown["repr"]) else "unexpected text"
    if shown["repr"].startswith("<Decimal(_"):
        return None  # decimal in Python, of a build that has no _decimal
    return None if name in marks and MARK.fullmatch(shown["repr"]) else "differs"


def judge_core(name, shown, truth, marks):
    """The same of a program whose files are not there."""
    reason = judge(name, shown, truth, marks)
    missing = ARRAY.fullmatch if re.match("u_array|a_", name) else GUESS.search
    if name == "k_capsule" and ARRAY.fullmatch(shown["repr"]):
        return None
    return None if reason == "differs" and missing(shown["repr"]) else reason


def check(walk, core, tool, verbose):
    shown, truth = {}, {}
    for program, function in PROGRAMS:
        folder = tempfile.mkdtemp(prefix="archerfish-values-")
        try:
            some, said = ask(walk, core, tool.command, folder, program, function)
        finally:
            shutil.rmtree(folder)
        shown.update(some)
        truth.update(said)
    wrong = 0
    marks = dict(MARKS, **(MARKS_OLD if tool.version < (3, 11) else {}))
    for name in sorted((set(shown) | set(truth) | UNSET) - ARGUMENTS):
        reason = (judge_core if core else judge)(name, shown[name], truth, marks) if name in shown else "is missing"
        if reason:
            wrong += 1
            print("  %s %s\n    repr  %.400s\n    shown %.400s" % (
                name, reason, truth.get(name), shown.get(name, {}).get("repr")))
    exact = sum(v.get("repr") == truth.get(n, 0) for n, v in shown.items())
    if verbose:
        for name, why in sorted([(n, w) for n, (w, _) in BY_DESIGN.items()] + list(MARKS.items())):
            print("  by design: %-15s %s" % (name, why))
    print("%s %s: %d variables, %d exact, %d by design or unset, %d wrong" % (
        "not ok" if wrong else "ok", tool.label, len(shown), exact, len(shown) - exact - wrong, wrong))
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--walk", required=True)
    parser.add_argument("-k", default="", help="only interpreters whose label has this")
    parser.add_argument("--wide", action="store_true", help="also what build-python.sh made")
    parser.add_argument("--core", action="store_true", help="without the program's files")
    parser.add_argument("-v", action="store_true", help="say what differs by design")
    args = parser.parse_args()
    tools = [t for t in zoo.interpreters(args.wide) if args.k in t.label]
    if not tools:
        print("no interpreter of 3.6 to 3.15 here", file=sys.stderr)
        return 77
    good = [check(args.walk, args.core, tool, args.v) for tool in tools]
    print("# values: %d passed, %d failed, 0 skipped" % (sum(good), len(good) - sum(good)))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
