# SPDX-License-Identifier: MIT
"""Greenlets that wait for each other's turn, and what greenlet says of them.

    greenlets.py FOLDER FILE

FOLDER has the module greenlet.  Writes the stacks to FILE, prints "ready", and blocks.
"""
import json
import sys
import threading
import traceback

sys.path.insert(0, sys.argv[1])
import greenlet  # noqa: E402

main = greenlet.getcurrent()


def deeper(n, home):
    if n:
        deeper(n - 1, home)
    else:
        home.switch()


def through_c():
    sorted([1], key=lambda _: deeper(2, main))


def account(one):
    frames = traceback.extract_stack(one.gr_frame)
    return {"address": hex(id(one)), "main": one is not kept[-1],
            "frames": [[f.filename, f.lineno, f.name] for f in reversed(frames)]}


def thread(kept, ready):
    one = greenlet.greenlet(lambda: deeper(1, home))
    home = greenlet.getcurrent()
    one.switch()
    kept.append(one)
    ready.set()
    threading.Event().wait()


kept, ready = [greenlet.greenlet(lambda: deeper(5, main)), greenlet.greenlet(through_c)], \
    threading.Event()
for one in kept:
    one.switch()
not_begun = greenlet.greenlet(through_c)
ended = greenlet.greenlet(lambda: None)
ended.switch()
threading.Thread(target=thread, args=(kept, ready), daemon=True).start()
ready.wait()
with open(sys.argv[2], "w") as f:
    json.dump([account(one) for one in kept], f)
print("ready", flush=True)
threading.Event().wait()
