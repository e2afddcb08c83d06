# SPDX-License-Identifier: MIT
"""For tests of `archerfish exec' and its kin: programs that are blocked, and what is left in them."""

import os
import re
import subprocess

STATES = ["busy", "lock", "lock_timeout", "rlock", "join", "event", "queue_get", "sleep",
          "select_", "poll", "epoll", "asyncio", "wakeup_fd", "recv", "accept", "stdin",
          "wait4", "tty"]
# How a state is called in tables.
TITLES = {"lock_timeout": "lock(timeout)", "queue_get": "Queue.get", "select_": "select",
          "wakeup_fd": "wakeup fd", "rlock": "RLock", "event": "Event", "tty": "tty input"}


def execute(stub, pid, *args, seconds=60, **how):
    """`archerfish exec' with its arguments before PID and after: (status, stdout, stderr)."""
    before = [a for a in args if a.startswith("--")]
    after = [a for a in args if not a.startswith("--")]
    run = subprocess.run([stub, "exec", *before, str(pid), *after], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True, timeout=seconds,
                         errors="replace", **how)
    return run.returncode, run.stdout, run.stderr


def maps(pid):
    """How many mappings have no file, and descriptors are archerfish's: what must not grow."""
    with open("/proc/%d/maps" % pid) as f:
        anonymous = sum(int(re.match("(.*?)-(.*?) ", line).group(2), 16)
                        - int(line.split("-")[0], 16)
                        for line in f if len(line.split()) == 5 and "rw-p" in line)
    fds = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            fds.append(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
        except OSError:
            pass
    return anonymous, [f for f in fds if "memfd:archerfish" in f]


def signals(pid):
    """The masks of signals in /proc/PID/status: blocked, ignored, caught, pending."""
    with open("/proc/%d/status" % pid) as f:
        return [line.split()[1] for line in f if line.startswith("Sig") and "SigQ" not in line]


def since(text):
    """The monotonic time that a script in the process printed."""
    return float(re.search(r"at (\d+\.\d+)", text).group(1))
