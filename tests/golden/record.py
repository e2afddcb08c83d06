#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Record what a stock gdb asks tests/fake/fake_main.c, as a golden transcript.

	tests/golden/record.py FAKE-STUB OUT.rsp GDB [ARG...]

GDB may be a whole command, such as `tests/zoo/enter.sh ROOT gdb'.  Only the
requests are written: `UPDATE=1 make check-unit' fills in the answers.
"""

import os
import re
import subprocess
import sys
import tempfile

COMMANDS = """\
info threads
x/4xg 0x1000
p $rip
stepi
continue
p $rsp
set var $rax = 0x1234
p $rax
set {long}0x1010 = 0x77
x/xg 0x1010
find 0x1000, +0x100, (char)0xaa
info auxv
info sharedlibrary
p $_siginfo.si_signo
monitor status
detach"""
ESCAPES = {"n": 10, "t": 9, "b": 8, "f": 12, "r": 13, "a": 7, "v": 11, "e": 27, "\\": 92}
PORT = 4571


def run_gdb(stub, gdb, log):
    server = subprocess.Popen([stub, str(PORT)], stderr=subprocess.DEVNULL)
    arguments = ["set width 0", "set architecture i386:x86-64", "set remotelogfile " + log,
                 "target remote 127.0.0.1:%d" % PORT] + COMMANDS.split("\n")
    command = gdb + ["-nx", "-batch"]
    for argument in arguments:
        command += ["-ex", argument]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=60, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(done.stdout.decode(errors="replace"))
        server.wait(timeout=10)
    finally:
        server.kill()


def payload(text):
    """The bytes behind gdb's spelling of a packet in its log."""
    wire = bytearray()
    while text:
        found = re.match(r"\\x([0-9a-f]{2})|\\([0-7]{1,3})|\\(.)|(.)", text, re.S)
        hexa, octal, letter, plain = found.groups()
        wire.append(int(hexa, 16) if hexa else int(octal, 8) if octal
                    else ESCAPES[letter] if letter else ord(plain))
        text = text[found.end():]
    return re.sub(rb"}(.)", lambda m: bytes([m.group(1)[0] ^ 0x20]), bytes(wire), flags=re.S)


def spelled(packet):
    return "".join(chr(b) if 32 <= b < 127 and b != 92 else "\\x%02x" % b for b in packet)


def requests(log):
    """Each request once in a row; of the long description only that it is read."""
    last = None
    described = False
    for line in log.split("\n"):
        found = re.match(r"w \+?\$(.*)#[0-9a-f]{2}$", line)
        if not found:
            continue
        packet = spelled(payload(found.group(1)))
        if packet.startswith("qXfer:features"):
            if not described:
                yield "# (it reads target.xml here)"
            described = True
        elif packet != last:
            yield "> " + packet
            last = packet


def main():
    stub, out, gdb = sys.argv[1], sys.argv[2], sys.argv[3:]
    version = subprocess.run(gdb + ["--version"], stdout=subprocess.PIPE,
                             universal_newlines=True).stdout.split("\n")[0]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ZOO_BIND"] = folder
        log = os.path.join(folder, "log")
        run_gdb(os.path.abspath(stub), [os.path.abspath(gdb[0]) if "/" in gdb[0] else gdb[0]]
                + gdb[1:], log)
        with open(log, encoding="latin1") as f:
            lines = list(requests(f.read()))
    with open(out, "w") as f:
        f.write("# %s, recorded by tests/golden/record.py\n" % version)
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
