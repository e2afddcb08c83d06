# SPDX-License-Identifier: MIT
"""Cores for tests: how they are made, and what two debuggers say of one compared."""

import difflib
import glob
import os
import re
import resource
import shutil
import signal
import struct
import subprocess

from harness import Process, Server

SHOW = ("bt", "info threads", "thread apply all info registers",
        "info registers float", "p $xmm0", "p $_siginfo.si_signo", "p $_siginfo._sifields._sigfault",
        "info auxv", "x/8gx $sp")


def thread_name(match):
    return "T" + (match.group(1) or match.group(2) or match.group(3))


def unlimited():
    """To be called in a child: it may write cores, also by a signal that a shell ignores."""
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def kernel_writes(t):
    """Skips the case where the kernel writes no cores into the folder of a program."""
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read().strip()
    if pattern[:1] in "|/" or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        t.skip("the system gives cores to somebody else: " + pattern)


def newest(folder):
    found = [os.path.join(folder, f) for f in os.listdir(folder) if f.startswith("core")]
    return max(found, key=os.path.getmtime) if found else None


def crashed(t, command, folder=None):
    """The core that the kernel writes of a program that crashes."""
    kernel_writes(t)
    folder = folder or t.dir
    env = t.environment()
    env["ZOO_CWD"] = folder
    subprocess.run(command, cwd=folder, env=env, preexec_fn=unlimited,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    core = newest(folder)
    if not core:
        t.skip("the system writes no cores")
    return core


def begun(t, command, threads, folder, filter_bits=None):
    """The program, once it has all its threads."""
    path = os.path.realpath(command[0])
    if filter_bits:
        command = ["/bin/sh", "-c", 'echo $0 >/proc/self/coredump_filter; exec "$@"', filter_bits,
                   *command]
    program = t.start(Process, os.path.basename(command[0]), command, cwd=folder,
                      preexec_fn=unlimited)
    t.eventually(lambda: os.readlink("/proc/%d/exe" % program.pid) == path
                 and len(t.threads(program.pid)) >= threads, "it has its threads")
    return program


def by_kernel(t, command, threads, signo, filter_bits):
    """A core of a program that a signal ends."""
    folder = os.path.join(t.dir, "%d-%s" % (signo, filter_bits))
    os.mkdir(folder)
    program = begun(t, command, threads, folder, filter_bits)
    program.signal(signo)
    program.wait()
    core = newest(folder)
    t.check(core, "the kernel writes a core")
    return core


def serve(t, core, *options):
    # Where lldb is shown files from, wherever it runs.
    return t.start(Server, "archerfish", [t.stub, *options, "--core", ":0", core],
                   env=t.environment(XDG_RUNTIME_DIR=t.dir)).listening()


def plain(text, *folders):
    """What both say, without how each names threads and where files come from."""
    for folder in folders:
        text = text.replace(folder, "")
    text = re.sub(r"warning: .*\n\s*|target:|^Reading .*\n", "", text, flags=re.M)
    text = re.sub(r"Thread 0x[0-9a-f]+ \(LWP (\d+)\)|Thread \d+\.(\d+)|\bLWP (\d+)", thread_name, text)
    text = re.sub(r"(T\d+)(?: \([^()]*\([^()]*:\d+\)\)| \".*?\")", r"\1", text)
    text = re.sub(r"^(?:py(?:frame|line|depth|code|thread|file)) .*\n", "", text, flags=re.M)
    return re.sub(r"[ \t]+", " ", text).strip()


# ---- reading a core without archerfish ----

def is_elf(path):
    try:
        with open(path, "rb") as f:
            return f.read(4) == b"\x7fELF"
    except OSError:
        return False


class Core:
    """Segments and mapped files of a little-endian ELF core."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.head = f.read(64)
            self.wide = self.head[4] == 2
            phoff, = struct.unpack_from("<Q" if self.wide else "<I", self.head, 32 if self.wide else 28)
            size, count = struct.unpack_from("<HH", self.head, 54 if self.wide else 42)
            f.seek(phoff)
            table = f.read(size * count)
            self.segments, self.files, self.spans, self.threads = [], [], [], 0
            for i in range(count):
                kind, offset, vaddr, filesz, memsz = self.header(table[i * size:(i + 1) * size])
                if kind == 1:
                    self.segments.append((vaddr, vaddr + filesz, vaddr + memsz))
                elif kind == 4:
                    f.seek(offset)
                    self.notes(f.read(filesz))

    def header(self, b):
        if self.wide:
            kind, _, offset, vaddr, _, filesz, memsz = struct.unpack_from("<IIQQQQQ", b)
        else:
            kind, offset, vaddr, _, filesz, memsz = struct.unpack_from("<IIIIII", b)
        return kind, offset, vaddr, filesz, memsz

    def notes(self, b):
        at = 0
        while at + 12 <= len(b):
            namesz, descsz, kind = struct.unpack_from("<III", b, at)
            at += 12 + (namesz + 3 & ~3)
            if kind == 0x46494c45:
                self.mapped(b[at:at + descsz])
            self.threads += kind == 1
            at += descsz + 3 & ~3

    def mapped(self, b):
        word = 8 if self.wide else 4
        n = int.from_bytes(b[:word], "little")
        names = b[word * (2 + 3 * n):].split(b"\0")[:n]
        for i, name in zip(range(2, 2 + 3 * n, 3), names):
            start, end = (int.from_bytes(b[k * word:k * word + word], "little") for k in (i, i + 1))
            if is_elf(name):
                self.spans.append((start, end))
        self.files = sorted({os.fsdecode(name) for name in names})

    def readable(self):
        """What it has of memory, and what mapped ELF files have.  gdb reads zeros elsewhere,
        and data files without knowing whether they are the same."""
        found = []
        for start, filled, end in sorted(self.segments):
            if filled > start:
                found.append((start, filled))
            if any(first <= filled and end <= last for first, last in self.spans) and end > filled:
                found.append((filled, end))
        return found


def copy_files(core, root, folder):
    """What was mapped, from below `root`, into `folder`, with the links that lead to it."""
    for name in ("lib", "lib64"):
        os.makedirs(folder + "/usr/" + name, exist_ok=True)
        os.symlink("usr/" + name, folder + "/" + name)
    for path in Core(core).files:
        source = (root or "") + path
        if path.startswith("/") and os.path.isfile(source):
            os.makedirs(os.path.dirname(folder + path), exist_ok=True)
            shutil.copyfile(source, folder + path)
            copy_links(os.path.realpath(source), os.path.dirname(folder + path))
            copy_built(source, folder)
    loader = "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    if os.path.exists(folder + loader):
        os.symlink(".." + loader, folder + "/usr/lib64/" + os.path.basename(loader))


def copy_links(source, folder):
    """Other names of a library, beside it: libz.so.1 of libz.so.1.2.13."""
    stem = os.path.basename(source).split(".so")[0]
    for name in os.listdir(os.path.dirname(source)):
        path = os.path.join(os.path.dirname(source), name)
        if (name.startswith(stem) and os.path.islink(path) and os.path.realpath(path) == source
                and not os.path.lexists(os.path.join(folder, name))):
            os.symlink(os.path.basename(source), os.path.join(folder, name))


def copy_built(source, folder):
    """The name under which a Python that is not installed loads a module: build/lib.*/NAME."""
    above, name = os.path.dirname(os.path.dirname(source)), os.path.basename(source)
    for link in glob.glob(os.path.join(above, "build", "lib.*", name)):
        if os.path.islink(link) and os.path.realpath(link) == source:
            os.makedirs(os.path.dirname(folder + link), exist_ok=True)
            os.symlink(os.path.relpath(source, os.path.dirname(link)), folder + link)


# Hashes what of each segment can be read: run by gdb, on the core and on the server.
HASH = r"""
import gdb, hashlib
def pieces(start, end):
    memory, at = gdb.selected_inferior(), start
    while at < end:
        n = min(0x40000 - at %% 0x40000, end - at)
        try:
            yield at, bytes(memory.read_memory(at, n))
        except gdb.MemoryError:
            for page in range(at, at + n, 4096):
                try:
                    yield page, bytes(memory.read_memory(page, min(4096, at + n - page)))
                except gdb.MemoryError:
                    pass
        at += n
for start, end in %r:
    seen, size = hashlib.sha256(), 0
    for at, data in pieces(start, end):
        seen.update(b"%%x:" %% at if not size or last != at else b"")
        seen.update(data)
        size, last = size + len(data), at + len(data)
    print("%%x %%x %%x %%s" %% (start, end, size, seen.hexdigest()[:16]))
"""


def hash_script(core, path):
    """Writes the script for the segments of a core; the gdb command that runs it."""
    with open(path, "w") as f:
        f.write(HASH % (Core(core).readable(),))
    return "source " + path


# ---- comparing all of it ----

def known(native, served):
    """Both without the registers that gdb itself cannot read: an old gdb and a new processor."""
    def name(line):
        return line.split(" ", 1)[0]
    lost = {name(line) for line in native.splitlines() if "<unavailable>" in line}
    return ["\n".join(line for line in text.splitlines() if name(line) not in lost)
            for text in (native, served)]


def same_view(t, gdb, core, program, show=SHOW, options=()):
    """Registers, threads, stacks and every byte: stock gdb on the server, and on the core."""
    server = serve(t, core, "--virtual-threads=off", *options)
    script = hash_script(core, core + ".hash.py")
    before = ("set sysroot /",)
    native = t.gdb(gdb, None, *before, "core-file " + core, *show, script, file=program, seconds=300)
    served = t.gdb(gdb, server, *show, script, file=program, seconds=300)
    for command in (*show, script):
        expected, found = known(plain(native[command]), plain(served[command]))
        if found != expected:
            t.fail("%s of %s:\n%s" % (command, core, "\n".join(
                difflib.unified_diff(expected.split("\n"), found.split("\n"), "gdb", "served", n=1))))
    t.has(served["bt"], r"^#0 ")
    sizes = [int(line.split()[2], 16) for line in served[script].splitlines() if line.strip()]
    t.check(sum(sizes) > 8192, "%d bytes are readable" % sum(sizes))
    server.signal(15)
    count()


def count(n=1):
    """For the total at the end of `make check-cores`."""
    path = os.environ.get("ARCHERFISH_CORES")
    if path:
        with open(path, "a") as f:
            f.write("%d\n" % n)
