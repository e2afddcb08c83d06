# SPDX-License-Identifier: MIT
"""A client of the GDB remote serial protocol, for tests: standard library only.

    from rsp import Rsp, Server

    with Server(["gdbserver", "--once", "--attach"], [str(pid)]) as server:
        with Rsp.connect(server.port) as r:
            r.open()                              # as gdb opens: qSupported, no acks, Hg
            r.ask("m401000,10")                   # b'7f454c46...'
            r.xfer("features", "target.xml")      # the whole document
            r.ask("X401000,2:", data=b"\\x90}")    # data is escaped on the way

A reply is the payload as the protocol means it: runs expanded, escapes undone.
`Rsp.last` keeps what was on the wire.  Whatever does not come within `timeout`
seconds, or is not a packet, raises RspError with the request it was owed to.
"""

import os
import re
import select
import signal
import socket
import subprocess
import time

#: What stock gdb 13 says of itself.
GDB = ("multiprocess+;swbreak+;hwbreak+;qRelocInsn+;fork-events+;vfork-events+;exec-events+;"
       "vContSupported+;QThreadEvents+;no-resumed+;memory-tagging+;xmlRegisters=i386")


class RspError(Exception):
    pass


def checksum(body):
    return sum(body) & 0xFF


def frame(body):
    """The packet of a payload that is already escaped."""
    return b"$%s#%02x" % (body, checksum(body))


def escape(data):
    """Binary data as it may stand in a packet."""
    out = bytearray()
    for b in data:
        if b in b"#$}*":
            out += bytes((0x7D, b ^ 0x20))
        else:
            out.append(b)
    return bytes(out)


def expand(body):
    """Undo run-length encoding: X*N is X and N - 29 more of it."""
    out = bytearray()
    i = 0
    while i < len(body):
        if body[i] == 0x2A:
            if not out or i + 1 >= len(body) or not 32 <= body[i + 1] <= 126:
                raise RspError("bad run at %d of %r" % (i, body[:80]))
            out += bytes(out[-1:]) * (body[i + 1] - 29)
            i += 2
        else:
            out.append(body[i])
            i += 1
    return bytes(out)


def unescape(body):
    out = bytearray()
    it = iter(body)
    for b in it:
        if b == 0x7D:
            b = next(it, None)
            if b is None:
                raise RspError("a packet ends in an escape")
            b ^= 0x20
        out.append(b)
    return bytes(out)


def _bytes(text):
    return text.encode("latin-1") if isinstance(text, str) else text


