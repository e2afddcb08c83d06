# SPDX-License-Identifier: MIT
"""Threads that take and give back locks all the time, and never deadlock.

Each lock has a word in shared memory: the thread that is inside its with statement
writes its native id there when it is in and takes it out before it leaves.  So whoever
stops the program and says that a thread holds a lock by a with statement is right only
if the word says that thread or nobody.  Prints the address of the words, and for each
lock the address of its object.
"""
import ctypes
import sys
import threading
import time

N = 4
WORDS = (ctypes.c_uint32 * N)()
LOCKS = [threading.Lock(), threading.RLock(), threading.Lock(), threading.RLock()]
CONDITION = threading.Condition(LOCKS[2])


def native_id():
    return ctypes.CDLL(None).syscall(186)  # gettid


def work(n):
    """Works, and now and then lets the other threads go on, who then want the locks."""
    if n % 20 == 10:
        time.sleep(0.0003)
    return sum(range(n))


def one(me, i):
    with LOCKS[i]:
        WORDS[i] = me
        work(50)
        WORDS[i] = 0


def two(me, i, k):
    with LOCKS[i]:
        WORDS[i] = me
        try:
            one(me, k)
            if (me + work(20)) % 3 == 0:
                raise ValueError
        except ValueError:
            work(20)
        WORDS[i] = 0


def bare(i):
    LOCKS[i].acquire()
    try:
        work(30)
    finally:
        LOCKS[i].release()


def by_exception(me, i):
    try:
        with LOCKS[i]:
            WORDS[i] = me
            work(20)
            WORDS[i] = 0
            raise KeyError
    except KeyError:
        work(20)


def notified(me):
    with CONDITION:
        WORDS[2] = me
        work(10)
        WORDS[2] = 0
        CONDITION.wait(0.001)
        WORDS[2] = me
        CONDITION.notify()
        WORDS[2] = 0


def spin(seed):
    me, n = native_id(), seed
    while True:
        n = (n * 1103515245 + 12345) % (1 << 31)
        kind, i = (n >> 8) % 6, (n >> 16) % N
        if kind == 0:
            one(me, i)
        elif kind == 1:
            two(me, i % 3, i % 3 + 1)  # always in this order
        elif kind == 2:
            bare(i)
        elif kind == 3:
            by_exception(me, i)
        elif kind == 4:
            notified(me)
        else:
            with LOCKS[0], LOCKS[3]:
                work(20)


if hasattr(sys, "setswitchinterval"):
    sys.setswitchinterval(0.0005)
for seed in range(6):
    threading.Thread(target=spin, args=(seed + 1,), name="busy-%d" % seed, daemon=True).start()
print("ready %d %s" % (ctypes.addressof(WORDS), " ".join(str(id(lock)) for lock in LOCKS)),
      flush=True)
threading.Event().wait()
