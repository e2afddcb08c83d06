# SPDX-License-Identifier: MIT
"""A program whose every legal stack is known: see exact.c, which has the lines.

Runs until it is killed.  Three threads go round for ever, a fourth starts and
joins short-lived ones.
"""
import functools
import gc
import sys
import threading

try:
    import ctypes
    c_qsort = ctypes.CDLL(None).qsort
    c_compare = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.POINTER(ctypes.c_int)] * 2)
except ImportError:  # a build without libffi
    ctypes = None


def qsort(numbers, function):
    if ctypes:
        array = (ctypes.c_int * len(numbers))(*numbers)
        c_qsort(array, len(array), ctypes.sizeof(ctypes.c_int), c_compare(function))
    else:
        sorted(zip(numbers), key=functools.cmp_to_key(function))


def a(n):
    if n == 0:
        return 0
    x = b(n - 1)
    return x + 1


def b(n):
    if n == 0:
        return 0
    x = c(n - 1)
    return x + 1


def c(n):
    if n == 0:
        return 0
    x = a(n - 1)
    return x + 1


def numbers(n):
    for i in range(n):
        yield a(i)


def through(n):
    yield from numbers(n)


def consume():
    total = 0
    for x in through(4):
        total += x
    return total


def key(x):
    return -b(x)


def through_c():
    return sorted(
        [1, 2, 3], key=key)


class Made:
    def __init__(self, n):
        self.n = c(n)


def making():
    return [
        Made(i)
        for i in range(3)
    ]


def closing(n):
    kept = [n]
    def inner():
        return a(kept[0])
    return inner()


async def leaf(n):
    return b(n)


async def branch(n):
    return await leaf(n)


def awaiting():
    try:
        branch(2).send(None)
    except StopIteration as e:
        return e.value


def caught():
    try:
        raise ValueError
    except ValueError:
        return c(1)


def each(x):
    return b(x)


def mapped():
    return list(
        map(each, (1, 2, 3)))


def compare(p, q):
    return c(2) + p[0] - q[0]


def through_qsort():
    qsort(
        (3, 1, 2), compare)


def squares(n):
    return sum(
        a(i)
        for i in range(n))


def held(n):
    try:
        yield b(n)
        yield c(n)
    finally:
        a(2)


def leaving():
    g = held(2)
    next(g)
    g.close()


def throwing():
    g = held(1)
    next(g)
    try:
        g.throw(KeyError)
    except KeyError:
        return b(2)


def deep_raise(n):
    if n == 0:
        raise LookupError(a(1))
    try:
        deep_raise(n - 1)
    finally:
        c(1)


def unwinding():
    try:
        deep_raise(4)
    except LookupError as e:
        try:
            raise OSError from e
        except OSError:
            return a(1)


class Scope:
    def __enter__(self):
        return b(1)

    def __exit__(self, *exc):
        return c(1) == 0

    @property
    def size(self):
        return a(2)


def scoped():
    scope = Scope()
    with scope:
        a(1)
    return scope.size


def relay():
    got = 0
    while True:
        got = yield a(got)


def sending():
    r = relay()
    r.send(None)
    for i in 1, 2:
        r.send(i)


def run():
    while True:
        a(30)
        b(17)
        c(5)
        consume()
        through_c()
        making()
        closing(3)
        awaiting()
        caught()
        mapped()
        through_qsort()
        squares(3)
        leaving()
        throwing()
        unwinding()
        scoped()
        sending()


def brief():
    a(3)


def churn():
    while True:
        t = threading.Thread(target=brief)
        t.start()
        t.join()


def main():
    gc.disable()  # its callbacks would be legal anywhere
    sys.setswitchinterval(1e-4)
    for target in run, run, churn:
        threading.Thread(target=target, daemon=True).start()
    print("ready", flush=True)
    run()


main()
