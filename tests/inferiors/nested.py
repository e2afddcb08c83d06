# SPDX-License-Identifier: MIT
"""Python in C in Python: loops one in another by sorted() and C's qsort(), with ten frames
and more in the innermost, which reads a line."""

import ctypes
import sys

import debuggable

KINDS = {"sorted": lambda f: sorted([0], key=f)}


def by_qsort():
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    qsort = ctypes.CDLL(None).qsort
    qsort.restype = None

    def call(f):
        qsort((ctypes.c_int * 2)(1, 2), 2, 4, compare(lambda a, b: int(f(0) is None)))
    return call


def rest():
    print("ready", flush=True)
    return sys.stdin.readline()


def descend(n):
    return descend(n - 1) if n else rest()


def nest(kinds, n):
    if not kinds:
        return descend(n)
    return KINDS[kinds[0]](lambda x: nest(kinds[1:], n))


def main():
    debuggable.allow()
    kinds = sys.argv[1].split(",")
    if "qsort" in kinds:
        KINDS["qsort"] = by_qsort()
    nest(kinds, int(sys.argv[2]))
    print("done", flush=True)


if __name__ == "__main__":
    main()
