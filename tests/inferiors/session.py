# SPDX-License-Identifier: MIT
"""A deadlock around a table, which ends when a line comes; then the bill is made.

As `session.py trace` it says which lines the making of a bill goes over, by sys.settrace().
"""

import sys
import threading

import debuggable

SEATS = 3
forks = [threading.Lock() for _ in range(SEATS)]
seated = threading.Barrier(SEATS + 1)
eaten = []


def dine(seat):
    left, right = forks[seat], forks[(seat + 1) % SEATS]
    left.acquire()
    seated.wait()
    right.acquire()  # line: hungry and waiting
    eaten.append(seat)
    right.release()
    left.release()


def feast():
    guests = [threading.Thread(target=dine, args=(seat,), name="guest-%d" % seat)
              for seat in range(SEATS)]
    for guest in guests:
        guest.start()
    seated.wait()
    print("ready", flush=True)
    sys.stdin.readline()  # line: waits for a word
    forks[0].release()  # it is borrowed from the first guest
    guests[-1].join()
    forks[0].acquire()
    for guest in guests:
        guest.join()


def portion(number, size):
    price = number * size
    return price  # line: priced at last


def tip(total):
    return total // 10


def bill(portions):
    total = 0
    names = ["soup", "fish"]
    for name in names:
        share = portions // len(name)
        if share > 100:
            total += share
        else:
            total += tip(share)
    total += tip(total)
    return total


def main(count):
    feast()
    prices = 0
    for number in range(count):
        prices += portion(number, 3)
    total = bill(40)
    print("eaten", sorted(eaten), "prices", prices, "total", total, flush=True)


def trace():
    seen = []

    def tracer(frame, event, arg):
        if frame.f_code is bill.__code__ and event == "line":
            seen.append(frame.f_lineno)
        return tracer

    sys.settrace(tracer)
    bill(40)
    sys.settrace(None)
    print(*seen, flush=True)


if __name__ == "__main__":
    debuggable.allow()
    if sys.argv[1] == "trace":
        trace()
    else:
        main(int(sys.argv[1]))
