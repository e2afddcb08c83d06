# SPDX-License-Identifier: MIT
"""Threads that wait for each other in every way there is, and what is true of them.

    locks.py FOLDER

Runs on 3.6 and later.  When none of its threads moves any more it writes FOLDER/locks.json
and says "ready".  The file says of each thread that waits: what for, where, and which
threads must be said to hold it and by what; and which threads wait in a circle.  Threads
that are not in it wait for nothing of Python's.

What is expected follows from how the program is built, not from looking: a thread waits
only once those before it are where they should be.
"""

import contextlib
import json
import os
import queue
import select
import socket
import sys
import threading
import time

FOLDER = sys.argv[1]
HERE = os.path.abspath(__file__)
NEVER = threading.Event()  # is never set

with open(HERE) as f:
    SOURCE = f.read().splitlines()

expected = {}  # name: what is known of the thread
cycles = []
started = []


def line(mark):
    """The number of the line that ends in "# at: MARK"."""
    found = [i for i, text in enumerate(SOURCE, 1) if text.endswith("# at: " + mark)]
    assert len(found) == 1, (mark, found)
    return found[0]


def thread(name, target, *args):
    t = threading.Thread(target=target, args=args, name=name, daemon=True)
    started.append(t)
    t.start()
    return t


def expect(name, what, at, *holders, **more):
    """`holders`: (thread, by) or (thread, by, mark of the line it holds it since)."""
    expected[name] = dict(
        {"for": what, "line": line(at), "timed": False,
         "holders": [{"name": h[0], "by": h[1], "line": line(h[2]) if len(h) > 2 else None}
                     for h in holders]}, **more)


def circle(*names, **more):
    cycles.append(dict({"names": list(names), "certain": True, "timed": False}, **more))


def meet(n):
    """A function that returns once it was called n times; nobody waits in it afterwards."""
    barrier = threading.Barrier(n)
    return lambda: barrier.wait(60)


# ---- who holds what ----

def philosophers():
    n = 4
    forks = [threading.Lock() for _ in range(n)]
    seated = meet(n)

    def dine(i):
        with forks[i]:  # at: first fork
            seated()
            with forks[(i + 1) % n]:  # at: second fork
                pass

    for i in range(n):
        thread("phil-%d" % i, dine, i)
        expect("phil-%d" % i, "lock", "second fork",
               ("phil-%d" % ((i + 1) % n), "with", "first fork"))
    circle(*["phil-%d" % i for i in range(n)])


def nested():
    a, b, both = threading.Lock(), threading.Lock(), meet(2)

    def inner(lock):
        for _ in range(2):
            with lock:  # at: nested inner
                pass

    def outer(mine, other):
        with open(os.devnull) as _:
            for _ in range(3):
                with mine:  # at: nested outer
                    try:
                        both()
                        try:
                            inner(other)  # called with an exception handler around
                        except ValueError:
                            pass
                    finally:
                        pass

    thread("nested-a", outer, a, b)
    thread("nested-b", outer, b, a)
    expect("nested-a", "lock", "nested inner", ("nested-b", "with", "nested outer"))
    expect("nested-b", "lock", "nested inner", ("nested-a", "with", "nested outer"))
    circle("nested-a", "nested-b")


def several_at_once():
    a, b, c, ready = threading.Lock(), threading.Lock(), threading.Lock(), meet(2)

    def holder():
        with a, b:  # at: holds two
            ready()
            with c:  # at: wants the third
                pass

    def other():
        with c:  # at: holds the third
            ready()
            with b:  # at: wants one of two
                pass

    thread("two-holder", holder)
    thread("two-other", other)
    expect("two-holder", "lock", "wants the third", ("two-other", "with", "holds the third"))
    expect("two-other", "lock", "wants one of two", ("two-holder", "with", "holds two"))
    circle("two-holder", "two-other")


def recursive():
    a, b, both = threading.RLock(), threading.RLock(), meet(2)

    def go(mine, other, depth):
        with mine:  # at: rlock again
            if depth:
                go(mine, other, depth - 1)
            else:
                both()
                with other:  # at: rlock wanted
                    pass

    thread("rlock-a", go, a, b, 3)
    thread("rlock-b", go, b, a, 0)
    expect("rlock-a", "rlock", "rlock wanted", ("rlock-b", "owner", "rlock again"))
    expect("rlock-b", "rlock", "rlock wanted", ("rlock-a", "owner", "rlock again"))
    circle("rlock-a", "rlock-b")


