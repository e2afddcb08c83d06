# SPDX-License-Identifier: MIT
"""Five philosophers around a table, each holding the left fork, for ever."""

import threading
import time

import debuggable

SEATS = 5


class Table:
    def __init__(self, seats):
        self.forks = [threading.Lock() for _ in range(seats)]
        self.all_hold_left = threading.Barrier(seats + 1)

    def forks_of(self, seat):
        return self.forks[seat], self.forks[(seat + 1) % len(self.forks)]


def eat(seat):
    print("philosopher", seat, "eats: this must not happen", flush=True)


def dine(table, seat):
    left, right = table.forks_of(seat)
    with left:
        table.all_hold_left.wait()
        with right:
            eat(seat)


def main():
    debuggable.allow()
    table = Table(SEATS)
    guests = [threading.Thread(target=dine, args=(table, seat), name="philosopher-%d" % seat)
              for seat in range(SEATS)]
    for guest in guests:
        guest.start()
    table.all_hold_left.wait()
    time.sleep(0.2)  # from the barrier to the right fork
    print("deadlocked", flush=True)
    for guest in guests:
        guest.join()


if __name__ == "__main__":
    main()
