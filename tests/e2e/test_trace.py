# SPDX-License-Identifier: MIT
"""Tracepoints: stock gdb's own commands, and what the program was like when it got there."""

import zoo
from harness import case


def save(t, gdb, server, path, script, *after):
    """The output of gdb, which reads `script` from a file: actions are no single command."""
    t.note(script)
    name = "%s/script.gdb" % t.dir
    with open(name, "w") as f:
        f.write(script)
    return t.gdb(gdb, server, "source " + name, *after, file=path)


@case("a tracepoint records and goes on, and its frames are looked at", gdb=zoo.gdbs)
def _(t, gdb):
    path = t.compile("steps.c")
    server = t.serve(command=[path, "10"])
    out = save(t, gdb, server, path, """
break main
continue
tvariable $tv = 100
trace add if b % 2 == 0
actions
  collect $regs, a, b, counter
  teval $tv = $tv + b
end
tstart
break on_signal
handle SIGUSR1 nostop noprint
""", "continue", "tstatus", "tstop", "tfind start", "print a", "print b", "print counter",
               "print handled", "print $rip == *add || b == 0", "tfind 4", "print b",
               "print counter", "bt 1", "tfind", "tfind none", "print counter", "print $tv")
    t.has(out["continue"], r"on_signal")
    t.has(out["tstatus"], r"Collected 5 trace frames")
    t.has(out["tfind start"], r"Found trace frame 0, tracepoint \d+")
    t.has(out["print handled"], r"<unavailable>")
    t.has(out["bt 1"], r"add \(a=28, .*b=8")
    t.has(out["tfind"], r"No trace frame found|failed to find")
    t.has(out["print $tv"], r"= 120")


@case("while-stepping leaves a frame at each instruction")
def _(t):
    path = t.compile("often.c", "-pthread")
    server = t.serve(command=[path, "3"])
    out = save(t, zoo.gdbs()[0], server, path, """
break main
continue
trace often if $rdi >= 1000
passcount 2
actions
  collect $rdi
  while-stepping 3
    collect $rip, last
  end
end
tstart
break often if $rdi == 2000
""", "continue", "tstatus", "tfind 0", "print $rdi", "tfind", "x/i $rip", "tfind", "x/i $rip",
               "print last", "tfind", "x/i $rip", "tfind", "print $rdi", "tfind pc often_writes",
               "print last", "tfind none", "print last")
    t.has(out["continue"], r"Breakpoint \d+, .*often")
    t.has(out["tstatus"], r"stopped by tracepoint")
    t.has(out["tstatus"], r"Collected 8 trace frames")
    t.has(out["print $rdi"], r"= 1001")
    t.has(out["x/i $rip"], r"<often_writes\+8>:")
    t.has(out["print last"], r"= 1999")


@case("a trace run goes on when gdb detaches, and the next one finds it")
def _(t):
    gdb = zoo.gdbs()[0]
    path = t.compile("often.c", "-pthread")
    server = t.serve(command=[path, "3"])
    save(t, gdb, server, path, """
break main
continue
delete
trace often
actions
  collect $rdi
end
set circular-trace-buffer on
set trace-buffer-size 100000
set disconnected-tracing on
tstart
""", "detach")
    out = t.gdb(gdb, server, "tstatus", "tstop", "tfind start", "tfind tracepoint 1", "print $rdi > 0",
                "info symbol $rip", file=path)
    t.has(out["tstatus"], r"Trace is running")
    t.has(out["tstatus"], r"[1-9]\d* trace frames \(of [1-9]\d* created")
    t.has(out["print $rdi > 0"], r"= 1")
    t.has(out["info symbol $rip"], r"often in section")