def bare_rlock():
    a, b, both = threading.RLock(), threading.RLock(), meet(2)

    def go(mine, other):
        mine.acquire()
        both()
        other.acquire()  # at: bare rlock

    thread("bare-rlock-a", go, a, b)
    thread("bare-rlock-b", go, b, a)
    expect("bare-rlock-a", "rlock", "bare rlock", ("bare-rlock-b", "owner"))
    expect("bare-rlock-b", "rlock", "bare rlock", ("bare-rlock-a", "owner"))
    circle("bare-rlock-a", "bare-rlock-b")


def ended_owner():
    """The last part: a thread started later may get the ident, and so the lock."""
    lock, taken = threading.RLock(), threading.Event()

    def go():
        taken.wait(60)
        with lock:  # at: owner ended
            pass

    thread("ended-owner", go)
    t = threading.Thread(target=lock.acquire)
    t.start()
    t.join()
    taken.set()
    expect("ended-owner", "rlock", "owner ended")


def conditions():
    for kind, make in (("lock", threading.Lock), ("rlock", threading.RLock)):
        a, b, both = threading.Condition(make()), threading.Condition(make()), meet(2)
        by = "with" if kind == "lock" else "owner"

        def go(mine, other):
            with mine:  # at: condition held
                both()
                with other:  # at: condition wanted
                    pass

        x, y = "cond-%s-a" % kind, "cond-%s-b" % kind
        thread(x, go, a, b)
        thread(y, go, b, a)
        expect(x, kind, "condition wanted", (y, by, "condition held"))
        expect(y, kind, "condition wanted", (x, by, "condition held"))
        circle(x, y)


def released_by_wait():
    """Who waits in a condition does not hold its lock, though inside the with statement."""
    for kind, make in (("lock", threading.Lock), ("rlock", threading.RLock)):
        lock = make()
        c = threading.Condition(lock)

        def waiter():
            with c:
                c.wait()  # at: notified never

        def holder(inside):
            with lock:  # at: held beside
                inside.set()
                NEVER.wait()  # at: held beside, never

        def wanter():
            with c:  # at: wanted beside
                pass

        thread("wait-%s-waiter" % kind, waiter)
        until(lambda: c._waiters)
        inside = threading.Event()
        thread("wait-%s-holder" % kind, holder, inside)
        inside.wait()
        thread("wait-%s-wanter" % kind, wanter)
        expect("wait-%s-waiter" % kind, "condition", "notified never")
        expect("wait-%s-holder" % kind, "event", "held beside, never")
        expect("wait-%s-wanter" % kind, kind, "wanted beside",
               ("wait-%s-holder" % kind, "with" if kind == "lock" else "owner", "held beside"))


def until(so):
    end = time.monotonic() + 60
    while not so() and time.monotonic() < end:
        time.sleep(0.001)


def restored_after_wait():
    """One that was notified wants the lock back, which another has taken meanwhile."""
    c = threading.Condition(threading.Lock())
    inside = threading.Event()

    def waiter():
        with c:
            c.wait()  # at: wants it back

    def notifier():
        with c:  # at: notified and kept
            c.notify()
            inside.set()
            NEVER.wait()  # at: notified and kept, never

    thread("back-waiter", waiter)
    until(lambda: c._waiters)
    thread("back-notifier", notifier)
    inside.wait()
    expect("back-waiter", "lock", "wants it back", ("back-notifier", "with", "notified and kept"))
    expect("back-notifier", "event", "notified and kept, never")


def attributes():
    class Account:
        def __init__(self):
            self.lock = threading.Lock()

        def move(self, other):
            with self.lock:  # at: attribute held
                both()
                with other.lock:  # at: attribute wanted
                    pass

    a, b, both = Account(), Account(), meet(2)
    thread("attribute-a", a.move, b)
    thread("attribute-b", b.move, a)
    expect("attribute-a", "lock", "attribute wanted", ("attribute-b", "with", "attribute held"))
    expect("attribute-b", "lock", "attribute wanted", ("attribute-a", "with", "attribute held"))
    circle("attribute-a", "attribute-b")


GLOBAL = threading.Lock()


def of_module():
    inside = threading.Event()

    def holder():
        with GLOBAL:  # at: global held
            inside.set()
            NEVER.wait(100000)  # at: global held, never

    def wanter():
        GLOBAL.acquire()  # at: global wanted

    thread("global-holder", holder)
    inside.wait()
    thread("global-wanter", wanter)
    expect("global-holder", "event", "global held, never", timed=True)
    expect("global-wanter", "lock", "global wanted", ("global-holder", "with", "global held"))


