# SPDX-License-Identifier: MIT
"""Makes a function for each line of its input, which then waits for the next line, and one
that nobody calls."""

import sys

import debuggable

SOURCE = """def late_%d(x):
    print("made %d", flush=True)
    return sys.stdin.readline()
def unused_%d():
    pass
"""


def main():
    debuggable.allow()
    print("ready", flush=True)
    line = sys.stdin.readline()
    while line not in ("", "end\n"):
        number = int(line)
        names = {"sys": sys}
        exec(compile(SOURCE % (number, number, number), "made_%d.py" % number, "exec"), names)
        globals()["unused_%d" % number] = names["unused_%d" % number]
        line = names["late_%d" % number](number)


if __name__ == "__main__":
    main()
