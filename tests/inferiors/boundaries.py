# SPDX-License-Identifier: MIT
"""Python called by C in many ways, one inside the other, and at the end a wait.

Each function hands the rest of `ways' to C, which calls on(); so what C functions lie
between which Python frames is known.  sys.argv: the folder with the extension boundary
(or -), and the ways, outermost first; none: all of them.  "thread" in front starts a
thread that does the same.
"""
import functools
import os
import re
import sys
import threading
import time

try:
    import ctypes
except ImportError:
    ctypes = None  # a static interpreter has none


def rest():
    os.write(1, b"resting\n")  # whole, whatever another thread writes
    while True:
        time.sleep(1000)


def by_sorted(ways):
    return sorted([1], key=lambda item: on(ways))


def by_sub(ways):
    return re.compile("x").sub(lambda match: on(ways) or "", "x")


def by_qsort(ways):
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    array = (ctypes.c_int * 2)(2, 1)
    return ctypes.CDLL(None).qsort(array, ctypes.c_size_t(2), ctypes.c_size_t(4), kind(lambda a, b: on(ways) or 0))


class Mortal:
    def __init__(self, ways):
        self.ways = ways

    def __del__(self):
        on(self.ways)


def by_del(ways):
    mortal = Mortal(ways)
    del mortal


def by_local_del(ways):
    def leave():
        mortal = Mortal(ways)
        return 1 if mortal else 2  # it dies with the frame
    return functools.reduce(lambda a, b: leave(), [1, 2])


def by_extension(ways):
    import boundary
    return boundary.call(functools.partial(on, ways))


def by_reduce(ways):
    return functools.reduce(lambda a, b: on(ways), [1, 2])


def by_generator(ways):
    def generate():
        yield on(ways)
    return list(generate())


def by_python(ways):
    return on(ways)


def by_raise(ways):
    class Match(Exception):
        pass

    class Clause:
        def __call__(self):
            try:
                raise Match(1)
            except Match:
                return on(ways)
    return max([1], key=lambda item: Clause()())


def by_exec(ways):
    exec("on(ways)", {"on": on, "ways": ways})


WAYS = {name[3:]: function for name, function in list(globals().items()) if name.startswith("by_")}
if not ctypes:
    del WAYS["qsort"]


def on(ways):
    if not ways:
        return rest()
    return WAYS[ways[0]](ways[1:])


def main():
    if sys.argv[1:] and sys.argv[1] != "-":
        sys.path.insert(0, sys.argv[1])
    ways = sys.argv[2:] or [way for way in WAYS if sys.argv[1:2] != ["-"] or way != "extension"]
    if ways[0] == "thread":
        ways = ways[1:]
        threading.Thread(target=on, args=(ways,), daemon=True).start()
    on(ways)


if __name__ == "__main__":
    main()
