# SPDX-License-Identifier: MIT
"""Programs that make breakpoints hard: breakable.py MODE CALLS GO.

Each says "ready", waits for the file GO, works, says "sum right", and waits until GO is
gone.
"""
import os
import signal
import sys
import threading
import time

calls, go = int(sys.argv[2]), sys.argv[3]
LIMIT = 3


def busy(x):
    y = x + LIMIT           # line: busy here
    for i in range(3):
        y += len(str(i))    # line: inner here
    return y


def busy_sum(n):
    return sum(x + 6 for x in range(n))


def check(total, right):
    print("sum", "right" if total == right else "wrong: %r" % (total,), flush=True)


def alone():
    check(sum(busy(x) for x in range(calls)), busy_sum(calls))


def threads():
    totals = [0] * 4

    def run(k):
        for x in range(calls):
            totals[k] += busy(x)
    all_of_them = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for t in all_of_them:
        t.start()
    for t in all_of_them:
        t.join()
    check(totals, [busy_sum(calls)] * 4)


def numbers(n):
    for i in range(n):
        k = yield i         # line: generator here
        if k:
            yield k


def generators():
    total = 0
    for _ in range(10):
        total += sum(numbers(calls // 10))
    check(total, 10 * sum(range(calls // 10)))


def deep(n):
    if n:                   # line: recursion here
        return deep(n - 1) + 1
    return 0


def recursion():
    total = 0
    for _ in range(10):
        total += deep(calls // 10)
    check(total, calls // 10 * 10)


def forks():
    """Its children run the same code, of which no trap may be left."""
    total = 0
    for x in range(calls):
        total += busy(x)
        if x % 10 == 0:
            pid = os.fork()
            if not pid:
                os._exit(0 if busy(5) == 11 and busy(6) == 12 else 9)
            total += os.waitpid(pid, 0)[1]
    check(total, busy_sum(calls))


def frees():
    """Code objects end, and others take their memory."""
    total, kept = 0, []
    for x in range(calls):
        exec(compile("def made(x):\n    y = x + 1\n    return y * 2\n", "made.py", "exec"),
             globals())
        total += made(x)    # line: made here
        del globals()["made"]
        kept.append(bytearray(b"w" * 100))
    check(total + sum(len(k) - k.count(b"w") for k in kept), sum((x + 1) * 2 for x in range(calls)))


def signals():
    rung = []
    signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    total = sum(busy(x) for x in range(calls))
    signal.setitimer(signal.ITIMER_REAL, 0)
    check(total, busy_sum(calls))


def traced():
    """Others who change the instructions come and go."""
    seen = []

    def local(frame, event, arg):
        seen.append(event)
        return local
    total = 0
    for k in range(5):
        sys.settrace(local)
        total += sum(busy(x) for x in range(calls // 10))
        sys.settrace(None)
        total += sum(busy(x) for x in range(calls // 10))
    check(total, 10 * busy_sum(calls // 10))
    print("events", len(seen), flush=True)


def monitored():
    if not hasattr(sys, "monitoring"):
        return alone()
    m, seen = sys.monitoring, []
    m.use_tool_id(3, "breakable")
    total = 0
    for events in (m.events.LINE, m.events.INSTRUCTION, m.events.LINE | m.events.PY_RETURN, 0):
        for e in (m.events.LINE, m.events.INSTRUCTION, m.events.PY_RETURN):
            m.register_callback(3, e, lambda *_: seen.append(1))
        m.set_events(3, events)
        total += sum(busy(x) for x in range(calls // 4))
    m.free_tool_id(3)
    check(total, 4 * busy_sum(calls // 4))


def copied():
    """Code objects made of others."""
    total = 0
    for x in range(calls):
        other = type(busy)(busy.__code__.replace(co_name="other"), globals())
        total += other(x) if x % 2 else busy(x)
    check(total, busy_sum(calls))


def shapes():
    """A statement of several lines, and a condition that a loop comes back to."""
    n, total = calls, 0
    while n:                # line: condition here
        n -= 1
        total += max(       # line: split here
            n,
            1)
    check(total, sum(max(n, 1) for n in range(calls)))


def started():
    """Processes that share the memory for a moment."""
    import subprocess
    total = 0
    for x in range(calls):
        total += busy(x)
        if x % 20 == 0:
            total += subprocess.call(["/bin/true"])
    check(total, busy_sum(calls))


for i in range(100):
    busy(i)
    list(numbers(2))
    deep(2)
code = busy.__code__
print("code 0x%x %d" % (id(code) if hasattr(code, "co_linetable") and sys.version_info >= (3, 11)
                        else id(code.co_code), sys.getsizeof(code if sys.version_info >= (3, 11)
                                                             else code.co_code)))
print("ready", flush=True)
while not os.path.exists(go):
    time.sleep(0.01)
globals()[sys.argv[1]]()
while os.path.exists(go):
    time.sleep(0.01)
