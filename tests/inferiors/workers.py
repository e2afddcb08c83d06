# SPDX-License-Identifier: MIT
"""Threads called waits, locked, busy, each in what its name says, until somebody calls tell().

	workers.py [foreign]

A thread `foreign' waits in C code that is not Python's own.  Prints "ready" before, and what came of
it after "end"."""
import os
import select
import sys
import threading

enough = threading.Event()
held = threading.Lock()
held.acquire()
readable, writable = os.pipe()
results = []


def tell():
    enough.set()
    os.write(writable, b"x")
    held.release()


def waits():
    select.select([readable], [], [])
    results.append("told")


def locked():
    results.append(held.acquire())


def busy():
    n = 0
    while not enough.is_set():
        n += 1
    results.append(n > 0)


def foreign():
    import ctypes
    while not enough.is_set():
        ctypes.CDLL(None).usleep(500000)


names = [waits, locked, busy] + ([foreign] if "foreign" in sys.argv else [])
threads = [threading.Thread(target=f, name=f.__name__) for f in names]
for thread in threads:
    thread.start()
print("ready", flush=True)
for thread in threads:
    thread.join()
print("end", sorted(map(str, results)), sys.gettrace(), flush=True)
