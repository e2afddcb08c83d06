# SPDX-License-Identifier: MIT
"""Variables and exceptions to ask for: what tests/mem/questions/*.mem are recorded from.

Prints "ready" when it is blocked, in the function that handles an exception.
"""

import collections
import time

Point = collections.namedtuple("Point", "x y")
GLOBAL = {"k": [10, 20, 30]}


class Base:
    data = ("of", "the", "class")

    def method(self):
        pass

    @property
    def computed(self):
        return 1


class Plain(Base):
    def __init__(self):
        self.jobs = [{"id": 7}]
        self.text = "na\u00efve \u732b"


class Slots:
    __slots__ = ("p", "unset")

    def __init__(self):
        self.p = [1, 2, 3]


def recurse(n):
    if n:
        recurse(n - 1)
    raise ValueError("deep", 3)


def asked(argument):
    x, slots, point = Plain(), Slots(), Point(3, 4)
    d = {1: "one", "s": 2, b"b": 3, None: 4, (1, "t"): 5, 2.5: 6}
    queue = collections.deque([1, 2, 3])
    raw = bytearray(b"raw")
    try:
        recurse(5)
    except ValueError as e:
        try:
            raise KeyError("gone") from e
        except KeyError:
            print("ready", flush=True)
            time.sleep(argument)
            return x, slots, point, d, queue, raw


asked(1e6)