class Rsp:
    def __init__(self, sock, timeout=40):
        self.sock = sock
        self.timeout = timeout
        self.noack = False
        self.last = b""         # the last reply as it was on the wire
        self.log = None         # set to a list to get ("> " or "< ", payload) of everything
        self.features = {}      # of the last qSupported
        self.notes = []         # notifications that nobody has asked for yet
        self._in = b""
        self._asked = b""

    @classmethod
    def connect(cls, where, timeout=40):
        """`where`: a TCP port of this host, "HOST:PORT" or "unix:PATH"; tried until `timeout`."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                if isinstance(where, str) and where.startswith("unix:"):
                    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    sock.connect(where[5:])
                else:
                    host, _, port = str(where).rpartition(":")
                    sock = socket.create_connection((host or "127.0.0.1", int(port)), timeout)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return cls(sock, timeout)
            except (ConnectionRefusedError, FileNotFoundError):
                if time.monotonic() > deadline:
                    raise RspError("nobody listens on %s" % where) from None
                time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    # Bytes

    def write(self, data):
        """Raw bytes, for what is not a packet."""
        self.sock.sendall(data)

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.sock], [], [], left)[0]:
            raise RspError("no answer to %r in %g s; so far %r"
                           % (self._asked[:80], self.timeout, self._in[:80]))
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise RspError("the connection was closed after %r" % self._asked[:80])
        self._in += data

    # Packets

    def send(self, text, data=b""):
        """One packet: `text` as it is, `data` escaped."""
        body = _bytes(text) + escape(data)
        self._asked = body
        if self.log is not None:
            self.log.append(("> ", body))
        self.write(frame(body))

    def recv(self, timeout=None):
        """The next reply's payload; acknowledges it unless that was given up."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            sign, payload = self._next(deadline)
            if sign == b"$":
                return payload
            self.notes.append(payload)

    def note(self, timeout=None):
        """The next notification's payload; no reply is due."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        if not self.notes:
            sign, payload = self._next(deadline)
            if sign != b"%":
                raise RspError("a reply and no notification: %r" % payload[:80])
            self.notes.append(payload)
        return self.notes.pop(0)

    def _next(self, deadline):
        while True:
            m = re.match(rb"[+-]*([$%])([^#]*)#(..)", self._in, re.S)
            if m:
                break
            if self._in.lstrip(b"+-") and self._in.lstrip(b"+-")[:1] not in b"$%":
                raise RspError("not a packet: %r, after %r" % (self._in[:80], self._asked[:80]))
            self._fill(deadline)
        self._in = self._in[m.end():]
        body = m.group(2)
        if int(m.group(3), 16) != checksum(body):
            raise RspError("checksum %r of %r is wrong" % (m.group(3), body[:80]))
        if not self.noack and m.group(1) == b"$":
            self.write(b"+")
        self.last = body
        payload = unescape(expand(body))
        if self.log is not None:
            self.log.append(("< ", payload))
        return m.group(1), payload

    def ask(self, text, data=b"", timeout=None):
        self.send(text, data)
        return self.recv(timeout)

    def quiet(self, seconds=0.1):
        """True if nothing comes for so long."""
        return not self._in.lstrip(b"+") and not select.select([self.sock], [], [], seconds)[0]

    # What is said again and again

    def open(self, says=GDB, thread="p0.0"):
        """As a debugger opens a connection.  Returns the features of the stub."""
        reply = self.ask("qSupported:" + says)
        self.features = {}
        for item in reply.decode("latin-1").split(";"):
            name, eq, value = item.partition("=")
            self.features[name if eq else name.rstrip("+-?")] = value if eq else item[-1:]
        if self.ask("QStartNoAckMode") == b"OK":
            self.noack = True
        if thread:
            self.ask("Hg" + thread)
        return self.features

    def xfer(self, obj, annex="", window=0xFFB, limit=1 << 26):
        """A whole document; None if the stub has no such object."""
        out = b""
        while len(out) <= limit:
            reply = self.ask("qXfer:%s:read:%s:%x,%x" % (obj, annex, len(out), window))
            if not reply:
                return None
            if reply[:1] not in b"ml":
                raise RspError("qXfer:%s:%s: %r" % (obj, annex, reply[:120]))
            if reply[:1] == b"m" and len(reply) == 1:
                raise RspError("qXfer:%s:%s makes no progress" % (obj, annex))
            out += reply[1:]
            if reply[:1] == b"l":
                return out
        raise RspError("qXfer:%s:%s is endless" % (obj, annex))

    def threads(self):
        """All thread ids, as text."""
        out = []
        reply = self.ask("qfThreadInfo")
        while reply[:1] == b"m":
            out += reply[1:].decode().split(",")
            reply = self.ask("qsThreadInfo")
        return out

    def memory(self, addr, length):
        return bytes.fromhex(self.ask("m%x,%x" % (addr, length)).decode())

    def monitor(self, command, timeout=None):
        """The text a `monitor' command prints."""
        out = b""
        self.send("qRcmd," + command.encode().hex())
        while True:
            reply = self.recv(timeout)
            if reply == b"OK":
                return out.decode("utf-8", "replace")
            if reply[:1] == b"O":
                out += bytes.fromhex(reply[1:].decode())
                continue
            if reply[:1] in (b"", b"E"):
                raise RspError("monitor %s: %r" % (command, reply))
            return (out + bytes.fromhex(reply.decode())).decode("utf-8", "replace")

    def interrupt(self):
        self.write(b"\x03")


class Server:
    """A stub, ours or gdbserver, on a port of its choice: COMMAND 127.0.0.1:0 ARGS."""

    def __init__(self, command, args=(), timeout=40, **popen):
        self.text = ""          # what it said on stderr so far
        self.proc = subprocess.Popen([*command, "127.0.0.1:0", *args], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **popen)
        deadline = time.monotonic() + timeout
        os.set_blocking(self.proc.stderr.fileno(), False)
        while True:
            m = re.search(r"Listening on port (\d+)", self.read())
            if m:
                self.port = int(m.group(1))
                return
            if self.proc.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RspError("%s did not listen: %s" % (command[0], self.read().strip()))
            select.select([self.proc.stderr], [], [], 0.1)

    def read(self):
        """All that it has said."""
        try:
            self.text += (self.proc.stderr.read() or b"").decode("utf-8", "replace")
        except ValueError:
            pass                # closed
        return self.text

    def stop(self, sig=signal.SIGTERM, timeout=20):
        """Ends it; returns its exit status (negative: the signal)."""
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(timeout)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        self.read()
        self.proc.stderr.close()
        return self.proc.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
