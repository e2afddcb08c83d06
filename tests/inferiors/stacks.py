# SPDX-License-Identifier: MIT
"""Threads blocked in every way that gives a stack a shape of its own.

	stacks.py OUT.json

When nothing moves any more, writes each thread's stack as the interpreter itself
tells it, innermost frame first, prints "ready", and blocks as well:

	[{"tid": 1, "name": "MainThread",
	  "frames": [{"file": .., "source": .., "line": .., "name": .., "qualname": ..,
	              "where": [end line, column, end column] or null}]}]
"""

import asyncio
import collections
import functools
import itertools
import json
import os
import queue
import select
import socket
import sys
import threading
import time

import debuggable
import sources

GATE = threading.Lock()
GATE.acquire()


TIDS = {}

if hasattr(threading, "get_native_id"):
    Thread, get_native_id = threading.Thread, threading.get_native_id
else:  # to 3.7
    import ctypes

    def get_native_id():
        return ctypes.CDLL(None).syscall(186)

    class Thread(threading.Thread):
        def run(self):
            TIDS[self.ident] = get_native_id()
            super().run()

run_coroutine = getattr(asyncio, "run", None) or (  # 3.6
    lambda coroutine: asyncio.new_event_loop().run_until_complete(coroutine))


def wait_lock():
    GATE.acquire()


def recurse(depth):
    if depth:
        return recurse(depth - 1) + 1
    return wait_lock()


class Ring:
    class Inner:
        @staticmethod
        def held():
            with GATE:
                pass

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.Inner.held()

    @property
    def size(self):
        return len(self)  # C calls __len__

    @classmethod
    def made(cls):
        return cls(1).size


def generator():
    for i in range(3):
        if i == 2:
            wait_lock()
        yield i


def delegating():
    yield from generator()


def comprehension():
    return [wait_lock() if i else i for i in range(2)]


def closure(a):
    def inner(b):
        return [a, b, wait_lock()]
    return inner


def sort_key():
    return sorted([2, 1], key=lambda x: wait_lock() if x == 1 else x)


def through_c():
    return list(map(functools.partial(closure(1)), [2]))


def handler():
    try:
        raise KeyError("outer")
    except KeyError:
        try:
            raise ValueError("inner")
        except ValueError:
            wait_lock()
        finally:
            pass


def many_lines():
    return dict(
        first=1,
        second=[
            2,
            wait_lock(),
        ],
    )


class Meta(type):
    def __call__(cls, *args):
        return super().__call__(*args)


class Built(metaclass=Meta):
    def __init__(self):
        wait_lock()


def executed():
    source = "\n" * 40 + "def f():\n    gate.acquire()\nf()\n"
    exec(compile(source, "<made at run time>", "exec"), {"gate": GATE})


def evaluated():
    return eval("wait_lock()")


def 関数(λ):
    return λ()


def unicode_names():
    return 関数(wait_lock)


async def leaf():
    wait_lock()


async def branch():
    await leaf()


def coroutine():
    run_coroutine(branch())


async def agen():
    yield 1
    wait_lock()


async def consume():
    async for _ in agen():
        pass


def async_generator():
    run_coroutine(consume())


async def tick():
    await asyncio.sleep(1e6)


def event_loop():
    run_coroutine(tick())


def sleeping():
    time.sleep(1e6)


def queueing():
    queue.Queue().get()


def polling():
    select.select([], [], [])


def receiving():
    left, right = socket.socketpair()
    with left, right:
        right.recv(1)


def reading():
    fd, _ = os.pipe()
    return os.read(fd, 1)


def condition():
    cv = threading.Condition()
    with cv:
        cv.wait()


def imported():
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "no_such_module_of_archerfish":
                wait_lock()
    sys.meta_path.insert(0, Finder)
    import no_such_module_of_archerfish  # noqa: F401


def finalizer():
    class Dying:
        def __del__(self):
            wait_lock()
    Dying()


def compared():
    class Key:
        def __eq__(self, other):
            return wait_lock()

        def __hash__(self):
            return 1
    return {Key(): 1}.get(Key())


def named_tuple():
    return collections.namedtuple("Pair", "a b")(*(x or wait_lock() for x in (1, 0)))


def deep():
    recurse(150)


SHAPES = [deep, lambda: list(generator()), lambda: sum(delegating()),
          comprehension, sort_key, through_c, handler, many_lines, Built, executed, evaluated,
          unicode_names, coroutine, async_generator, event_loop, sleeping, queueing, polling,
          receiving, reading, condition, finalizer, compared, named_tuple, Ring.made]


def where(frame):
    """What it does there, from 3.11 on: the rest of its entry in co_positions()."""
    positions = getattr(frame.f_code, "co_positions", None)
    if positions is None or frame.f_lasti < 0:
        return None
    return list(next(itertools.islice(positions(), frame.f_lasti // 2, None))[1:])


def frames_of(frame):
    found = []
    while frame:
        code = frame.f_code
        found.append({"file": code.co_filename, "source": sources.source_of(code.co_filename),
                      "line": frame.f_lineno, "name": code.co_name,
                      "qualname": getattr(code, "co_qualname", code.co_name),
                      "where": where(frame)})
        frame = frame.f_back
    return found


def everything(skip):
    """Every thread's stack, without the `skip` innermost frames of this one."""
    stacks = sys._current_frames()
    found = []
    for thread in threading.enumerate():
        frames = frames_of(stacks.get(thread.ident))
        if thread is threading.current_thread():
            frames = frames[skip:]
        tid = TIDS.get(thread.ident, 0) if TIDS else thread.native_id
        found.append({"tid": tid, "name": thread.name, "frames": frames})
    return sorted(found, key=lambda stack: stack["tid"])


def blocked():
    """Whether the kernel has every other thread asleep."""
    for tid in os.listdir("/proc/self/task"):
        if int(tid) != get_native_id():
            with open("/proc/self/task/%s/stat" % tid) as f:
                if f.read().rsplit(")", 1)[1].split()[0] != "S":
                    return False
    return True


def settle(path):
    """Write the stacks once three looks, apart, saw the same; the caller blocks next."""
    looks = []
    while len(looks) < 3 or not blocked() or looks[-1] != looks[-2] or looks[-2] != looks[-3]:
        looks.append(everything(skip=2))
        time.sleep(0.1)
    with open(path + ".part", "w") as f:
        json.dump(looks[-1], f)
    os.rename(path + ".part", path)
    print("ready", flush=True)


def main():
    debuggable.allow()
    if Thread is not threading.Thread:
        TIDS[threading.get_ident()] = get_native_id()
    for i, shape in enumerate(SHAPES):
        Thread(target=shape, name="shape-%d" % i, daemon=True).start()
    Thread(target=imported, name="import", daemon=True).start()
    settle(sys.argv[1]), GATE.acquire()  # one line: what settle saw of it stays true


if __name__ == "__main__":
    main()
