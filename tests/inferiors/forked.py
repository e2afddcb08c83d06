# SPDX-License-Identifier: MIT
"""A program with threads that forks from one of them.

	forked.py [raw]

Prints "ready CHILD".  The child has one thread, which is in child() called by
worker(); with "raw" it was made by C's fork(), which Python does not hear of, so that
the states of the parent's other threads are still there.
"""

import os
import sys
import threading
import time

gate = threading.Lock()
gate.acquire()


def waiter():
    gate.acquire()


def child():
    time.sleep(1e6)


def parent(pid):
    print("ready", pid, flush=True)
    time.sleep(1e6)


def worker():
    if "raw" in sys.argv:
        import ctypes
        pid = ctypes.PyDLL(None).fork()
    else:
        pid = os.fork()
    if pid == 0:
        child()
    parent(pid)


for _ in range(3):
    threading.Thread(target=waiter, daemon=True).start()
while threading.active_count() < 4:
    time.sleep(0.01)
threading.Thread(target=worker, daemon=True).start()
time.sleep(1e6)
