# SPDX-License-Identifier: MIT
"""A program whose every legal stack is known: see exact.c, which has the lines.

Runs until it is killed.  Three threads go round for ever, a fourth starts and
joins short-lived ones.
"""
import gc
import sys
import threading


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