@contextlib.contextmanager
def held(lock):
    with lock:  # at: held
        yield lock


def context_managers():
    a, b, both = threading.Lock(), threading.Lock(), meet(2)

    def by_generator(mine, other):
        with held(mine):  # at: by generator
            both()
            with other:  # at: behind generator
                pass

    def by_stack(mine, other):
        with contextlib.ExitStack() as stack:  # at: by stack
            stack.enter_context(open(os.devnull))
            stack.enter_context(mine)
            both()
            stack.enter_context(held(other))

    thread("manager-a", by_generator, a, b)
    thread("manager-b", by_stack, b, a)
    expect("manager-a", "lock", "behind generator", ("manager-b", "with", "by stack"))
    expect("manager-b", "lock", "held", ("manager-a", "with", "by generator"))
    circle("manager-a", "manager-b")


class Guard:
    """A context manager of which only its author knows what it does."""

    def __init__(self, lock):
        self.lock = lock

    def __enter__(self):
        self.lock.acquire()
        return self

    def __exit__(self, *exc):
        self.lock.release()


def own_manager():
    lock, inside = threading.Lock(), threading.Event()

    def holder():
        with Guard(lock):  # at: guarded
            inside.set()
            NEVER.wait()  # at: guarded, never

    def wanter():
        with lock:  # at: wants guarded
            pass

    thread("guard-holder", holder)
    inside.wait()
    thread("guard-wanter", wanter)
    expect("guard-holder", "event", "guarded, never")
    expect("guard-wanter", "lock", "wants guarded", ("guard-holder", "maybe"))


def bare():
    a, b, both = threading.Lock(), threading.Lock(), meet(2)

    def go(mine, other):
        mine.acquire()
        both()
        other.acquire()  # at: bare

    thread("bare-a", go, a, b)
    thread("bare-b", go, b, a)
    expect("bare-a", "lock", "bare", ("bare-b", "maybe"))
    expect("bare-b", "lock", "bare", ("bare-a", "maybe"))
    circle("bare-a", "bare-b", certain=False)


def bare_of_closures():
    a, b, both = threading.Lock(), threading.Lock(), meet(2)

    def first():
        a.acquire()
        try:
            both()
            b.acquire()  # at: closure first
        finally:
            a.release()

    def second():
        b.acquire()
        try:
            both()
            a.acquire()  # at: closure second
        finally:
            b.release()

    thread("closure-a", first)
    thread("closure-b", second)
    expect("closure-a", "lock", "closure first", ("closure-b", "maybe"))
    expect("closure-b", "lock", "closure second", ("closure-a", "maybe"))
    circle("closure-a", "closure-b", certain=False)


def of_nobody():
    """Taken by a function that has returned, in a thread that has it nowhere."""
    locks = {"it": threading.Lock()}
    locks["it"].acquire()

    def wanter():
        locks["it"].acquire()  # at: of nobody

    thread("of-nobody", wanter)
    expect("of-nobody", "lock", "of nobody")


def against_oneself():
    a, b = threading.Lock(), threading.Lock()

    def with_with():
        with a:  # at: self first
            with a:  # at: self second
                pass

    def with_acquire():
        b.acquire()
        b.acquire()  # at: self acquire

    thread("self-with", with_with)
    thread("self-acquire", with_acquire)
    expect("self-with", "lock", "self second", ("self-with", "with", "self first"))
    expect("self-acquire", "lock", "self acquire")
    circle("self-with")


def with_time_limits():
    a, b, both = threading.Lock(), threading.Lock(), meet(2)

    def go(mine, other):
        with mine:  # at: timed held
            both()
            other.acquire(timeout=100000)  # at: timed

    thread("timed-a", go, a, b)
    thread("timed-b", go, b, a)
    expect("timed-a", "lock", "timed", ("timed-b", "with", "timed held"), timed=True)
    expect("timed-b", "lock", "timed", ("timed-a", "with", "timed held"), timed=True)
    circle("timed-a", "timed-b", timed=True)


def exceptions():
    """A with statement left by an exception holds nothing; a handler inside one does."""
    a, b, inside = threading.Lock(), threading.Lock(), threading.Event()

    def left():
        try:
            with a:
                raise ValueError
        except ValueError:
            with b:  # at: handler holds
                try:
                    raise KeyError
                except KeyError:
                    inside.set()
                    NEVER.wait()  # at: in handler

    def taker():
        with a:  # at: taken after
            with b:  # at: wants handler's
                pass

    def wanter():
        with a:  # at: wants taken after
            pass

    thread("left", left)
    inside.wait()
    thread("left-taker", taker)
    until(a.locked)
    thread("left-wanter", wanter)
    expect("left", "event", "in handler")
    expect("left-taker", "lock", "wants handler's", ("left", "with", "handler holds"))
    expect("left-wanter", "lock", "wants taken after", ("left-taker", "with", "taken after"))


