# SPDX-License-Identifier: MIT
"""A thread in one call that takes SECONDS, and says afterwards whether it was undisturbed.

	blocked.py STATE SECONDS [worker]

It is the main one, or one called `worker', for whose end the main one waits.

Prints "ready PID" before the call; at the end "ok" or what was wrong."""
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
import warnings

STATE, SECONDS = sys.argv[1], float(sys.argv[2])
STATES, began, acted = {}, [], []
SLACK = 2.0  # of the total time: the machine may be busy


def state(f):
    STATES[f.__name__] = f
    return f


def later(action):
    """`action` happens after SECONDS, in another thread."""
    def wait():
        time.sleep(SECONDS)
        acted.append(time.monotonic())
        action()
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def ready():
    began.append(time.monotonic())
    print("ready", os.getpid(), flush=True)


@state
def busy():
    ready()
    end, n = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        n += 1
    return n > 1


@state
def lock():
    held = threading.Lock()
    held.acquire()
    later(held.release)
    ready()
    return held.acquire()


@state
def lock_timeout():
    held = threading.Lock()
    held.acquire()
    ready()
    return held.acquire(timeout=SECONDS) is False


@state
def rlock():
    held, taken = threading.RLock(), threading.Event()

    def hold():
        with held:
            taken.set()
            time.sleep(SECONDS)
            acted.append(time.monotonic())
    threading.Thread(target=hold, daemon=True).start()
    taken.wait()
    ready()
    return held.acquire()


@state
def join():
    thread = later(lambda: None)
    ready()
    thread.join()
    return not thread.is_alive()


@state
def event():
    done = threading.Event()
    later(done.set)
    ready()
    return done.wait()


@state
def queue_get():
    q = queue.Queue()
    later(lambda: q.put("item"))
    ready()
    return q.get() == "item"


@state
def sleep():
    ready()
    time.sleep(SECONDS)
    return True


def pipe():
    r, w = os.pipe()
    later(lambda: os.write(w, b"x"))
    return r


@state
def select_():
    r = pipe()
    ready()
    return select.select([r], [], []) == ([r], [], [])


@state
def poll():
    p, r = select.poll(), pipe()
    p.register(r, select.POLLIN)
    ready()
    return p.poll() == [(r, select.POLLIN)]


@state
def epoll():
    p, r = select.epoll(), pipe()
    p.register(r, select.EPOLLIN)
    ready()
    return p.poll() == [(r, select.EPOLLIN)]


@state
def asyncio():
    import asyncio as aio
    seen = []

    async def main():
        loop = aio.get_running_loop() if sys.version_info >= (3, 7) else aio.get_event_loop()
        loop.add_signal_handler(signal.SIGINT, lambda: seen.append("SIGINT"))
        loop.add_signal_handler(signal.SIGUSR1, lambda: seen.append("SIGUSR1"))
        ready()
        await aio.sleep(SECONDS)
        os.kill(os.getpid(), signal.SIGUSR1)
        await aio.sleep(0.05)
        return 42
    if sys.version_info >= (3, 7):
        result = aio.run(main())
    else:
        result = aio.get_event_loop().run_until_complete(main())
    return result == 42 and seen == ["SIGUSR1"]


@state
def wakeup_fd():
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    seen = []
    old = signal.signal(signal.SIGINT, lambda n, f: seen.append(n))
    signal.set_wakeup_fd(b.fileno())
    ready()
    time.sleep(SECONDS)
    signal.set_wakeup_fd(-1)
    same = signal.getsignal(signal.SIGINT) is not old
    try:
        return a.recv(10) and False
    except BlockingIOError:
        return not seen and same


@state
def recv():
    a, b = socket.socketpair()
    later(lambda: b.send(b"x"))
    ready()
    return a.recv(10) == b"x"


@state
def accept():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    client = socket.socket()
    later(lambda: client.connect(server.getsockname()))
    ready()
    return server.accept()[1] == client.getsockname()


@state
def stdin():
    r = pipe()
    os.dup2(r, 0)
    ready()
    return os.read(0, 10) == b"x"


@state
def wait4():
    warnings.simplefilter("ignore")  # that it has threads
    began.append(time.monotonic())  # from now on the child counts
    pid = os.fork()
    if not pid:
        time.sleep(SECONDS)
        os._exit(7)
    ready()
    return os.wait4(pid, 0)[:2] == (pid, 7 << 8)


@state
def tty():
    import pty
    import tty as mode
    master, slave = pty.openpty()
    mode.setraw(slave)
    os.dup2(slave, 0)
    os.dup2(slave, 1)
    later(lambda: os.write(master, b"line\n"))
    began.append(time.monotonic())
    print("ready", os.getpid(), file=sys.stderr, flush=True)
    return input() == "line"


def call():
    result = STATES[STATE]()
    ended.append((result, time.monotonic(), sys.gettrace()))


out, ended = os.dup(1), []
if sys.argv[3:] == ["worker"]:
    worker = threading.Thread(target=call, name="worker")
    worker.start()
    worker.join()
else:
    call()
good, end, tracer = ended[0]
start = began[0]
took = end - start
due = acted[0] - start if acted else SECONDS  # a slow machine may have been late already
if good is not True:
    word = "wrong result %r" % (good,)
elif not min(SECONDS, due) - 0.01 <= took < due + SLACK:
    word = "took %.2f s instead of %.2f" % (took, due)
elif tracer is not None:
    word = "traced"
else:
    word = "ok"
os.write(out, (word + "\n").encode())
