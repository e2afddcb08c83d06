# SPDX-License-Identifier: MIT
"""What the peers are compared in: jobs, each of which measures some rows with one set-up.

A job's measure(contender, wanted) returns {row: value}; a contender is a stub (stubs.Kind), or
a Limit, which is measured without one.
"""

import os
import re
import resource
import shutil
import subprocess
import tempfile
import threading
import time

from stubs import HERE, TOP, Failed, Kind, Stub, Work, decode, free_port, in_root, limit

OPTIONS = None  # the command line's, for what is not in a Kind

MIB = 1 << 20


class Bar:
    """`factor` times as good as the best of `kind`; "absolute": no worse than `factor`."""

    def __init__(self, kind, factor, words=None):
        self.kind, self.factor, self.words = kind, factor, words

    def text(self):
        if self.words:
            return self.words
        if self.kind == "absolute":
            return "at most %g" % self.factor
        if self.kind == "gdbserver":
            return "%g x the best gdbserver" % self.factor
        return "%g x %s" % (self.factor, self.kind)


class Row:
    def __init__(self, name, title, unit, more, *bars):
        self.name, self.title, self.unit, self.more, self.bars = name, title, unit, more, bars


class Limit:
    """The machine, or a bare loop; `gives` is the row that build/bench/limits measures."""

    def __init__(self, what, row, n=""):
        self.kind, self.name, self.row, self.n = "limit", "bare " + what, row, n
        self.what = what

    def measure(self, wanted):
        return {self.row: limit(self.what, self.n)} if self.row in wanted else {}


class Job:
    weight = 1.0  # of the time there is
    least_rounds = 3
    limits = ()
    kinds = ("ours", "gdbserver", "lldb", "least")

    def contenders(self, stubs):
        return [s for s in stubs if s.kind in self.kinds] + list(self.limits)

    def measure(self, who, wanted):
        return who.measure(wanted) if isinstance(who, Limit) else self.by_stub(who, wanted)

    def by_stub(self, kind, wanted):
        raise NotImplementedError


def within_bare(what, times):
    return Bar("bare " + what, 1.0 / times, "within %g x of bare C" % times)


# ---- memory ----