def given_back_inside():
    """Given back inside the with statement, and taken by another: nothing is certain."""
    lock, out, inside = threading.Lock(), threading.Event(), threading.Event()

    def odd():
        with lock:
            lock.release()
            out.set()
            NEVER.wait()  # at: odd

    def holder():
        with lock:
            inside.set()
            NEVER.wait()  # at: odd's holder

    def wanter():
        with lock:  # at: odd's wanter
            pass

    thread("odd", odd)
    out.wait()
    thread("odd-holder", holder)
    inside.wait()
    thread("odd-wanter", wanter)
    expect("odd", "event", "odd")
    expect("odd-holder", "event", "odd's holder")
    expect("odd-wanter", "lock", "odd's wanter", ("odd", "maybe"), ("odd-holder", "maybe"))


def in_generators():
    lock, inside = threading.Lock(), threading.Event()

    def numbers():
        with lock:  # at: in a generator
            inside.set()
            NEVER.wait()  # at: in a generator, never
            yield 1

    def consumer():
        for _ in numbers():
            pass

    def wanter():
        lock.acquire()  # at: wants generator's

    thread("generator", consumer)
    inside.wait()
    thread("generator-wanter", wanter)
    expect("generator", "event", "in a generator, never")
    expect("generator-wanter", "lock", "wants generator's",
           ("generator", "with", "in a generator"))


def deep_down():
    lock, inside = threading.Lock(), threading.Event()

    def down(n):
        if n:
            return down(n - 1)
        inside.set()
        return NEVER.wait()  # at: deep down

    def holder():
        with lock:  # at: held high up
            down(300)

    def wanter():
        with lock:  # at: wants deep down
            pass

    thread("deep-holder", holder)
    inside.wait()
    thread("deep-wanter", wanter)
    expect("deep-holder", "event", "deep down")
    expect("deep-wanter", "lock", "wants deep down", ("deep-holder", "with", "held high up"))


# ---- the end of threads ----

def joins():
    def last():
        NEVER.wait()  # at: joined last

    def joiner(other):
        other.join()  # at: joins

    a = thread("join-1", last)
    b = thread("join-2", joiner, a)
    thread("join-3", joiner, b)
    expect("join-1", "event", "joined last")
    expect("join-2", "thread", "joins", ("join-1", "alive"))
    expect("join-3", "thread", "joins", ("join-2", "alive"))


def timed_join():
    def last():
        NEVER.wait()  # at: joined timed last

    def joiner(other):
        other.join(100000)  # at: joins timed

    a = thread("join-t1", last)
    thread("join-t2", joiner, a)
    expect("join-t1", "event", "joined timed last")
    expect("join-t2", "thread", "joins timed", ("join-t1", "alive"), timed=True)


def join_circle():
    threads, both = {}, meet(2)

    def joiner(other):
        both()
        threads[other].join()  # at: joins in a circle

    threads["a"] = threading.Thread(target=joiner, args=("b",), name="circle-a", daemon=True)
    threads["b"] = threading.Thread(target=joiner, args=("a",), name="circle-b", daemon=True)
    for t in threads.values():
        started.append(t)
        t.start()
    expect("circle-a", "thread", "joins in a circle", ("circle-b", "alive"))
    expect("circle-b", "thread", "joins in a circle", ("circle-a", "alive"))
    circle("circle-a", "circle-b")


def join_and_lock():
    """Joins a thread that wants a lock which the joiner holds."""
    lock, started_one = threading.Lock(), threading.Event()

    def worker():
        started_one.wait(60)
        with lock:  # at: worker wants
            pass

    def boss(t):
        with lock:  # at: boss holds
            started_one.set()
            t.join()  # at: boss joins

    t = thread("worker", worker)
    thread("boss", boss, t)
    expect("worker", "lock", "worker wants", ("boss", "with", "boss holds"))
    expect("boss", "thread", "boss joins", ("worker", "alive"))
    circle("worker", "boss")


# ---- imports ----

