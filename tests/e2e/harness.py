# SPDX-License-Identifier: MIT
"""What an end-to-end test is written with; docs/testing.md shows one whole.

	from harness import case

	@case("a detach leaves the program running", gdb=zoo.gdbs)
	def _(t, gdb):
		program = t.program(t.python(), "philosophers.py", until="deadlocked")
		server = t.serve("--attach", pid=program.pid)
		out = t.gdb(gdb, server, "info threads", "detach")
		t.has(out["info threads"], r"dine")
		t.untouched(program.pid)

Each case runs in a process of its own, under a time limit, in a folder of its own
(`t.dir`); whatever it started is ended with it, however it ends.
"""

import codecs
import contextlib
import glob
import itertools
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
INFERIORS = os.path.join(TOP, "tests", "inferiors")
sys.path.insert(0, os.path.join(TOP, "tests", "zoo"))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import zoo  # noqa: E402

CASES = []
PROMPT = "<<archerfish-e2e>>"


class Failure(Exception):
    """What was expected and is not so."""


class Skip(Exception):
    """Why a case can't run here."""


class Case:
    def __init__(self, name, run, arguments, timeout):
        self.name, self.run, self.arguments, self.timeout = name, run, arguments, timeout


def case(name, timeout=150, **matrix):
    """Register a test: `name` is a sentence, said of archerfish.

    Each keyword is a list, or a function that gives one (zoo.pythons, zoo.gdbs); the
    test runs once for each combination, which it gets as keyword arguments.  An
    empty list makes one skipped case, so that a missing part is never silent.  With
    $ARCHERFISH_EVERY (tests/python/table.py) each interpreter there is takes the place
    of those that are enough otherwise, before one gdb.
    """
    if os.environ.get("ARCHERFISH_EVERY") and "python" in matrix:
        matrix["python"] = zoo.interpreters(wide=True)
        if "gdb" in matrix:
            matrix["gdb"] = zoo.gdbs()[:1]

    def register(run):
        lists = {key: values() if callable(values) else values for key, values in matrix.items()}
        for key, values in lists.items():
            if not values:
                CASES.append(Case(name, skipper("this machine has no %s for it" % key), {}, timeout))
        for values in itertools.product(*lists.values()):
            if is_spare(dict(zip(lists, values))):
                continue
            labels = [getattr(v, "label", str(v)) for v in values]
            keys = [k + " " if k in ("gdb", "lldb") else "" for k in lists]
            where = ", ".join(k + label for k, label in zip(keys, labels))
            CASES.append(Case(name + (" [%s]" % where if where else ""), run,
                              dict(zip(lists, values)), timeout))
        return run
    return register


def is_spare(values):
    """An old interpreter before a gdb that is not the oldest: one of them will do."""
    python, gdb = values.get("python"), values.get("gdb")
    return python and gdb and python.version < (3, 11) and gdb is not zoo.gdbs()[0]


def skipper(reason):
    def run(t):
        t.skip(reason)
    return run


