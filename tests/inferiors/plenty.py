# SPDX-License-Identifier: MIT
"""Much of one thing: `plenty.py threads N', `depth N' or `codes N', and says "ready"."""

import sys
import threading
import time

import debuggable


def wait(*_):
    print("ready", flush=True)
    while True:
        time.sleep(1000)


def threads(n):
    threading.stack_size(128 << 10)
    gate = threading.Barrier(n + 1)

    def idle(number):
        gate.wait()
        time.sleep(1e6)
    for number in range(n):
        threading.Thread(target=idle, args=(number,), daemon=True).start()
    gate.wait()
    wait()


def depth(n):
    def down(left):
        return down(left - 1) if left else wait()
    sys.setrecursionlimit(n + 1000)
    threading.stack_size(512 << 20)
    threading.Thread(target=down, args=(n - 2,), name="deep").start()


def codes(n):
    """A function of its own for each, all on one stack."""
    space = {"f%d" % n: wait}
    for i in range(n):
        exec(compile("def f%d(x):\n    y = x + %d\n    return f%d(y)\n" % (i, i, i + 1),
                     "made_%d.py" % (i // 100), "exec"), space)
    sys.setrecursionlimit(n + 1000)
    threading.stack_size(512 << 20)
    threading.Thread(target=space["f0"], args=(0,), name="many").start()


if __name__ == "__main__":
    debuggable.allow()
    {"threads": threads, "depth": depth, "codes": codes}[sys.argv[1]](int(sys.argv[2]))
