# SPDX-License-Identifier: MIT
"""Clients that leave in any state, or behave badly, harm neither the stub nor the program."""

import os
import re
import signal
import socket
import struct
import threading
import time

from live import (SIGINT, SIGTRAP, Client, RspError, attach, case, connect, moves, start, term,
                  unharmed)


def raw(server):
    sock = socket.create_connection(("127.0.0.1", server.port), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def reset(sock):
    """Close as a host that has crashed: with RST, unread data or not."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def packet(text):
    return b"$%s#%02x" % (text, sum(text) & 0xff)


def leave_silent(program, sock):
    pass


def leave_in_packet(program, sock):
    sock.sendall(b"$m%x,1" % program["rounds"])


def leave_in_checksum(program, sock):
    sock.sendall(packet(b"m%x,10" % program["rounds"])[:-1])


def leave_before_ack(program, sock):
    sock.sendall(packet(b"qSupported:swbreak+"))
    sock.recv(1)


def leave_big_reply(program, sock):
    sock.sendall(packet(b"QStartNoAckMode") + b"+" + packet(b"m%x,10000" % program["mix"]) * 64)
    sock.recv(1)


def leave_running(program, sock):
    sock.sendall(packet(b"vCont;c"))
    time.sleep(0.01)


def leave_running_with_packets(program, sock):
    sock.sendall(packet(b"vCont;c") + packet(b"?") + packet(b"g") + b"$m")
    time.sleep(0.01)


def leave_stepping(program, sock):
    sock.sendall(packet(b"QStartNoAckMode") + b"+" + packet(b"vCont;r1,7fffffffffff"))
    time.sleep(0.02)


def leave_interrupting(program, sock):
    sock.sendall(packet(b"vCont;c") + b"\x03")


def leave_at_breakpoint(program, sock):
    sock.sendall(packet(b"Z0,%x,1" % program["mix"]) + b"+" + packet(b"vCont;c"))
    time.sleep(0.05)


def leave_towards_breakpoint(program, sock):
    sock.sendall(packet(b"Z0,%x,1" % program["mix"]) + b"+" + packet(b"vCont;c"))


def leave_at_watch(program, sock):
    sock.sendall(packet(b"Z2,%x,8" % program["rounds"]) + b"+" + packet(b"vCont;c"))
    time.sleep(0.02)


WAYS = [f for name, f in sorted(globals().items()) if name.startswith("leave_")]


@case("a client that leaves in any state leaves a program that the next one can debug", timeout=240)
def _(t):
    program = start(t, "checked", 3, ready=lambda p: p.peek("rounds") > 0)
    server = t.serve(pid=program.pid)
    for way in WAYS * 3:
        for close in (socket.socket.close, reset):
            sock = raw(server)
            way(program, sock)
            close(sock)
            r = connect(t, server)
            stop = r.reason()
            t.equal((stop.kind, stop.pid), ("T", program.pid), "%s: %r" % (way.__name__, stop))
            t.equal({program.state(x) for x in program.tids()}, {"t"}, "states")
            t.check(program.text_is_the_files(), "%s: a trap is left" % way.__name__)
            # No breakpoint, watch or step of the last one is in force.
            r.resume()
            moves(t, program, "rounds", 50)
            t.check(r.quiet(), "%s: something stops it" % way.__name__)
            t.equal(r.halt().signo, SIGINT, "^C")
            r.insert(program["mix"])
            t.equal(r.run().pc, program["mix"], "a breakpoint")
            r.remove(program["mix"])
            r.close()
    term(t, server)
    unharmed(t, program, "rounds")
    t.equal(program.peek("wrong"), 0, "differences")


@case("the end of the stub finds the program whole, whatever a client was doing", timeout=240)
def _(t):
    for way in WAYS:
        program = start(t, "checked", 3, ready=lambda p: p.peek("rounds") > 0)
        server = t.serve(pid=program.pid)
        sock = raw(server)
        way(program, sock)
        term(t, server)
        unharmed(t, program, "rounds")
        t.equal(program.peek("wrong"), 0, "differences after " + way.__name__)
        sock.close()
        program.kill(9)


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def resident(t, pid):
    return int(t.status(pid, "VmRSS").split()[0])


@case("a thousand clients leave no descriptor and no memory behind", timeout=240)
def _(t):
    program = start(t, "checked", 2, ready=lambda p: p.peek("rounds") > 0)
    server = t.serve(pid=program.pid)

    def visit(i):
        if i % 3 == 0:
            raw(server).close()
            return
        r = connect(t, server)
        r.ask("m%x,1000" % program["main"])
        r.xfer("libraries-svr4") if i % 3 == 1 else r.xfer("threads")
        r.insert(program["mix"])
        r.close()
    for i in range(100):
        visit(i)
    t.clients = []
    before = descriptors(server.pid), resident(t, server.pid)
    for i in range(1000):
        visit(i)
        t.clients = []
    connect(t, server).close()
    t.eventually(lambda: descriptors(server.pid) <= before[0], "descriptors: %d" % before[0])
    grown = resident(t, server.pid) - before[1]
    t.check(grown < 2048 or "san" in t.stub, "the stub has grown by %d KiB" % grown)
    term(t, server)
    unharmed(t, program, "rounds")


@case("a client that asks and does not read makes the stub wait, not grow")
def _(t):
    program = start(t, "checked", 1, ready=lambda p: p.peek("rounds") > 0)
    server = t.serve(pid=program.pid)
    sock = raw(server)
    sock.sendall(packet(b"QStartNoAckMode") + b"+")
    ask = packet(b"m%x,1000" % program["main"])
    sock.settimeout(1)
    sent, most = 0, 200 << 20   # more than any kernel buffers
    try:
        while sent < most:
            sent += sock.send(ask * 5000)
    except socket.timeout:
        pass
    t.check(sent < most, "the stub took %d bytes of packets and no reply was read" % sent)
    grown = resident(t, server.pid)
    t.check(grown < 64 * 1024 or "san" in t.stub, "the stub has grown to %d KiB" % grown)
    # The other end begins to read, and it goes on.
    sock.settimeout(10)
    got, data = 0, b""
    while got < 5000:
        data = sock.recv(1 << 20)
        t.check(data, "the stub closed the connection")
        got += data.count(b"#")
    sock.close()
    r = connect(t, server)
    t.equal(r.reason().kind, "T", "the next client's stop")
    term(t, server)
    unharmed(t, program, "rounds")


@case("packets sent ahead are answered in order, those behind a continue after its stop")
def _(t):
    program = start(t, "checked", 1, ready=lambda p: p.peek("rounds") > 0)
    server, r = attach(t, program)
    r.write(packet(b"qC") + packet(b"Z0,%x,1" % program["mix"]) + packet(b"vCont;c") +
            packet(b"z0,%x,1" % program["mix"]) + packet(b"qAttached") + packet(b"vCont;c"))
    t.equal(r.recv()[:2], b"QC", "qC")
    t.equal(r.recv(), b"OK", "Z0")
    t.equal(r.stop().pc, program["mix"], "the stop")
    t.equal(r.recv(), b"OK", "z0")
    t.equal(r.recv(), b"1", "qAttached")
    moves(t, program, "rounds", 20)
    t.equal(r.halt().signo, SIGINT, "^C")
    r.ok("D")
    unharmed(t, program, "rounds")


@case("a second client waits for the first to leave")
def _(t):
    program = start(t, "checked", 1, ready=lambda p: p.peek("rounds") > 0)
    server, r = attach(t, program)
    second = raw(server)
    second.sendall(packet(b"QStartNoAckMode"))
    second.settimeout(0.2)
    try:
        t.fail("a second client was answered %r" % second.recv(100))
    except socket.timeout:
        pass
    t.check(r.threads(), "the first one is not served any more")
    r.close()
    second.settimeout(10)
    t.has(second.recv(100).decode(), r"\$OK#9a", "the second one's answer")
    second.close()
    term(t, server)


@case("bytes that are no packets, and packets that are wrong, are passed over")
def _(t):
    program = start(t, "checked", 1, ready=lambda p: p.peek("rounds") > 0)
    server = t.serve(pid=program.pid)
    for junk in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 5000, b"+-+-+-" * 1000,
                 b"$", b"$$$$$$", b"#00", b"$m#", b"\x16\x03\x01\x02\x00\x01", b"\x03" * 1000,
                 bytes(range(256)) * 20, b"$" + b"m" * 300000 + b"#00",
                 packet(b"A" * 300000), packet(b"}"), packet(b"*")):
        sock = raw(server)
        sock.sendall(junk + b"#00" + packet(b"QStartNoAckMode") + b"+" + packet(b"qAttached"))
        sock.settimeout(10)
        data = b""
        while not data.endswith(b"$1#31"):
            piece = sock.recv(1 << 16)
            t.check(piece, "closed after %r: %r" % (junk[:40], data[-60:]))
            data += piece
        sock.close()
    term(t, server)
    unharmed(t, program, "rounds")


@case("bytes that come one by one make the same packets")
def _(t):
    program = start(t, "checked", 1, ready=lambda p: p.peek("rounds") > 0)
    server = t.serve(pid=program.pid)
    sock = raw(server)
    for byte in packet(b"QStartNoAckMode") + b"+" + packet(b"vCont;c") + packet(b"qAttached") + b"\x03":
        sock.sendall(bytes([byte]))
        time.sleep(0.001)
    sock.settimeout(10)
    data = b""
    while not data.endswith(b"$1#31"):
        data += sock.recv(1000)
    t.has(data.decode(), r"^\+\$OK#9a\$T02[^#]*#..\$1#31$", "the answers")
    sock.close()
    term(t, server)
    unharmed(t, program, "rounds")


@case("a client in a hurry: connect, ask, stop, from many threads", timeout=240)
def _(t):
    program = start(t, "checked", 2, ready=lambda p: p.peek("rounds") > 0)
    server = t.serve(pid=program.pid)
    failures = []

    def visit(n):
        try:
            for _ in range(15):
                with Client.connect(server.port, 30) as r:
                    r.open()
                    r.resume()
                    time.sleep(0.001 * n)
                    if r.halt().signo not in (SIGINT, SIGTRAP):
                        failures.append("no stop")
        except (RspError, OSError) as e:
            failures.append(repr(e))
    threads = [threading.Thread(target=visit, args=(n,)) for n in range(6)]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    t.equal(failures, [], "what failed")
    term(t, server)
    unharmed(t, program, "rounds")
