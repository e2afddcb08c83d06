# SPDX-License-Identifier: MIT
"""Threads that handle exceptions, and what the traceback module says of them.

	exceptions.py FILE

writes to FILE, as JSON, {thread name: what traceback.format_exc() made}, prints
"ready" and waits.
"""

import json
import os
import sys
import threading
import traceback

out = sys.argv[1]
said = {}
gate = threading.Lock()
gate.acquire()
all_there = threading.Barrier(5)


class Own(Exception):
    pass


class Sub(KeyError):
    pass


def block():
    said[threading.current_thread().name] = traceback.format_exc()
    all_there.wait()
    gate.acquire()


def recurse(n):
    if n == 0:
        raise ValueError("deep", 3)
    recurse(n - 1)


def cause():
    try:
        recurse(10)
    except ValueError as e:
        if hasattr(e, "add_note"):
            e.add_note("a note")
        try:
            raise RuntimeError("second") from e
        except RuntimeError:
            block()


FAILING = [
    lambda: {}["k"],
    lambda: open("/nonexistent/\u732b"),
    lambda: b"a\xff".decode(),
    lambda: b"\xe7".decode("utf-8"),
    lambda: "\u732b".encode("ascii"),
    lambda: "\u732b\u732b".encode("latin-1"),
    lambda: __import__("nosuch"),
    lambda: 1 / 0,
    lambda: int("x"),
    lambda: [][3],
    lambda: os.rename("/nonexistent/a", "/nonexistent/b"),
    lambda: throw(Own()),
    lambda: throw(Own("a", 1)),
    lambda: throw(Own({"a": [1]})),
    lambda: throw(Sub("a")),
    lambda: throw(Sub("a", "b")),
    lambda: throw(ValueError(ValueError("inside"))),
    lambda: throw(OSError(2, "words")),
    lambda: throw(OSError("one")),
    lambda: throw(SystemExit(3)),
    lambda: throw(StopIteration(1)),
    lambda: throw(json.JSONDecodeError("msg", "doc", 1)),
    lambda: throw(AssertionError),
]


def throw(what):
    raise what


def contexts(rest):
    if not rest:
        block()
        return
    try:
        rest[0]()
    except BaseException:
        contexts(rest[1:])


def hidden():
    try:
        try:
            throw(KeyError("not shown"))
        except KeyError:
            raise ValueError("shown") from None
    except ValueError:
        block()


def generator():
    try:
        throw(OSError("in the generator"))
    except OSError:
        yield block()


def around():
    try:
        throw(IndexError("around it"))
    except IndexError:
        for _ in generator():
            pass


for function, args in ((cause, ()), (contexts, (FAILING,)), (hidden, ()), (around, ())):
    threading.Thread(target=function, args=args, name=function.__name__, daemon=True).start()
all_there.wait()
with open(out, "w") as f:
    json.dump(said, f)
print("ready", flush=True)
gate.acquire()
