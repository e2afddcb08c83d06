# SPDX-License-Identifier: MIT
"""Ten threads around a table, each waiting for a lock that the next one holds."""
import threading
import time

SEATS = 10
locks = [threading.Lock() for _ in range(SEATS)]
seated = threading.Barrier(SEATS + 1)


def dine(seat):
    with locks[seat]:
        seated.wait()
        with locks[(seat + 1) % SEATS]:
            pass


def main():
    for seat in range(SEATS):
        threading.Thread(target=dine, args=(seat,), daemon=True).start()
    seated.wait()
    time.sleep(0.3)  # until each has asked for its second lock
    print("ready", flush=True)
    time.sleep(1e6)


main()
