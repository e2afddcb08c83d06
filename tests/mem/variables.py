# SPDX-License-Identifier: MIT
"""A few variables of each kind: what tests/mem/values/*.mem are recorded from.

Prints "ready" when it is blocked.
"""

import collections
import enum
import threading
import time

try:
    import dataclasses
except ImportError:  # 3.6
    dataclasses = None

Point = collections.namedtuple("Point", "x y")


class Color(enum.Enum):
    RED = 1


if dataclasses:
    @dataclasses.dataclass
    class Job:
        name: str
else:
    Job = collections.namedtuple("Job", "name")


class Plain:
    def __init__(self):
        self.a = 1


class Slots:
    __slots__ = ("p", "unset")

    def __init__(self):
        self.p = [1]


class Custom:
    def __repr__(self):
        return "mine"


def generate():
    yield 1


def shared(argument):
    cycle = [1]
    cycle.append(cycle)
    deep = {"k": [(1, 2.5), {"x"}, b"y"]}
    texts = ["it's", "\u03bb\U0001f40d\udc80\n<&>"]
    numbers = (0, -1, 2**70, 1e22, 1 + 2j, True, None, ...)
    plain, slots, custom = Plain(), Slots(), Custom()
    job, point, red = Job("a"), Point(1, 2), Color.RED
    queue, generator = collections.deque([1], 3), generate()
    lock, error = threading.Lock(), ValueError("bad")
    things = [len, Plain, range(3), slice(1), bytearray(b"z"), frozenset()]
    deleted = 1
    del deleted

    def inner():
        print("ready", flush=True)
        time.sleep(argument)

    inner()


class Body:
    one = 1
    shared(1e6)
