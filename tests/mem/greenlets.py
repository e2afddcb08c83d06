# SPDX-License-Identifier: MIT
"""Two greenlets that wait and one that runs, for recordings (record -t).

    python3 -I -S greenlets.py FOLDER	FOLDER has the module greenlet
"""
import sys

sys.path.insert(0, sys.argv[1])
import greenlet  # noqa: E402
from _thread import allocate_lock  # noqa: E402

home = greenlet.getcurrent()


class Worker(greenlet.greenlet):
    pass


def deeper(n):
    if n:
        deeper(n - 1)
    else:
        home.switch()


def through_c():
    sorted([2], key=deeper)


def wait():
    lock = allocate_lock()
    lock.acquire()
    print("ready", flush=True)
    lock.acquire()


kept = [Worker(lambda: deeper(1)), greenlet.greenlet(through_c), greenlet.greenlet(wait)]
for one in kept[:2]:
    one.switch()
kept[2].switch()
