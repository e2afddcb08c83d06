# SPDX-License-Identifier: MIT
"""Waits in q.get() for an item that comes after some seconds, works on it, and says how it ended.

	debuggee.py SECONDS [ROUNDS]"""
import queue
import sys
import threading
import time

q = queue.Queue()


def put():
    time.sleep(float(sys.argv[1]))
    q.put("item")


def get(n):
    local = n * 2
    item = q.get()
    x = item + "!"
    return x * local  # line: result of it


def work(rounds):
    total = 0
    for i in range(rounds):
        total += one(i)
        time.sleep(0.01)
    return total


def one(i):
    return i % 3  # line: one at a time


threading.Thread(target=put, daemon=True).start()
print("ready", flush=True)
result = get(2), work(int(sys.argv[2]) if len(sys.argv) > 2 else 10)
print(result, sys.gettrace(), flush=True)
