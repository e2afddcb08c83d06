# SPDX-License-Identifier: MIT
"""Goes over and over some lines; as `lines.py trace` it says which, by sys.settrace()."""

import sys

import debuggable


def leaf(n):
    a = n + 1
    b = a * 2
    return b


def work(i):
    x = leaf(i)
    try:
        y = x // (i % 2)
    except ZeroDivisionError:
        y = 0
    for k in range(2):
        y += k
    z = sum(v for v in (x, y))
    return y + z


def main(times):
    total = 0
    for i in range(times):
        r = work(i)  # line: call
        total += r
    print("total", total, flush=True)


def trace(times):
    seen = []

    def tracer(frame, event, arg):
        if frame.f_code.co_filename == __file__ and event == "line":
            seen.append("%s:%d" % (frame.f_code.co_name, frame.f_lineno))
        return tracer

    sys.settrace(tracer)
    main(times)
    sys.settrace(None)
    print(" ".join(seen), flush=True)


if __name__ == "__main__":
    debuggable.allow()
    if sys.argv[1] == "trace":
        trace(int(sys.argv[2]))
    else:
        print("ready", flush=True)
        sys.stdin.readline()
        main(int(sys.argv[1]))