def imports():
    """A module that waits, while it is imported, for a thread that imports it too."""
    path = os.path.join(FOLDER, "locks_import_me.py")
    with open(path, "w") as out:
        out.write("import __main__\n__main__.IMPORTING.set()\n__main__.OTHER.join()\n")
    sys.path.insert(0, FOLDER)

    def importer():
        IMPORTING.wait(60)
        import locks_import_me  # at: second import
        del locks_import_me

    def first():
        import locks_import_me  # at: first import
        del locks_import_me

    global OTHER
    OTHER = thread("import-b", importer)
    thread("import-a", first)
    expect("import-a", "thread", "first import", ("import-b", "alive"), line=3)
    expect("import-b", "import", "second import", ("import-a", "owner"), text="locks_import_me")
    circle("import-a", "import-b")


IMPORTING = threading.Event()
OTHER = None


# ---- what nobody holds ----

def notifications():
    for name, kind, timed, wait in (
            ("event", "event", False, lambda: NEVER.wait()),  # at: event
            ("event-timed", "event", True, lambda: NEVER.wait(100000)),  # at: event-timed
            ("sem", "semaphore", False, threading.Semaphore(0).acquire),
            ("sem-with", "semaphore", False, threading.BoundedSemaphore(1)),
            ("get", "queue", False, lambda: queue.Queue().get()),  # at: get
            ("get-timed", "queue", True, lambda: queue.Queue().get(timeout=100000)),  # at: get-timed
            ("get-lifo", "queue", False, lambda: queue.LifoQueue().get()),  # at: get-lifo
            ("put", "queue", False, lambda: full().put(2)),  # at: put
            ("join-queue", "queue", False, lambda: full().join()),  # at: join-queue
            ("barrier", "barrier", False, lambda: threading.Barrier(2).wait()),  # at: barrier
            ("simple", "queue", False, lambda: simple().get())):  # at: simple
        def call(wait=wait):
            if hasattr(wait, "__enter__"):
                wait.acquire()
                with wait:  # at: sem-with
                    pass
            else:
                wait()  # at: sem

        thread(name, call)
        expect(name, kind, name, timed=timed)


def full():
    q = queue.Queue(1)
    q.put(1)
    return q


def simple():
    return getattr(queue, "SimpleQueue", queue.Queue)()


def futures():
    import concurrent.futures
    pool = concurrent.futures.ThreadPoolExecutor(1)
    doomed = concurrent.futures.Future()

    def wanter():
        doomed.result()  # at: future

    thread("future", wanter)
    expect("future", "future", "future")
    return pool


# ---- what is no waiting for Python's ----

def elsewhere():
    a, b = socket.socketpair()
    expected[""] = [a, b]  # kept open
    thread("in-recv", a.recv, 1)
    thread("in-select", select.select, [b], [], [])
    thread("in-sleep", time.sleep, 100000)

    def holder():
        with threading.Lock():
            time.sleep(100000)

    thread("in-sleep-with", holder)


def all_asleep():
    """Every other thread sleeps, and goes on sleeping."""
    looks = []
    while len(looks) < 5 or any(look != looks[-1] for look in looks[-4:]):
        now = []
        for tid in os.listdir("/proc/self/task"):
            if int(tid) == os.getpid():
                continue
            try:
                with open("/proc/self/task/%s/status" % tid) as f:
                    status = dict(text.rstrip("\n").split(":\t", 1) for text in f if ":\t" in text)
            except OSError:
                continue  # it has just ended
            now.append((tid, status["State"][0], status["voluntary_ctxt_switches"]))
        if all(state == "S" for _, state, _ in now):
            looks.append(now)
        else:
            looks = []
        time.sleep(0.01)


def main():
    for part in (philosophers, nested, several_at_once, recursive, bare_rlock,
                 conditions, released_by_wait, restored_after_wait, attributes, of_module,
                 context_managers, own_manager, bare, bare_of_closures, of_nobody,
                 against_oneself, with_time_limits, exceptions, given_back_inside,
                 in_generators, deep_down, joins, timed_join, join_circle, join_and_lock,
                 imports, notifications, futures, elsewhere, ended_owner):
        part()
    sockets = expected.pop("", None)
    all_asleep()
    waits = {t.name: expected[t.name] for t in started if t.name in expected}
    assert len(waits) == len(expected), set(expected) - set(waits)
    expect("MainThread", "thread", "main joins", ("phil-0", "alive"))
    waits["MainThread"] = expected["MainThread"]
    with open(os.path.join(FOLDER, "locks.json"), "w") as out:
        json.dump({"waits": waits, "cycles": cycles}, out)
    print("ready", flush=True)
    started[0].join()  # at: main joins
    del sockets


if __name__ == "__main__":
    main()
