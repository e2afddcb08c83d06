# SPDX-License-Identifier: MIT
"""Objects of the standard library: what tests/mem/library/*.mem are recorded from.

	library.py TRUTH

Writes "name = repr(value)" of each variable to the file, with 0x for every address,
prints "ready", and blocks.
"""

import argparse
import array
import collections
import fractions
import functools
import itertools
import os
import pathlib
import re
import sys
import threading
import time
import uuid
import weakref


class Base:
    slot = 1

    def method(self):
        return super()


def library(path):
    base = Base()
    partial = functools.partial(max, 1, key=len)
    numbers = array.array("d", [0.1, -2.0]), array.array("h", [-1]), array.array("u", "it's")
    patterns = [re.compile("a+", re.I), re.search(b"b", b"abc"), re.search("\u03bb", "\u03bb")]
    counter, chain = collections.Counter("hello"), collections.ChainMap({1: 2}, {})
    user = [collections.UserDict(a=1), collections.UserList([2]), collections.UserString("3")]
    ordered = collections.OrderedDict(a=1, b=2)
    views = ordered.keys(), ordered.items(), {1: 2}.values()
    iterators = itertools.count(3), itertools.repeat("x", 2)
    memory = memoryview(b"abc")
    stat, clock = os.stat_result(range(10)), time.gmtime(0)
    descriptors = [list.append, object.__init__, int.__add__, dict.__dict__["fromkeys"],
                   type.__dict__["__dict__"], (5).__add__, classmethod(Base.method)]
    parent = base.method()
    references = weakref.ref(base), weakref.ref(Base), weakref.ref(library)
    aliases = [list[int], dict[str, list[Base]], int | None, tuple[()]]
    paths = pathlib.Path("/usr//lib/./x"), pathlib.Path("a", "it's")
    fresh = pathlib.PurePosixPath("//a", "b/")
    small = uuid.UUID(int=5), fractions.Fraction(1, 3), argparse.Namespace(a=1, b="x")
    event, condition = threading.Event(), threading.Condition(threading.Lock())
    semaphore, worker = threading.Semaphore(3), threading.Thread(name="worker", daemon=True)
    raw, text = open(os.devnull, "rb", 0), open(os.devnull, encoding="ascii")
    binary = open(os.devnull, "wb")
    group = ExceptionGroup("several", [ValueError(1), ImportError("no", name="x")])
    long = 7**5200

    def block():
        print("ready", flush=True)
        time.sleep(1e6)

    names = locals()
    del names["long"]  # more than repr() allows
    with open(path, "w", encoding="utf-8") as out:
        for name, value in names.items():
            if name == "fresh":  # to be shown without having been put together
                value = pathlib.PurePosixPath("//a", "b/")
            print(name, "=", re.sub("0x[0-9a-f]+", "0x", repr(value)), file=out)
    del names, name, value, out
    block()


library(sys.argv[1])
