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
all_there = None


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
            e.add_note("another\n\tof two lines")
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
    lambda: throw(ValueError("of\n\ttwo lines\n")),
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


WRONG = [
    "x = (1,\n",
    "def f(:\n    pass\n",
    "if 1:\n  \tx = 1 1\n",
    "f(\t1 for x in y, 2)\n",
    "'abc",
    "x = '''abc\ndef\n",
    "   indented = 1",
    "if x:\ny = 1\n",
    "\u732b = 1 +\n",
    "return",
    "a = 1\nnonlocal a\n",
    "f(a=1, a=2)",
    "x = $",
    "f() = 1\n",
    "f'{a b}'\n",
    "if 1:\n\tx\n        y\n",
]
MADE = [
    ("words",),
    (None,),
    ("words", None),
    ("words", ("file", 3, 2, "some text\n")),
    ("words", ("file", 3, None, "  some text  \n\n")),
    ("words", ("file", 3, 100, "  some text  \n")),
    ("words", ("file", 3, 0, "\tsome text")),
    ("words", ("file", 3, -2, "some text")),
    ("words", ("file", 3, 4, " \t some\ttext")),
    ("words", ("file", 3, 4, "")),
    ("words", ("file", 3, 4, None)),
    ("words", (None, 3, 4, "a\u3000b\xa0cd")),
    ("", ("file", None, 4, "text")),
    ("words", (None, None, None, None)),
    ("words", ("file", 3, 2, "some text\n", 3, 5)),
    ("words", ("file", 3, 2, "some text\n", 4, 2)),
    ("words", ("file", 3, 5, "some text\n", 3, 2)),
    ("words", ("file", 3, 2, "some text\n", 3, 50)),
    ("words", ("file", 3, 2, "some text\n", 3, -1)),
    ("words", ("file", 3, 2, "some text\n", None, None)),
]


def of_texts():
    for text in WRONG:
        try:
            compile(text, "<text>", "exec")
        except SyntaxError as e:
            yield e.with_traceback(None)
    for args in MADE:
        try:
            yield SyntaxError(*args)
        except (TypeError, IndexError):
            pass  # this version takes fewer


def syntax():
    last = None
    for e in of_texts():
        e.__context__ = last
        last = e
    try:
        e = ValueError("behind them")
        e.__context__ = last
        raise e
    except ValueError:
        block()


def failed(what, *notes):
    try:
        try:
            throw(KeyError("inside"))
        except KeyError:
            throw(what)
    except BaseException as e:
        for note in notes:
            e.add_note(note)
        return e


def groups():
    shared = OSError("twice")
    deep = ValueError("deep")
    for i in range(13):
        deep = ExceptionGroup("level %d" % i, [deep, failed(TypeError(i))][:1 + i % 2])
    wide = failed(ExceptionGroup("wide", [IndexError(i) for i in range(17)]), "a note", "of\ntwo")
    sixteen = ExceptionGroup("sixteen", [IndexError(i) for i in range(16)])
    one = failed(ExceptionGroup("one\nof two lines", [SyntaxError("words", ("file", 3, 2, "text"))]))
    one.exceptions[0].__cause__ = shared
    other = failed(BaseExceptionGroup("other", [one, KeyboardInterrupt(), failed(ValueError("a\nb"))]))
    other.exceptions[1].__context__ = shared
    try:
        try:
            throw(ExceptionGroup("first", [ValueError(1), failed(ValueError(2), "noted")]))
        except ExceptionGroup:
            throw(BaseExceptionGroup("all", [other, wide, deep, sixteen]))
    except BaseExceptionGroup as e:
        try:
            raise ValueError("behind them") from e
        except ValueError:
            block()


THREADS = [(cause, ()), (contexts, (FAILING,)), (hidden, ()), (around, ()), (syntax, ())]
if sys.version_info >= (3, 11):
    THREADS.append((groups, ()))
all_there = threading.Barrier(len(THREADS) + 1)
for function, args in THREADS:
    threading.Thread(target=function, args=args, name=function.__name__, daemon=True).start()
all_there.wait()
with open(out, "w") as f:
    json.dump(said, f)
print("ready", flush=True)
gate.acquire()
