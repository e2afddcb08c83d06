#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Steps every Node there is through every workload, and asks the tables who called.

    oracle.py --oracle PROGRAM [-n INSTRUCTIONS] [-m PERCENT] [-k WORDS] [-v MISSES]

Prints a line for each; fails if one was right in less than PERCENT of its instructions.
"""
import argparse
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ZOO = os.path.join(HERE, '..', 'zoo')
WORKLOADS = ['recursion', 'json', 'optimised', 'wasm', 'regexp', 'promise', 'async']
# Code that is left by the deoptimizer all the time, which is known to be wrong in places, and the bar for it.
EXTREME = {'deopt': 99.0}


def roots():
    return os.environ.get('ARCHERFISH_ROOTS') or os.path.join(
        os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'archerfish/roots')


def nodes():
    """(name, the words before "node", environment): this machine's, and the roots'."""
    found = []
    if shutil.which('node'):
        found.append(('host', [], {}))
    for suite in ('trixie', 'sid'):
        root = os.path.join(roots(), suite)
        if os.path.exists(os.path.join(root, 'usr/bin/node')):
            found.append((suite, [os.path.join(ZOO, 'enter.sh'), root], {'ZOO_BIND': HERE}))
    return found


def start(node, workload):
    """The process, once it is warm."""
    _, words, more = node
    p = subprocess.Popen([*words, 'node', os.path.join(HERE, 'workloads.js'), workload],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         env={**os.environ, **more})
    for line in p.stdout:
        if line.strip() == b'ready':
            return p
    raise SystemExit(f'{workload} did not start: status {p.wait()}')


def version(node):
    _, words, more = node
    return subprocess.run([*words, 'node', '--version'], env={**os.environ, **more},
                          capture_output=True, text=True, check=True).stdout.strip()


def verdict(ran, failed):
    """The exit status after so many runs."""
    if not ran:
        print('skipped: no Node on this machine, and none in the roots')
        return 77
    return 1 if failed else 0


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--oracle', required=True)
    a.add_argument('-n', type=int, default=200000)
    a.add_argument('-m', type=float, default=99.9)
    a.add_argument('-k', default='')
    a.add_argument('-v', default='0')
    o = a.parse_args()
    failed = ran = 0
    for node in nodes():
        name = version(node)
        for workload in [*WORKLOADS, *EXTREME]:
            if any(w not in f'{name} {node[0]} {workload}' for w in o.k.split()):
                continue
            p = start(node, workload)
            try:
                done = subprocess.run([o.oracle, '-v', o.v, '-m', str(EXTREME.get(workload, o.m)), str(p.pid), str(o.n)],
                                      capture_output=True, text=True, timeout=1800)
            finally:
                p.kill()
                p.wait()
            ran += 1
            failed += done.returncode != 0
            print('ok' if done.returncode == 0 else 'not ok', name, node[0], workload + ':',
                  done.stdout.strip() or done.stderr.strip(), flush=True)
    return verdict(ran, failed)


if __name__ == '__main__':
    sys.exit(main())
