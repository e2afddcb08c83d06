# SPDX-License-Identifier: MIT
"""Allocates, collects garbage, runs finalizers and switches threads without end, and checks itself.

Prints "ready"; ends once `enough` is set in it, by whoever runs code in it, then with "ok N" and the
number of times that `visit()` was called, or with what was wrong."""
import gc
import itertools
import sys
import threading

sys.setswitchinterval(0.0005)
gc.set_threshold(50, 3, 3)
# Counted by one instruction: a script runs between any two.
visits, wrong, alive, dead = [], [], itertools.count(), itertools.count()
enough = False


class Node:
    def __init__(self, n):
        self.n, self.me, self.text = n, self, "%08d" % n * 5
        next(alive)

    def __del__(self):
        next(dead)
        if self.text != "%08d" % self.n * 5:
            wrong.append("text of %d" % self.n)


def visit():
    """What an injected script calls: allocates and collects, too."""
    Node(-1)
    gc.collect(0)
    visits.append(len(visits))


def work(n):
    nodes = [Node(i) for i in range(n, n + 40)]
    table = {node.text: node for node in nodes}
    if sorted(table)[0] != nodes[0].text or sum(node.n for node in nodes) != 40 * n + 780:
        wrong.append("sum at %d" % n)
    try:
        return bytes(n % 5000), [str(i) for i in range(50)], table[None]
    except KeyError:
        return None


def others():
    total = [0]
    while not enough:
        with lock:
            total[0] += 1
            [object() for _ in range(20)]


lock = threading.Lock()
threads = [threading.Thread(target=others) for _ in range(2)]
for thread in threads:
    thread.start()
print("ready", flush=True)
count = 0
while not enough:
    work(count % 100000)
    count += 1
for thread in threads:
    thread.join()
gc.collect()
made, gone = next(alive), next(dead)
if made != gone:
    wrong.append("%d objects made, %d finalized" % (made, gone))
if visits != list(range(len(visits))) or sys.exc_info() != (None, None, None):
    wrong.append("visits %r" % visits[-5:])
print("wrong: %s" % wrong[:5] if wrong else "ok %d" % len(visits), flush=True)
