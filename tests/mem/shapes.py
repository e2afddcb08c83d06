# SPDX-License-Identifier: MIT
"""Few threads, many shapes of stack: what tests/mem/*.mem are recorded from.

Prints "ready" when every thread is blocked.
"""

import sys
import threading
import time

gate = threading.Lock()
gate.acquire()


def block():
    gate.acquire()


def numbers():
    try:
        raise KeyError("handled")
    except KeyError:
        yield sorted([2, 1], key=lambda x: block() if x == 1 else x)


def generator():
    for n in numbers():
        print(n)


slow = False


class Built:
    def __init__(self):
        self.x = [
            1,
            slow and block(),
        ]


def building():
    return Built()


async def inner():
    block()


async def outer():
    await inner()


def coroutine():
    outer().send(None)  # as an event loop does, without one


# Names whose characters take one, two and four bytes, and a file no one can encode.
NAMES = """
def naïve(): return λάμδα()
def λάμδα(): return 𝒻()
def 𝒻(): block()
naïve()
"""


def unicode_names():
    exec(compile(NAMES, "caf\xe9/\u732b/\U0001f40d/\udc80\n.py", "exec"), {"block": block})


INSIDE = """
import time
def inside():
    time.sleep(1e6)
inside()
"""


def subinterpreter():
    if sys.version_info >= (3, 14):
        from concurrent import interpreters
        interpreters.create().exec(INSIDE)
    elif sys.version_info >= (3, 13):
        import _interpreters
        _interpreters.exec(_interpreters.create(), INSIDE)
    elif sys.version_info >= (3, 12):
        import _xxsubinterpreters
        _xxsubinterpreters.run_string(_xxsubinterpreters.create(), INSIDE)
    else:
        block()


def main():
    global slow
    for _ in range(100):  # until the call of __init__ is specialized
        building()
    slow = True
    for shape in generator, building, coroutine, unicode_names, subinterpreter:
        threading.Thread(target=shape, daemon=True).start()
    time.sleep(0.5)
    print("ready", flush=True)
    time.sleep(1e6)


main()
