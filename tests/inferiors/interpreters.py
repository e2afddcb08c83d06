# SPDX-License-Identifier: MIT
"""Functions of one interpreter that run code in another, on one thread.

	interpreters.py DEPTH

Prints "ready" when the innermost function sleeps.  The main thread's stack is then,
innermost first: sleep() and call() of interpreter DEPTH, which was run by call() of
interpreter DEPTH - 1, and so on to call() of the main interpreter, 0.  A second
thread does the same one interpreter further and ends in doze().
"""

import sys
import threading
import time

if "LEVEL" not in globals():  # the main interpreter; the others are told
    LEVEL, DEPTH, PATH, END = 0, int(sys.argv[1]), __file__, "sleep"


def low():
    if sys.version_info >= (3, 13):
        import _interpreters
        return _interpreters.create, _interpreters.exec
    import _xxsubinterpreters
    return _xxsubinterpreters.create, _xxsubinterpreters.run_string


def sleep():
    print("ready", flush=True)
    time.sleep(1e6)


def doze():
    time.sleep(1e6)


def call(end):
    if LEVEL == DEPTH:
        globals()[end]()
    create, run = low()
    run(create(), "LEVEL, DEPTH, PATH, END = %r\nexec(compile(open(PATH).read(), PATH, 'exec'))"
        % ((LEVEL + 1, DEPTH, PATH, end),))


if LEVEL == 0:
    threading.Thread(target=call, args=("doze",), daemon=True).start()
call(END)