class Memory(Job):
    """What a client has of a stopped program's memory and registers."""

    weight = 2.0
    rows = [
        Row("x-read", "x, 256 MiB", "MB/s", True, Bar("gdbserver", 4), Bar("least", 0.9)),
        Row("m-read", "m, 256 MiB", "MB/s", True, Bar("gdbserver", 4), Bar("least", 0.9)),
        Row("X-write", "X, 128 MiB", "MB/s", True, Bar("gdbserver", 3)),
        Row("m-8", "m of 8 bytes", "/s", True, Bar("gdbserver", 1.2)),
        Row("g", "g", "/s", True, Bar("gdbserver", 2)),
        Row("crc", "qCRC", "MB/s", True, Bar("gdbserver", 300)),
    ]
    limits = [Limit("loopback", "x-read"), Limit("readv", "m-read"), Limit("writev", "X-write"),
              Limit("roundtrips", "m-8"), Limit("getregs", "g")]

    def by_stub(self, kind, wanted):
        with Work("mem", 256) as work, Stub(kind) as stub:
            thread = stub.attach(work.pid)
            work.at["thread"] = thread
            how = {"x-read": self.x, "m-read": self.m, "X-write": self.write, "m-8": self.eight,
                   "g": self.g, "crc": self.crc}
            return {row: how[row](kind, stub, work) for row in wanted}

    @staticmethod
    def sweep(stub, request, n, start, size):
        said = stub.load(size // n, [request], start, n)
        return size // n * n / 1e6 / said["seconds"], said["payload"]

    def m(self, kind, stub, work):
        """gdbserver dies of more than a packet holds, lldb-server shortens nothing."""
        n = min((stub.packet_size - 8) // 2, MIB) & ~0xfff or 4096
        size = 64 * MIB if kind.kind != "ours" and kind.kind != "least" else 256 * MIB
        return self.sweep(stub, "m%%A,%x" % n, n, work["mem"], size)[0]

    def x(self, kind, stub, work):
        """Whoever has no x does what it can."""
        if stub.ask("x%x,0" % work["mem"])[:1] not in (b"b", b"O"):
            return self.m(kind, stub, work)
        # Of gdb's: as much as fits when every tenth byte is escaped.
        n = min(stub.packet_size, MIB) * 31 // 32 & ~0xfff
        rate, payload = self.sweep(stub, "x%%A,%x" % n, n, work["mem"], 256 * MIB)
        return rate if payload >= 256 * MIB // n * n else rate * payload / (256 * MIB)

    def write(self, kind, stub, work):
        n = min(stub.packet_size * 31 // 32 - 64, MIB) & ~0xfff
        return self.sweep(stub, "X%%A,%x:%%X%d" % (n, n), n, work["mem"], 128 * MIB)[0]

    def eight(self, kind, stub, work):
        said = stub.load(20000, ["m%A,8"], work["mem"], 4096 - 8)
        return said["done"] / said["seconds"]

    def g(self, kind, stub, work):
        stub.ok("Hg" + work["thread"])
        said = stub.load(10000, ["g"])
        return said["done"] / said["seconds"]

    def crc(self, kind, stub, work):
        """gdbserver needs most of a minute for 64 MiB."""
        if kind.kind not in ("ours", "gdbserver"):
            return None
        size = 64 * MIB if kind.kind == "ours" else 256 << 10
        began = time.perf_counter()
        answer = stub.ask("qCRC:%x,%x" % (work["mem"], size))
        if answer[:1] != b"C":
            raise Failed("qCRC: %r" % answer[:40])
        return size / 1e6 / (time.perf_counter() - began)


class File(Job):
    rows = [Row("vfile", "vFile:pread of 100 MB", "MB/s", True, Bar("gdbserver", 2))]
    limits = [Limit("file", "vfile")]
    kinds = ("ours", "gdbserver", "lldb")

    def by_stub(self, kind, wanted):
        with tempfile.NamedTemporaryFile(dir=os.path.join(TOP, "build"), prefix="vfile.") as f:
            for _ in range(100):
                f.write(os.urandom(1000000))
            f.flush()
            with Stub(kind) as stub:
                if not kind.root:
                    name = f.name
                else:  # what is outside its root is seen through this process
                    name = "/proc/%d/root%s" % (os.getpid(), f.name)
                stub.ask("vFile:setfs:0")
                answer = stub.ask("vFile:open:%s,0,0" % name.encode().hex())
                if not re.match(rb"F[0-9a-f]+$", answer):
                    raise Failed("vFile:open: %r" % answer[:40])
                n = stub.packet_size * 31 // 32 - 64 & ~0xfff
                n = min(n, MIB)
                said = stub.load(100000000 // n, ["vFile:pread:%s,%x,%%A" % (answer[1:].decode(), n)],
                                 0, n)
                return {"vfile": said["payload"] / 1e6 / said["seconds"]}


# ---- execution ----

class Hits(Job):
    """Hit, report, step over, continue: as gdb does it."""

    kinds = ("ours", "gdbserver", "lldb")

    def __init__(self, threads, count, *bars):
        self.threads, self.count = threads, count
        self.name = "hit-%d" % threads
        self.rows = [Row(self.name, "breakpoint hit, step over, continue: %d thread%s" %
                         (threads, "s" * (threads > 1)), "/s", True, *bars)]
        self.limits = [Limit("hits", self.name)] if threads == 1 else []

    def by_stub(self, kind, wanted):
        with Work("hot", self.threads) as work, Stub(kind) as stub:
            stub.attach(work.pid)
            insert, remove = ("%s,%x,1" % (z, work["hot"]) for z in ("Z0", "z0"))
            stub.ok(insert)
            thread = stub.thread(decode(stub.ask("vCont;c")))
            stub.ok(remove)
            cycle = ["vCont;s:" + thread, insert, "vCont;c", remove]
            stub.load(8, cycle)
            count = self.count if kind.kind == "ours" else max(self.count // 5, 4)
            said = stub.load(count * 4, cycle)
            return {self.name: count / said["seconds"]}


#: rdi == 0xffffffffffffffff, as gdb writes it.
FALSE = "26000522ff16081327"


class Condition(Job):
    """A condition that the stub evaluates and finds false, on a function called for ever."""

    kinds = ("ours", "gdbserver")

    def __init__(self, threads, *bars, place="hot", name=None):
        self.threads, self.place = threads, place
        self.name = name or "false-%d" % threads
        self.rows = [Row(self.name, "false condition: %d thread%s%s" %
                         (threads, "s" * (threads > 1), ", where memory is written" * bool(name)),
                         "/s", True, *bars)]
        self.limits = [Limit("emulate", self.name)] if threads == 1 else []

    def contenders(self, stubs):
        found = super().contenders(stubs)
        if self.threads > 1:
            found += [Kind(s.name + ", 1 thread", "self", s.argv) for s in stubs if s.kind == "ours"]
        return found

    def by_stub(self, kind, wanted):
        with Work("hot", 1 if kind.kind == "self" else self.threads) as work, Stub(kind) as stub:
            stub.attach(work.pid)
            if "ConditionalBreakpoints" not in stub.features:
                raise Failed("it evaluates no conditions")
            stub.ok("Z0,%x,1;X%x,%s" % (work[self.place], len(FALSE) // 2, FALSE))
            stub.send("vCont;c")
            time.sleep(0.1 if kind.kind in ("ours", "self") or self.threads < 1000 else 0.5)
            before, began = work.counter(), time.perf_counter()
            time.sleep(0.5 if kind.kind in ("ours", "self") or self.threads == 1 else 1.0)
            count, took = work.counter() - before, time.perf_counter() - began
            work.process.kill()  # gdbserver hears no interrupt amid such hits
            return {self.name: max(count, 1) / took}


class Steps(Job):
    rows = [
        Row("step", "single step", "/s", True, Bar("gdbserver", 2)),
        Row("range", "range step", "instructions/s", True, Bar("gdbserver", 5)),
    ]
    limits = [Limit("step", "step")]
    kinds = ("ours", "gdbserver", "lldb")

    def by_stub(self, kind, wanted):
        found = {}
        turns = 3000
        with Work("range", turns) as work, Stub(kind) as stub:
            thread = stub.attach(work.pid)
            if "step" in wanted:
                said = stub.load(4000, ["vCont;s:" + thread])
                found["step"] = said["done"] / said["seconds"]
            if "range" in wanted and kind.kind != "lldb":
                at = "%x,1" % work["range_start"]
                stub.ok("Z0," + at)
                stub.ask("vCont;c")
                stub.ok("z0," + at)
                began = time.perf_counter()
                stub.ask("vCont;r%x,%x:%s" % (work["range_start"], work["range_end"], thread))
                found["range"] = (3 * turns + 1) / (time.perf_counter() - began)
        return found


class Threads(Job):
    """Attach, list, interrupt and resume."""

    kinds = ("ours", "gdbserver", "lldb")

    def __init__(self, n, attach, cycle):
        self.n = n
        self.rows = [
            Row("attach-%d" % n, "attach, %d threads" % n, "ms", False,
                Bar("gdbserver", attach), within_bare("attach", 2.5)),
            Row("cycle-%d" % n, "resume and interrupt, %d threads" % n, "ms", False,
                Bar("gdbserver", cycle)),
        ]
        self.limits = [Limit("attach", "attach-%d" % n, n), Limit("cycle", "cycle-%d" % n, n)]
        if n > 1000:
            self.weight, self.least_rounds = 2.0, 2
        else:
            self.rows += [
                Row("list", "thread list with names, %d threads" % n, "ms", False,
                    Bar("gdbserver", 3)),
                Row("list-packets", "packets of that list", "packets", False,
                    Bar("absolute", 2)),
            ]
            self.limits.append(Limit("names", "list", n))

    def by_stub(self, kind, wanted):
        with Work("threads", self.n) as work, Stub(kind) as stub:
            stub.attach(work.pid)
            found = {"attach-%d" % self.n: stub.took * 1e3}
            if "list" in wanted or "list-packets" in wanted:
                found["list"], found["list-packets"] = self.list(kind, stub)
            if "cycle-%d" % self.n in wanted:
                found["cycle-%d" % self.n] = self.cycle(kind, stub)
            return found

    def list(self, kind, stub):
        """As gdb reads it, in pieces of what the stub says it can take."""
        if kind.kind == "lldb":
            return None, None
        took, offset, packets = 0.0, 0, 0
        while True:
            began = time.perf_counter()
            answer = stub.ask("qXfer:threads:read::%x,%x" % (offset, stub.packet_size - 4))
            took += time.perf_counter() - began
            packets += 1
            if answer[:1] not in (b"m", b"l"):
                raise Failed("qXfer:threads: %r" % answer[:40])
            if answer[:1] == b"l":
                return took * 1e3, packets
            offset += len(decode(answer)) - 1

    def cycle(self, kind, stub):
        count = 5 if kind.kind == "ours" else 2 if self.n <= 1000 else 1
        began = time.perf_counter()
        for _ in range(count):
            stub.send("vCont;c")
            stub.sock.sendall(b"\x03")
            stub.reply()
        return (time.perf_counter() - began) / count * 1e3


# ---- size ----

class Small(Job):
    weight = 0.5
    least_rounds = 5
    kinds = ("ours", "gdbserver", "lldb")
    rows = [
        Row("rss", "memory once attached", "MiB", False,
            Bar("gdbserver13", 1 / 1.2, "at most 1.2 x gdbserver 13")),
        Row("size", "stripped, with its libraries", "MiB", False,
            Bar("gdbserver13", 1 / 1.2, "at most 1.2 x gdbserver 13")),
        Row("start", "start to first reply", "ms", False,
            Bar("gdbserver13", 1 / 1.2, "at most 1.2 x gdbserver 13")),
        Row("static", "static build, stripped", "MiB", False, Bar("absolute", 3)),
    ]

    def by_stub(self, kind, wanted):
        with Work("mem", 1) as work, Stub(kind) as stub:
            stub.attach(work.pid)
            found = {"rss": stub.rss(), "start": stub.first_reply * 1e3}
            if "size" in wanted:
                found["size"] = self.with_libraries(stub, kind) / MIB
        if kind.kind == "ours" and os.path.exists(OPTIONS.static):
            found["static"] = self.stripped(OPTIONS.static) / MIB
        return {row: found.get(row) for row in wanted}

    @staticmethod
    def stripped(path):
        with tempfile.NamedTemporaryFile(prefix="stripped.") as f:
            run = subprocess.run(["strip", "-o", f.name, path], stderr=subprocess.DEVNULL)
            return os.stat(f.name if run.returncode == 0 else path).st_size

    def with_libraries(self, stub, kind):
        total = self.stripped(kind.program)
        seen = {os.stat(kind.program).st_ino}
        with open("/proc/%d/maps" % stub.process.pid) as maps:
            for line in maps:
                fields = line.split(None, 5)
                if len(fields) < 6 or not fields[5].startswith("/"):
                    continue
                try:
                    st = os.stat("/proc/%d/map_files/%s" % (stub.process.pid, fields[0]))
                except OSError:
                    continue
                if st.st_ino not in seen:
                    seen.add(st.st_ino)
                    total += st.st_size
        return total


# ---- gdb, end to end ----

class Tap(threading.Thread):
    """Counts the packets that a client sends through it."""

    def __init__(self, port):
        super().__init__(daemon=True)
        import socket
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(1)
        self.port, self.to, self.packets = self.listener.getsockname()[1], port, 0
        self.start()

    def run(self):
        import select
        import socket
        client, _ = self.listener.accept()
        stub = socket.create_connection(("127.0.0.1", self.to))
        for s in (client, stub):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            for s in select.select([client, stub], [], [])[0]:
                data = s.recv(1 << 20)
                if not data:
                    client.close()
                    stub.close()
                    return
                if s is client:
                    self.packets += data.count(b"$")  # requests have none in their payload
                    stub.sendall(data)
                else:
                    client.sendall(data)


def run_gdb(root, port, commands, sysroot=None):
    """Wall seconds and processor seconds of a gdb that runs them and quits."""
    program = in_root(root) + ["gdb" if root else shutil.which("gdb") or "gdb"]
    argv = [*program, "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off",
            "-iex", "set confirm off", "-iex", "set auto-load no", "-iex", "set pagination off"]
    if sysroot:
        argv += ["-iex", "set sysroot " + sysroot]
    if port:
        argv += ["-ex", "target remote 127.0.0.1:%d" % port]
    for c in commands:
        argv += ["-ex", c]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, errors="replace", timeout=240)
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, run.stdout


class Attached:
    """A stub that waits for a gdb, with a process; gone with the gdb."""

    def __init__(self, kind, pid):
        self.port = free_port()
        argv = [a.format(port=self.port) for a in kind.argv]
        argv[argv.index("--multi")] = "--attach"
        self.process = subprocess.Popen([*argv, str(pid)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for line in self.process.stderr:
            if b"Listening" in line:
                break
        else:
            raise Failed("it does not listen")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()


class Gdb(Job):
    """A stock gdb, with archerfish and with the gdbserver that came with it."""

    least_rounds = 3

    def __init__(self, server):
        self.server = server
        self.version = server.name[len("gdbserver"):]

    def contenders(self, stubs):
        return [s for s in stubs if s.kind == "ours"] + [self.server]


class Connect(Gdb):
    def __init__(self, server):
        super().__init__(server)
        v = self.version
        self.rows = [
            Row("connect-" + v, "gdb %s: connect to python3, default sysroot, bt, quit" % v, "ms",
                False, Bar("gdbserver", 1.5)),
            Row("connect-cpu-" + v, "gdb %s: of that, gdb's own processor time" % v, "ms", False),
        ]

    def by_stub(self, kind, wanted):
        python = subprocess.Popen(["/usr/bin/python3", "-c", "import time; time.sleep(1000)"])
        try:
            while b"clock_nanosleep" not in self.wchan(python.pid):
                time.sleep(0.02)
            start, own, _ = run_gdb(self.server.root, 0, [])
            with Attached(kind, python.pid) as stub:
                took, cpu, said = run_gdb(self.server.root, stub.port, ["bt"])
            if not re.search(r"^#[3-9] .*(main|Py|_start)", said, re.M):
                raise Failed("no backtrace: %r" % said[-100:])
            return {"connect-" + self.version: (took - start) * 1e3,
                    "connect-cpu-" + self.version: (cpu - own) * 1e3}
        finally:
            python.kill()
            python.wait()

    @staticmethod
    def wchan(pid):
        with open("/proc/%d/syscall" % pid, "rb") as f:
            return b"clock_nanosleep" if f.read().split()[0] == b"230" else b""


class Backtraces(Gdb):
    weight = 1.5

    def __init__(self, server):
        super().__init__(server)
        v = self.version
        self.rows = [
            Row("bt-" + v, "gdb %s: thread apply all bt 2, 1000 threads" % v, "ms", False,
                Bar("gdbserver", 2)),
            Row("bt-packets-" + v, "gdb %s: packets of that" % v, "packets", False,
                Bar("gdbserver", 1 / 0.7, "at most 0.7 of gdbserver's")),
        ]
        self.counted = {}

    def by_stub(self, kind, wanted):
        commands = ["thread apply all bt 2"]
        with Work("threads", 1000) as work:
            start, _, _ = run_gdb(self.server.root, 0, [])
            with Attached(kind, work.pid) as stub:
                took, _, said = run_gdb(self.server.root, stub.port, commands, "/")
            if said.count("#0 ") < 1000:
                raise Failed("%d backtraces" % said.count("#0 "))
            if kind.name not in self.counted:
                with Attached(kind, work.pid) as stub:
                    tap = Tap(stub.port)
                    run_gdb(self.server.root, tap.port, commands, "/")
                    self.counted[kind.name] = tap.packets
        return {"bt-" + self.version: (took - start) * 1e3,
                "bt-packets-" + self.version: self.counted[kind.name]}


# ---- Python's stacks ----

class Stacks(Job):
    """bench.py's own measurement of ten deadlocked threads."""

    kinds = ("ours",)
    least_rounds = 1
    rows = [
        Row("stacks", "Python stacks of ten threads: stopped for", "us", False,
            within_bare("walk", 2.0)),
        Row("stacks-gdb", "the same by gdb and libpython.py, through gdbserver", "of our stop",
            True, Bar("absolute", 1000, "1000 x as long")),
    ]

    def contenders(self, stubs):
        return super().contenders(stubs) + [BareWalk(self)]

    def __init__(self):
        self.said = None

    def by_stub(self, kind, wanted):
        import stacks
        self.said = stacks.measure("stacks-gdb" in wanted)
        return self.said.get("ours")

    def bare(self):
        return (self.said or {}).get("bare")


class BareWalk(Limit):
    def __init__(self, job):
        super().__init__("walk", "stacks")
        self.job = job

    def measure(self, wanted):
        return self.job.bare()


def every(stubs):
    gdbservers = [s for s in stubs if s.kind == "gdbserver"]
    bare = Bar("bare emulate", 0.6, "0.6 of the bare emulating loop")
    own = Bar("self", 0.5, "within 2 x of our own with 1 thread")
    return [
        Memory(), File(), Condition(1, Bar("gdbserver", 10), bare),
        Condition(100, Bar("gdbserver", 400), own), Condition(1000, Bar("gdbserver", 400), own),
        Hits(1, 3000, Bar("gdbserver", 2.5)),
        Hits(1000, 200, Bar("gdbserver", 4), Bar("lldb", 2, "2 x lldb-server")),
        Condition(100, place="hot_writes", name="false-write"),
        Steps(), Threads(1000, 8, 4), Threads(5000, 60, 50), Small(),
        *[Connect(s) for s in gdbservers], *[Backtraces(s) for s in gdbservers],
        Stacks(),
    ]
