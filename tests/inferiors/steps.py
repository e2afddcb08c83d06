# SPDX-License-Identifier: MIT
"""Lines to step over, into and out of, and the trace that sys.settrace makes of them.

	steps.py trace		prints the lines, one event a line
	steps.py run GO		says "ready", waits for the file GO, and runs them
"""
import os
import sys
import time


def leaf(n):
    m = n + 1
    return m * 2


def numbers(n):
    for i in range(n):
        yield leaf(i)


def fails(n):
    if n:
        raise ValueError(n)
    return n


def catches(n):
    try:
        fails(n)
    except ValueError as e:
        return len(str(e))
    return 0


def loops(n):
    total = 0
    while n:
        n -= 1
        if n % 2:
            continue
        total += leaf(n)
    return total


def walk(n):
    a = leaf(n)             # line: first of walk
    b = catches(1)
    c = [leaf(x) for x in range(2)]
    d = sorted([3, 1, 2], key=lambda x: -x)
    total = a + b + sum(
        c)
    for v in numbers(2):
        total += v
    try:
        fails(2)
    except ValueError:
        total += 1
    finally:
        total += len(d)
    with open(os.devnull) as f:
        total += len(f.read())
    total += loops(3)
    if n:
        return walk(n - 1) + total
    return total


def outer():
    x = walk(1)             # line: calls walk
    y = x + 1
    return y


def trace():
    events = []

    def local(frame, event, arg):
        if frame.f_code.co_filename == __file__ and event in ("line", "call", "return"):
            events.append("%s %s %d" % (event, frame.f_code.co_name, frame.f_lineno))
        return local
    sys.settrace(local)
    outer()
    sys.settrace(None)
    print("\n".join(events))


def run(go):
    print("ready", flush=True)
    while not os.path.exists(go):
        time.sleep(0.01)
    print("result", outer(), flush=True)


if sys.argv[1] == "trace":
    trace()
else:
    run(sys.argv[2])
