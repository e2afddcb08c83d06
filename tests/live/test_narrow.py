# SPDX-License-Identifier: MIT
"""32-bit programs: what is told of them is what a 32-bit tracer would see."""

import re
import struct

from live import SIGTRAP, SIGUSR1, Inferior, case, connect, program_path

EAX, ESP, EIP, EFLAGS, ORIG_EAX = 0, 4, 8, 9, 41
SIGSEGV = 11


def begin(t):
    server = t.serve(command=[program_path("narrow")])
    pid = int(server.until(r"created; pid = (\d+)").group(1))
    return server, connect(t, server), Inferior(pid, program_path("narrow"))


def go(r, actions="c"):
    """vCont, and (signal, reason, tid) of the stop."""
    r.send("vCont;" + actions)
    reply = r.recv().decode()
    found = re.match(r"T(..)(.*)", reply)
    if not found:
        return reply, "", 0
    reason = re.search(r"(swbreak|hwbreak|watch|syscall_\w+):", found.group(2))
    tid = int(re.search(r"thread:p[0-9a-f]+\.([0-9a-f]+)", reply).group(1), 16)
    return int(found.group(1), 16), reason.group(1) if reason else "", tid


def siginfo(r):
    return r.xfer("siginfo")


@case("a 32-bit program: registers, breakpoints, steps, memory, auxv")
def _(t):
    server, r, program = begin(t)
    description = r.xfer("features", "target.xml").decode()
    t.has(description, "<architecture>i386</architecture>")
    t.check("python" not in description, "Python's registers")
    r.insert(program["work"])
    for x in (1, 2, 3):
        t.equal(go(r)[:2], (SIGTRAP, "swbreak"), "the stop")
        t.equal(r.reg(EIP), program["work"], "eip")
        stack = program.read(r.reg(ESP), 8)
        t.equal(struct.unpack("<II", stack)[1], x, "the argument")
        r.remove(program["work"])
        before = r.reg(EIP)
        t.equal(go(r, "s")[:2], (SIGTRAP, ""), "the step")
        t.check(0 < r.reg(EIP) - before < 16, "it has made a step")
        r.insert(program["work"])
    # Written as read, and one more.
    g = r.ask("g")
    r.ok("G" + g.decode())
    t.equal(r.ask("g"), g, "all registers after they were written")
    r.ok("P%x=%s" % (EAX, struct.pack("<I", 0xfedcba98).hex()))
    t.equal(r.reg(EAX), 0xfedcba98, "eax")
    auxv = r.xfer("auxv")
    words = dict(struct.iter_unpack("<II", auxv))
    t.equal(words[6], 4096, "the size of pages")
    t.check(words[9] < 1 << 32 and 9 in words, "the entry")
    r.ok("D")


@case("a 32-bit program: signals as it has them itself, hardware points, threads, system calls")
def _(t):
    server, r, program = begin(t)
    r.insert(program["counter"], kind=2, size=4)
    t.equal(go(r)[:2], (SIGTRAP, "watch"), "a watchpoint")
    r.remove(program["counter"], kind=2, size=4)
    r.insert(program["work"], kind=1)
    t.equal(go(r)[:2], (SIGTRAP, "hwbreak"), "a hardware breakpoint")
    r.remove(program["work"], kind=1)
    r.ok("QCatchSyscalls:1;14")
    t.equal(go(r)[:2], (SIGTRAP, "syscall_entry"), "getpid begins")
    t.equal(r.reg(ORIG_EAX), 20, "orig_eax")
    t.equal(go(r)[:2], (SIGTRAP, "syscall_return"), "getpid ends")
    t.equal(r.reg(EAX), program.pid, "its result")
    t.equal(go(r)[0], SIGUSR1, "the signal")
    signo, errno, code, pid, uid = struct.unpack_from("<iiiiI", siginfo(r))
    t.equal((signo, errno, code, pid), (10, 0, 0, program.pid), "its siginfo")
    r.insert(program["spin"])
    signo, reason, tid = go(r)
    t.equal((signo, reason), (SIGTRAP, "swbreak"), "the thread")
    t.check(tid != program.pid, "it is the first thread")
    r.remove(program["spin"])
    t.equal(go(r)[0], SIGSEGV, "the fault")
    info = siginfo(r)
    t.equal(struct.unpack_from("<I", info, 12)[0], 0x10203040, "its address")
    # What is written is what the program gets.
    changed = info[:12] + struct.pack("<I", 0x50607080) + info[16:]
    t.equal(r.ask(b"qXfer:siginfo:write::0:" + changed), b"80", "siginfo written")
    t.equal(siginfo(r), changed, "siginfo read again")
    reply = go(r, "C0b")[0]
    t.equal(reply[:3], "X0b", "the end")


@case("a condition on registers of a 32-bit program is evaluated by the stub")
def _(t):
    server, r, program = begin(t)
    # The word above that at esp is 4: reg 4, const8 4, add, ref32, const8 4, equal, end.
    condition = "260004" "2204" "02" "19" "2204" "13" "27"
    r.ok("Z0,%x,1;X%x,%s" % (program["work"], len(condition) // 2, condition))
    t.equal(go(r)[:2], (SIGTRAP, "swbreak"), "the stop")
    t.equal(struct.unpack("<II", program.read(r.reg(ESP), 8))[1], 4, "the argument")
    t.equal(struct.unpack("<i", program.read(program["counter"], 4))[0], 6, "calls before")
