# SPDX-License-Identifier: MIT
"""Whoever takes part in a bench: stubs, the programs they debug, and a client for both.

The client counts and times packets; a hot loop is run by build/bench/load, so that Python is
not what is measured.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BIN = os.path.join(TOP, "build", "bench")
ROOTS = os.path.expanduser(os.environ.get("ARCHERFISH_ROOTS", "~/.cache/archerfish/roots"))

#: What stock gdb 16 and later say of themselves.
GDB = ("qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+;vContSupported+;QThreadEvents+;"
       "no-resumed+;memory-tagging+;xmlRegisters=i386;error-message+;binary-upload+")

#: Names on the command line: kind, root ("" is this system), program
KNOWN = {
    "gdbserver13": ("gdbserver", "", "gdbserver"),
    "gdbserver16": ("gdbserver", "trixie", "gdbserver"),
    "gdbserver18": ("gdbserver", "sid", "gdbserver"),
    "lldb-server14": ("lldb", "", "lldb-server"),
    "lldb-server19": ("lldb", "trixie", "lldb-server-19"),
    "lldb-server23": ("lldb", "sid", "lldb-server-23"),
}


TIMEOUT = 30  # seconds for one reply


class Failed(Exception):
    """It could not be measured; the text says why."""


def in_root(root):
    """What is put before a command to run it in a root of tests/zoo/roots.sh."""
    if not root:
        return []
    return [os.path.join(TOP, "tests", "zoo", "enter.sh"), os.path.join(ROOTS, root)]


class Kind:
    """A stub that can be started: `kind` is ours, gdbserver, lldb or least."""

    def __init__(self, name, kind, argv, root=""):
        self.name, self.kind, self.argv, self.root = name, kind, argv, root

    @staticmethod
    def ours(path, name="archerfish"):
        return Kind(name, "ours", [path, "--once", "--multi", "127.0.0.1:{port}"])

    @staticmethod
    def least():
        return Kind("least", "least", [os.path.join(BIN, "least"), "{port}", "131072"])

    @staticmethod
    def known(name):
        """None if it is not here."""
        kind, root, program = KNOWN[name]
        where = os.path.join(ROOTS, root) if root else "/"
        path = shutil.which(program, path=os.pathsep.join(
            os.path.join(where, d) for d in ("usr/bin", "usr/local/bin")))
        if not path:
            return None
        path = "/" + os.path.relpath(path, where)
        how = ["gdbserver", "127.0.0.1:{port}"] if kind == "lldb" else \
            ["--once", "--multi", "127.0.0.1:{port}"]
        return Kind(name, kind, in_root(root) + [path] + how, root)

    @property
    def program(self):
        """The file that runs, as this system sees it."""
        path = self.argv[2] if self.root else self.argv[0]
        return os.path.join(ROOTS, self.root) + path if self.root else path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def decode(body):
    """Runs expanded and escapes undone."""
    def one(m):
        if m.group(1):
            return bytes([m.group(1)[0] ^ 0x20])
        return m.group(2) * (m.group(3)[0] - 28)
    return re.sub(rb"\}(.)|([^}])\*(.)", one, body, flags=re.S)


class Work:
    """The program of work.c in one of its modes."""

    def __init__(self, *args):
        self.process = subprocess.Popen([os.path.join(BIN, "work"), *map(str, args)],
                                        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        start_new_session=True)  # gdbserver signals the group
        line = self.process.stdout.readline()
        if not line:
            raise Failed("work %s does not run" % (args,))
        self.at = json.loads(line)
        self.pid = self.at["pid"]

    def __getitem__(self, name):
        return self.at[name]

    def counter(self):
        with open("/proc/%d/mem" % self.pid, "rb", 0) as f:
            f.seek(self.at["counter"])
            return int.from_bytes(f.read(8), "little")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Stub:
    """One that runs, and the connection to it, as gdb opens it."""

    def __init__(self, kind):
        port = free_port()
        self.began = time.perf_counter()
        self.process = subprocess.Popen([a.format(port=port) for a in kind.argv],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.packets, self.noack, self._in = 0, False, b""
        self.sock = self._connect(port)
        self.sock.settimeout(TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(b"+")
        answer = self.ask(GDB)
        self.first_reply = time.perf_counter() - self.began
        features = decode(answer).decode("latin-1").split(";")
        self.features = {f.rstrip("+-?").split("=")[0]: f.partition("=")[2] or f[-1:] == "+"
                         for f in features if f}
        self.noack = self.ask("QStartNoAckMode") == b"OK"
        self.ask("!")
        self.packet_size = int(self.features.get("PacketSize", "400"), 16)

    def _connect(self, port):
        deadline = time.monotonic() + 30
        while True:
            sock = socket.socket()
            try:
                sock.connect(("127.0.0.1", port))
                return sock
            except ConnectionRefusedError:
                sock.close()
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise Failed("it does not listen") from None
                time.sleep(0.0002)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        try:
            self.process.wait(0.2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def send(self, text):
        body = text.encode("latin-1")
        self.packets += 1
        self.sock.sendall(b"$%s#%02x" % (body, sum(body) & 255))

    def reply(self):
        """As it is on the wire."""
        while True:
            start, end = self._in.find(b"$"), -1
            if start >= 0:
                end = self._in.find(b"#", start)
            if end >= 0 and len(self._in) >= end + 3:
                body, self._in = self._in[start + 1:end], self._in[end + 3:]
                if not self.noack:
                    self.sock.sendall(b"+")
                return body
            try:
                data = self.sock.recv(1 << 20)
            except OSError as e:
                raise Failed("no reply: %s" % e) from None
            if not data:
                raise Failed("it closed the connection")
            self._in += data

    def ask(self, text):
        self.send(text)
        return self.reply()

    def ok(self, text):
        answer = self.ask(text)
        if answer != b"OK":
            raise Failed("%s: %r" % (text[:40], answer[:40]))

    def attach(self, pid):
        """The stop reply's thread; `took` is how many seconds it was."""
        began = time.perf_counter()
        stop = self.ask("vAttach;%x" % pid)
        self.took = time.perf_counter() - began
        if stop[:1] not in b"TS" or not stop:
            raise Failed("vAttach: %r" % stop[:60])
        return self.thread(decode(stop))

    @staticmethod
    def thread(stop):
        m = re.search(rb"thread:([0-9a-fp.-]+);", stop)
        return m.group(1).decode() if m else "0"

    def load(self, count, requests, start=0, stride=0):
        """What build/bench/load says of so many requests."""
        fd = self.sock.fileno()
        self.sock.setblocking(True)
        run = subprocess.run([os.path.join(BIN, "load"), str(fd), str(count), "%x" % start,
                              "%x" % stride, *requests], pass_fds=[fd], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.sock.settimeout(TIMEOUT)
        if run.returncode:
            raise Failed(run.stderr.decode().strip() or "load failed")
        said = json.loads(run.stdout.decode("latin-1"))
        if said["errors"] or said["empty"]:
            raise Failed("%s: %d errors, %d empty (%s)" % (requests[0][:30], said["errors"],
                                                            said["empty"], said["last"]))
        return said

    def cpu(self):
        """Seconds of processor time so far."""
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self):
        """MiB."""
        with open("/proc/%d/status" % self.process.pid) as f:
            return int(re.search(r"VmRSS:\s*(\d+)", f.read()).group(1)) / 1024


def limit(what, n=""):
    """What the machine allows: one of build/bench/limits."""
    command = [os.path.join(BIN, "limits"), what, os.path.join(BIN, "work"), *([str(n)] if n else [])]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if run.returncode:
        raise Failed(run.stderr.decode().strip() or "limits failed")
    return float(run.stdout)
