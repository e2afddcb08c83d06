# SPDX-License-Identifier: MIT
"""What debuggers' commands say of a served core, and what they cannot do to it."""

import os
import re

import zoo
from cores import crashed, plain, serve
from harness import INFERIORS, case
from rsp import GDB, Rsp

READ_ONLY = b"E.this is a core file: nothing in it runs or changes"


def rows(text):
    """Start, end, offset and name of each mapping."""
    return set(re.findall(r"^\s*(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+0x[0-9a-f]+\s+(0x[0-9a-f]+)\s.*?(/\S+)\s*$",
                          text, re.M))


def libraries(text):
    return re.findall(r"^(0x\S+) +(0x\S+) +(Yes|No).*? (/\S+)$", plain(text), re.M)


@case("gdb's commands about a process say of a core what they say of the file", gdb=zoo.gdbs,
      timeout=300)
def _(t, gdb):
    fit = [p for p in zoo.pythons() if p.root == gdb.root]
    if not fit:
        t.skip("no python beside it")
    python = fit[-1]
    core = crashed(t, python.command("-c", "import ctypes; ctypes.string_at(8)"))
    root = python.root or ""
    program = os.path.realpath(python.path) if not root else python.file[len(os.path.realpath(root)):]
    show = ("info auxv", "p $_siginfo.si_signo", "p $_siginfo._sifields._sigfault.si_addr",
            "info sharedlibrary", "info proc mappings", "info registers", "x/4i 8")
    native = t.gdb(gdb, None, "core-file " + core, *show, file=program)
    server = serve(t, core, "--virtual-threads=off", *(["--sysroot=" + root] if root else []))
    served = t.gdb(gdb, server, *show, file=program)
    for command in show[:3]:
        t.equal(plain(served[command]), plain(native[command]), command)
    t.has(served[show[2]], r"= \(void \*\) 0x8")
    t.equal(libraries(served["info sharedlibrary"]), libraries(native["info sharedlibrary"]),
            "libraries")
    t.check(len(libraries(native["info sharedlibrary"])) > 2, "there are libraries")
    lost = rows(native["info proc mappings"]) - rows(served["info proc mappings"])
    t.equal(lost, set(), "mappings of files")
    t.check(len(rows(native["info proc mappings"])) > 8, "there are mappings")
    t.has(served["x/4i 8"], "Cannot access memory at address 0x8|nothing was mapped there")


@case("lldb's commands read a core and are refused to change it", lldb=zoo.lldbs, timeout=300)
def _(t, lldb):
    fit = [p for p in zoo.pythons() if p.root == lldb.root]
    if not fit:
        t.skip("no python beside it")
    python = fit[-1]
    core = crashed(t, python.command("-c", "import ctypes; ctypes.string_at(8)"))
    root = python.root or ""
    program = python.path if not root else python.file[len(os.path.realpath(root)):]
    server = serve(t, core, "--virtual-threads=off", *(["--sysroot=" + root] if root else []))
    show = ("register read rip rsp rax", "thread list", "image list -f", "bt")
    native = t.lldb(lldb, None, 'target create "%s" --core "%s"' % (program, core), *show)
    sp = t.has(native[show[0]], r"rsp = (0x\w+)").group(1)
    region, change = "memory region " + sp, "memory write %s 1" % sp
    served = t.lldb(lldb, server, *show, region, "register write rax 1", change, "memory read 8",
                    "process continue", file=program)
    t.equal(re.findall(r"(\w+ = 0x\w+)", served[show[0]]),
            re.findall(r"(\w+ = 0x\w+)", native[show[0]]), show[0])
    t.has(served["thread list"], "stop reason = signal SIGSEGV")
    frames = re.compile(r"frame #\d+: 0x\w+")
    t.equal(frames.findall(served["bt"]), frames.findall(native["bt"]), "bt")
    images = re.compile(r"\] (/\S+)")
    lost = set(images.findall(native["image list -f"])) - set(images.findall(served["image list -f"]))
    t.equal(lost, set(), "images")
    t.has(served[region], r"rw-")
    for command in ("register write rax 1", change, "memory read 8"):
        t.has(served[command], "error:", command)
    # lldb takes any error for a process that is lost; who connects again finds it.
    t.has(served["process continue"], "error:|lost connection")
    t.check(server.running(), "the server goes on")


@case("clients come and go, and a core is as it was")
def _(t):
    core = crashed(t, [t.compile("crash.c")])
    server = serve(t, core)
    for leave in ("D", "k", "vKill;%x", None, "D;%x"):
        with Rsp.connect(server.port) as client:
            client.open(GDB + ";error-message+")
            pid = int(re.search(rb"thread:p([0-9a-f]+)\.", client.ask("?")).group(1), 16)
            for request in ("c", "s", "vCont;c", "vCont;s", "P0=0000000000000000", "X0,1:a", "M0,1:00",
                            "Z0,0,1", "Z2,0,8"):
                t.equal(client.ask(request), READ_ONLY, request)
            if leave == "k":
                client.send("k")
            elif leave:
                t.equal(client.ask(leave.replace("%x", "%x" % pid)), b"OK", leave)
        t.check(server.running(), "it goes on serving")
