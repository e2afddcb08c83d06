# SPDX-License-Identifier: MIT
"""Waits in code that came from no file, whose text is where traceback looks for it."""

import linecache
import threading

SOURCE = "def outer(wait):\n    return   inner(wait)   \n\ndef inner(wait):\n\twait()  # \u03bb\n"
linecache.cache["<cell 7>"] = (len(SOURCE), None, SOURCE.splitlines(True), "<cell 7>")


def wait():
    print("ready", flush=True)
    lock.acquire()


lock = threading.Lock()
lock.acquire()
names = {}
exec(compile(SOURCE, "<cell 7>", "exec"), names)
exec(compile("\ngo()", "<not kept>", "exec"), {"go": lambda: names["outer"](wait)})
