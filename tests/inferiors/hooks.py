# SPDX-License-Identifier: MIT
"""Threads that call sleep_hook() for ever, from known depths; its lines sleep in turn."""
import threading
import time


def sleep_hook():
    time.sleep(0.002)
    time.sleep(0.002)  # second


def deep(n):
    if n:
        deep(n - 1)
    else:
        while True:
            sleep_hook()


threading.Thread(target=deep, args=(5,), daemon=True).start()
print("ready", flush=True)
deep(0)
