# SPDX-License-Identifier: MIT
"""Writes to the file it is given what it knows of every code object it can find, one a
line, as JSON: address, length, first line, file of the source, names, arguments, other variables,
and the line of each code unit; then blocks.  tests/e2e/test_synth.py compares.

Runs on every Python 3 from 3.6 on.
"""

import asyncio  # noqa: F401, for their code
import dis
import gc
import inspect
import json
import sys
import threading
import types
import typing  # noqa: F401

import sources

NESTED = """
def outer(a, *rest, key=None, **more):
    cell = a
    def inner(b):
        nonlocal cell
        cell = [x + b for x in rest if (

            x
            is not key)]
        return cell
    return lambda: (inner, more)
class Body:
    x = {k: v for k, v in [(1, 2)]}
async def walk(it):
    async with it as f:
        async for line in f:
            try:
                yield line
            except ValueError as e:
                raise KeyError from e
            finally:
                pass
def far(): pass%s
def long(a):
    return (%s)
""" % ("\n" * 400, "\n".join("a +" for _ in range(300)) + "\n" * 200 + "a")


def collect():
    found = {}

    def add(code):
        if id(code) not in found:
            found[id(code)] = code
            for const in code.co_consts:
                if isinstance(const, types.CodeType):
                    add(const)

    add(compile(NESTED, "made up \u00e9.py", "exec"))
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType):
            add(thing.__code__)
    for frame in sys._current_frames().values():
        while frame:
            add(frame.f_code)
            frame = frame.f_back
    return found


def lines(code):
    """The line of each code unit, None where it has none."""
    n = len(code.co_code) // 2
    found = [None] * n
    if hasattr(code, "co_lines"):
        for start, end, line in code.co_lines():
            found[start // 2:end // 2] = [line] * (end // 2 - start // 2)
        return found[:n]
    starts = list(dis.findlinestarts(code)) + [(2 * n, None)]
    found[:starts[0][0] // 2] = [code.co_firstlineno] * (starts[0][0] // 2)
    for (start, line), (end, _) in zip(starts, starts[1:]):
        found[start // 2:end // 2] = [line] * (end // 2 - start // 2)
    return found


def describe(code):
    args = code.co_argcount + code.co_kwonlyargcount
    args += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    names = list(code.co_varnames)
    rest = [n for n in code.co_cellvars if n not in names] + list(code.co_freevars)
    return [id(code), len(code.co_code), code.co_firstlineno,
            sources.source_of(code.co_filename), code.co_name, getattr(code, "co_qualname", code.co_name),
            names[:args], names[args:] + rest, lines(code)]


def main():
    codes = collect()
    with open(sys.argv[1], "w") as f:
        for code in codes.values():
            f.write(json.dumps(describe(code)) + "\n")
    print("ready", flush=True)
    threading.Event().wait()


main()
