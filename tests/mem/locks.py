# SPDX-License-Identifier: MIT
"""The program whose memory tests/mem/locks/*.mem hold: run, then `record -k PID`.

A few threads that wait for each other; each in a function of its own name.
"""
import contextlib
import queue
import threading


a, b, c, d = threading.Lock(), threading.Lock(), threading.RLock(), threading.RLock()
e, f = threading.Lock(), threading.Lock()
condition = threading.Condition(threading.Lock())
held = threading.Event()
never = threading.Event()
both, recursive, bare = threading.Barrier(2), threading.Barrier(2), threading.Barrier(2)


def first():
    with a:
        both.wait()
        with b:
            pass


@contextlib.contextmanager
def holding(lock):
    with lock:
        yield


def second():
    with holding(b):
        both.wait()
        with a:
            pass


def third(mine, other, depth):
    with mine:
        if depth:
            return third(mine, other, depth - 1)
        recursive.wait()
        with other:
            pass


def taker(mine, other):
    mine.acquire()
    bare.wait()
    other.acquire()


def notified():
    with condition:
        held.set()
        condition.wait()


def keeper():
    held.wait()
    with condition:
        never.wait()


def getter():
    queue.Queue().get(timeout=1000000)


def joiner(thread):
    thread.join()


def start(target, *args):
    t = threading.Thread(target=target, args=args, name=target.__name__, daemon=True)
    t.start()
    return t


one = start(first)
start(second)
start(third, c, d, 0)
start(third, d, c, 2)
start(taker, e, f)
start(taker, f, e)
start(notified)
start(keeper)
start(getter)
start(joiner, one)
with contextlib.suppress(KeyboardInterrupt):
    threading.Event().wait()
