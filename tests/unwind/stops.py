#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stops every Node there is at random, with every gdb there is: is the stack whole?

    stops.py --stub PROGRAM [-n STOPS] [-b STOPS] [-k WORDS]

A stack is whole if its outermost frame is the program's entry, and it is, address by address, what `monitor bt' follows by archerfish's own unwinder.  Beside it -b stops
(default 20) without the tables.  Fails if one of STOPS was not whole.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import oracle  # noqa: E402

# Runs inside gdb: all that it needs is in its environment.
IN_GDB = r'''
import gdb, json, os, random, re, signal, threading, time
stops, pid = int(os.environ["STOPS"]), int(os.environ["NODE_PID"])
random.seed(int(os.environ["SEED"]))
def run(command):
    return gdb.execute(command, to_string=True)
for command in ("set pagination off", "set confirm off", "set debuginfod enabled off",
                "set backtrace past-main on", "set backtrace past-entry on",
                "set backtrace limit 2000", "handle SIGINT stop print nopass", "set remotetimeout 120",
                "set print thread-events off", "set sysroot " + os.environ["SYSROOT"],
                "target remote " + os.environ["AT"]):
    try:
        run(command)
    except gdb.error as e:
        if "debuginfod" not in command:
            raise
def walk():
    frames, f = [], gdb.newest_frame()
    while f is not None and len(frames) < 2000:
        if f.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):  # which gdb makes up
            frames.append((f.pc(), f.name()))
        f = f.older()
    return frames
def own():
    text = run("monitor bt full")
    return text, [int(m, 16) for m in re.findall(r"^ +at (0x[0-9a-f]+), frame", text, re.M)]
good, generated, bad = 0, 0, []
for i in range(stops):
    timer = threading.Timer(random.uniform(0.002, 0.06), os.kill, (pid, signal.SIGINT))
    timer.start()
    run("continue")
    timer.join()
    run("thread 1")
    try:
        frames = walk()
        why = ""
    except gdb.error as e:
        frames, why = [], str(e)
    pcs = [pc for pc, name in frames]
    if not why and (not frames or frames[-1][1] != "_start"):
        why = "ends at %s" % (frames[-1:],)
    text, ours = own()
    if not why and pcs != ours:
        k = next((k for k in range(min(len(pcs), len(ours))) if pcs[k] != ours[k]), -1)
        why = "archerfish's own unwinder goes another way: at %d of %d and %d after %s: %s" % (
            k, len(pcs), len(ours), frames[k - 1:k + 2], [hex(v) for v in ours[k - 1:k + 2]])
        why += "".join("; " + line for line in text.strip().splitlines()[-2:])
    generated += any(n and (n.startswith("Builtins_") or n.startswith("js.")) for pc, n in frames)
    good += not why
    if why:
        bad.append((i, why, [(hex(pc), name) for pc, name in frames[:1]]))
open(os.environ["RESULT"], "w").write(json.dumps(
    {"good": good, "stops": stops, "generated": generated, "bad": bad[:5]}))
run("detach")
'''


def gdbs():
    """(name, the words before "gdb", sysroot)."""
    found = [('gdb', [], 'target:')] if shutil.which('gdb') else []
    for suite in ('trixie', 'sid'):
        root = os.path.join(oracle.roots(), suite)
        if os.path.exists(os.path.join(root, 'usr/bin/gdb')):
            found.append((f'gdb of {suite}', [os.path.join(oracle.ZOO, 'enter.sh'), root], 'target:'))
    return found


def run(stub, node, workload, gdb, stops, tables, seed):
    _, words, sysroot = gdb
    p = oracle.start(node, workload)
    work = tempfile.mkdtemp(prefix='unwind-')
    try:
        result, script = os.path.join(work, 'result'), os.path.join(work, 'in_gdb.py')
        with open(script, 'w') as f:
            f.write(IN_GDB)
        port = str(random.randrange(20000, 60000))
        server = subprocess.Popen([stub, '--once', '--attach', f'--unwind-tables={tables}', ':' + port,
                                   str(p.pid)], stderr=subprocess.PIPE, text=True)
        for line in server.stderr:
            if line.startswith('Listening'):
                break
        env = {**os.environ, 'STOPS': str(stops), 'NODE_PID': str(p.pid), 'SEED': str(seed),
               'SYSROOT': sysroot, 'AT': 'localhost:' + port, 'RESULT': result, 'ZOO_BIND': work}
        done = subprocess.run([*words, 'gdb', '-nx', '-batch', '-x', script], env=env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=3600)
        server.stderr.close()
        server.wait(timeout=60)
        if not os.path.exists(result):
            return {'good': 0, 'stops': stops, 'generated': 0, 'bad': [done.stderr[-600:]]}
        with open(result) as f:
            return json.load(f)
    finally:
        p.kill()
        p.wait()
        shutil.rmtree(work)


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--stub', required=True)
    a.add_argument('-n', type=int, default=500)
    a.add_argument('-b', type=int, default=20)
    a.add_argument('-k', default='')
    o = a.parse_args()
    failed = ran = 0
    for node in oracle.nodes():
        name = oracle.version(node)
        for gdb in gdbs():
            share = max(1, o.n // len(oracle.WORKLOADS))
            for seed, workload in enumerate(oracle.WORKLOADS):
                if any(w not in f'{name} {node[0]} {workload} {gdb[0]}' for w in o.k.split()):
                    continue
                stub = os.path.abspath(o.stub)
                r = run(stub, node, workload, gdb, share, 'on', seed)
                without = run(stub, node, workload, gdb, o.b, 'off', seed) if o.b else None
                ran += 1
                ok = r['good'] == r['stops']
                failed += not ok
                print('ok' if ok else 'not ok', name, workload, 'by', gdb[0] + ':',
                      f"{r['good']} of {r['stops']} whole, {r['generated']} with generated code",
                      f"; without {without['good']} of {without['stops']}" if without else '',
                      flush=True)
                for b in r['bad']:
                    print('   ', b)
    if not ran:
        print('skipped: no Node and gdb, on this machine or in the roots')
        return 77
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