class Process:
    """A process of a test: its standard output and error end up in one text."""

    def __init__(self, name, command, **how):
        self.name, self.argv = name, command
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      **how)
        self.pid = self.popen.pid
        self.text = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def pump(self, seconds):
        """Take in what it printed; False at the end of its output or the time."""
        if not select.select([self.popen.stdout], [], [], max(seconds, 0))[0]:
            return False
        data = os.read(self.popen.stdout.fileno(), 65536)
        self.text += self.decoder.decode(data)
        return bool(data)

    def until(self, pattern, seconds=60, start=0):
        """Wait until its output from `start` matches; the match."""
        end = time.monotonic() + seconds
        while True:
            found = re.compile(pattern, re.M).search(self.text, start)
            if found:
                return found
            if not self.pump(end - time.monotonic()):
                over = self.popen.poll()
                raise Failure("%s %s without saying /%s/; it said:\n%s" % (
                    self.name,
                    "ended (%s)" % over if over is not None else "went on for %d s" % seconds,
                    pattern, self.text[-3000:] or "(nothing)"))

    def wait(self, seconds=60):
        """Wait for its end; its exit status."""
        end = time.monotonic() + seconds
        while self.pump(end - time.monotonic()):
            pass
        try:
            return self.popen.wait(max(end - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            raise Failure("%s did not end within %d s; it said:\n%s"
                          % (self.name, seconds, self.text[-3000:])) from None

    def running(self):
        return self.popen.poll() is None

    def signal(self, signo):
        os.kill(self.pid, signo)

    def send(self, text):
        self.popen.stdin.write(text.encode())
        self.popen.stdin.flush()


class Server(Process):
    """archerfish, listening; `port` is where."""

    def listening(self):
        self.port = int(self.until(r"Listening on port (\d+)").group(1))
        return self


class Output(dict):
    """What a batch gdb or lldb printed: by command, and whole as `text`.

    A command given twice keeps its last output; lldb() has each one's in `texts`.
    """
    text = ""
    status = None


class Session(Process):
    """A gdb that waits for commands, for tests that must act in between."""

    def command(self, text, seconds=60):
        """Run one command to its end; what it printed."""
        start = len(self.text)
        self.send(text + "\n")
        found = self.until(re.escape(PROMPT), seconds, start)
        return self.text[start:found.start()]

    def begin(self, text):
        """Run a command without waiting, like a `continue` to be interrupted."""
        self.mark = len(self.text)
        self.send(text + "\n")

    def end(self, seconds=60):
        """Wait for what begin() began; what it printed."""
        found = self.until(re.escape(PROMPT), seconds, self.mark)
        return self.text[self.mark:found.start()]


class Test:
    """What a case has in hand."""

    def __init__(self, stub, folder):
        self.stub, self.dir = stub, folder
        self.notes = []

    # What is said.

    def note(self, text):
        """Shown when the case fails, or with -v."""
        self.notes.append(str(text))

    def skip(self, reason):
        raise Skip(reason)

    def fail(self, what):
        raise Failure(what)

    def check(self, so, what):
        if not so:
            raise Failure(what)

    def equal(self, found, expected, what):
        if found != expected:
            raise Failure("%s:\nexpected %r\nfound    %r" % (what, expected, found))

    def has(self, text, pattern, what=None):
        """`text` must match; the match."""
        found = re.search(pattern, text, re.M)
        if not found:
            raise Failure("%s: no /%s/ in:\n%s" % (what or "text is missing", pattern, text))
        return found

    def lacks(self, text, pattern, what=None):
        found = re.search(pattern, text, re.M)
        if found:
            raise Failure("%s: %r in:\n%s" % (what or "text must not be there", found.group(), text))

    # What runs.

    def python(self, version=None):
        """An interpreter: of this (major, minor), or any, the newest on the machine itself."""
        fit = [p for p in zoo.pythons() if version is None or p.version[:2] == version]
        here = [p for p in fit if not p.root]
        if not fit:
            self.skip("no python%s here" % ("%d.%d" % version if version else ""))
        return (here or fit)[-1]

    def environment(self, **more):
        # gdb must not ask the network for debug information.
        kept = {k: v for k, v in os.environ.items() if not k.startswith("DEBUGINFOD")}
        kept.update(LC_ALL="C.UTF-8", HOME=self.dir, PYTHONDONTWRITEBYTECODE="1",
                    ZOO_BIND="%s:%s" % (TOP, self.dir), ZOO_CWD=self.dir)
        kept.update(more)
        return kept

    def start(self, kind, name, command, **how):
        how.setdefault("stdin", subprocess.DEVNULL)
        how.setdefault("cwd", self.dir)
        how.setdefault("env", self.environment())
        process = kind(name, [str(c) for c in command], **how)
        self.note("%s: pid %d: %s" % (name, process.pid, " ".join(process.argv)))
        return process

    def program(self, python, script, *args, until=None, **how):
        """Start tests/inferiors/`script` (or a path of your own) and wait for `until`."""
        path = os.path.join(INFERIORS, script)
        return self.start_program(python.command(path, *args), until, **how)

    def start_program(self, command, until=None, **how):
        """Start any program and wait for `until`."""
        program = self.start(Process, os.path.basename(command[0]), command, **how)
        if until:
            program.until(until)
        return program

    def compile(self, source, *flags):
        """Compile tests/inferiors/`source`; the path of the executable."""
        out = os.path.join(self.dir, os.path.splitext(source)[0])
        run = subprocess.run([os.environ.get("CC", "cc"), "-g", "-O0", *flags, "-o", out,
                              os.path.join(INFERIORS, source)], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, universal_newlines=True)
        self.check(run.returncode == 0, "%s does not compile:\n%s" % (source, run.stdout))
        return out

    def line(self, source, name):
        """The number of the line of tests/inferiors/`source` marked "line: NAME"."""
        with open(os.path.join(INFERIORS, source)) as f:
            found = [i for i, text in enumerate(f, 1) if "line: %s " % name in text]
        self.equal(len(found), 1, "lines marked %s in %s" % (name, source))
        return found[0]

    def archerfish(self, *args, **how):
        """Start archerfish with these arguments and nothing else."""
        return self.start(Process, "archerfish", [self.stub, *args], **how)

    def serve(self, *options, pid=None, command=None, **how):
        """archerfish on a free port, for a process or a command to launch; it listens."""
        tail = ["--attach", ":0", pid] if pid else [":0", *(command or [])]
        return self.start(Server, "archerfish", [self.stub, *options, *tail], **how).listening()

    def gdb_command(self, gdb, *args):
        return gdb.command("-nx", "-q", "-iex", "set debuginfod enabled off", *args)

    def gdb(self, gdb, server, *commands, file=None, remote="remote", seconds=90):
        """Stock gdb in batch mode: connect (unless server is None), run the commands."""
        marks = ["<<%d>>" % i for i in range(len(commands))]
        args = ["-batch", "-ex", "set width 0"]
        if server:
            args += ["-ex", "target %s 127.0.0.1:%d" % (remote, server.port)]
        for mark, command in zip(marks, commands):
            args += ["-ex", "echo \\n%s\\n" % mark, "-ex", command]
        args += ["-ex", "echo \\n<<end>>\\n"]
        if file:
            args.append(file)
        process = self.start(Process, "gdb", self.gdb_command(gdb, *args))
        out = Output()
        try:
            out.status = process.wait(seconds)
        finally:
            out.text = process.text
            self.note(out.text)
        pieces = re.split(r"^<<(?:\d+|end)>>\n", out.text, flags=re.M)
        for command, piece in zip(commands, pieces[1:]):
            out[command] = piece
        for command in commands[max(len(pieces) - 1, 0):]:
            out[command] = ""
        return out

    def lldb(self, lldb, server, *commands, file=None, seconds=120):
        """Stock lldb in batch mode: connect (unless server is None), run the commands."""
        before = ["settings set symbols.enable-external-lookup false",
                  "settings set plugin.process.gdb-remote.packet-timeout 60"]
        if file:
            before.append("target create " + file)
        if server:
            before.append("gdb-remote 127.0.0.1:%d" % server.port)
        script = os.path.join(self.dir, "commands.lldb")
        with open(script, "w") as f:
            f.write("\n".join(before + list(commands) + ["quit"]) + "\n")
        process = self.start(Process, "lldb", lldb.command(
            "--no-lldbinit", "--no-use-colors", "-o", "command source -e 0 -c 0 -s 0 " + script))
        out = Output()
        try:
            out.status = process.wait(seconds)
        finally:
            out.text = process.text
            self.note(out.text)
        # lldb prints each command before it runs it.
        rest, out.texts = out.text, []
        for command, after in zip(commands, list(commands[1:]) + ["quit"]):
            rest = rest.partition("(lldb) %s\n" % command)[2]
            out[command] = rest.partition("(lldb) %s\n" % after)[0]
            out.texts.append(out[command])
        return out

    @contextlib.contextmanager
    def gdb_session(self, gdb, server, file=None, remote="remote"):
        """Stock gdb kept open: `with t.gdb_session(gdb, server) as g: g.command("info threads")`."""
        args = ["-ex", "set confirm off", "-ex", "set pagination off", "-ex", "set width 0",
                "-ex", "set prompt \\n%s\\n" % PROMPT] + ([file] if file else [])
        g = self.start(Session, "gdb", self.gdb_command(gdb, *args), stdin=subprocess.PIPE)
        try:
            g.until(re.escape(PROMPT))
            if server:
                g.command("target %s 127.0.0.1:%d" % (remote, server.port))
            yield g
            if g.running():
                g.send("quit\n")
                g.wait()
        finally:
            self.note(g.text)

    # What is seen of a process.

    def status(self, pid, field):
        """A line of /proc/PID/status, or None if the process is gone."""
        try:
            with open("/proc/%d/status" % pid, errors="replace") as f:
                return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)[field]
        except (OSError, KeyError):
            return None

    def threads(self, pid):
        return sorted(int(os.path.basename(p)) for p in glob.glob("/proc/%d/task/*" % pid))

    def eventually(self, so, what, seconds=60):
        """Wait until so() is true."""
        end = time.monotonic() + seconds
        while not so():
            if time.monotonic() > end:
                raise Failure("not within %d s: %s" % (seconds, what))
            time.sleep(0.02)

    def asleep(self, pid):
        """Wait until every thread of the process sleeps, and goes on doing so."""
        looks = []

        def so():
            looks.append([(tid, self.status(tid, "State"), self.status(tid, "voluntary_ctxt_switches"))
                          for tid in self.threads(pid)])
            return (len(looks) > 4 and looks[-1] == looks[-5]
                    and all((state or "?")[0] == "S" for _, state, _ in looks[-1]))
        self.eventually(so, "every thread of process %d sleeps" % pid)

    def untouched(self, pid):
        """Nobody traces the process and none of its threads is stopped."""
        def free():
            states = [self.status(tid, "State") for tid in self.threads(pid)]
            return (self.status(pid, "TracerPid") == "0"
                    and states and not any(s and s[0] in "tT" for s in states))
        self.eventually(free, "process %d is untraced and runs (TracerPid %s, State %s)" % (
            pid, self.status(pid, "TracerPid"), self.status(pid, "State")))


def descendants(pid):
    """Every living process below `pid`, read from /proc."""
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                child, rest = f.read().split(" ", 1)
        except OSError:
            continue
        parents[int(child)] = int(rest.rsplit(")", 1)[1].split()[1])
    found, look = [], [pid]
    while look:
        look = [child for child, parent in parents.items() if parent in look]
        found += look
    return found


def end_descendants():
    """End all that this process started, orphans included: see run.py's subreaper."""
    for _ in range(50):
        living = descendants(os.getpid())
        if not living:
            return
        for pid in living:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.02)


def perform(chosen, stub, folder):
    """Run a case in this process: (verdict, reason, notes)."""
    os.mkdir(folder)
    t = Test(stub, folder)
    try:
        chosen.run(t, **chosen.arguments)
        return "passed", "", t.notes
    except Skip as skip:
        return "skipped", str(skip), t.notes
    except Failure as failure:
        return "failed", str(failure), t.notes
    except Exception:  # a fault of the test is a failed test
        import traceback
        return "failed", traceback.format_exc(), t.notes
    finally:
        end_descendants()
        shutil.rmtree(folder, ignore_errors=True)
