#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tables for the code of every Node there is cost: once, from what was kept, and per stop.

    cost.py --cost PROGRAM [-n STOPS] [-k WORDS]

Milliseconds of processor time.  Fails beyond 600 for the first look at the builtins, 20 for one at what was
kept of them, 20 for a stop (19 of 20 stops: others of the machine's work are in it).
"""
import argparse
import json
import subprocess
import sys

import oracle

LIMITS = {'first': 600, 'kept': 20, 'stop_95': 20}


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--cost', required=True)
    a.add_argument('-n', type=int, default=200)
    a.add_argument('-k', default='')
    o = a.parse_args()
    failed = ran = 0
    print('| Node | first look | kept | a stop, median | 95 % | most | changed | tables of builtins | of compiled |')
    print('|---|---|---|---|---|---|---|---|---|')
    for node in oracle.nodes():
        name = oracle.version(node)
        for workload in ('async', 'json'):
            if any(w not in f'{name} {node[0]} {workload}' for w in o.k.split()):
                continue
            p = oracle.start(node, workload)
            try:
                done = subprocess.run([o.cost, str(p.pid), str(o.n)], capture_output=True, text=True,
                                      timeout=600)
            finally:
                p.kill()
                p.wait()
            ran += 1
            if done.returncode:
                failed += 1
                print('not ok', name, workload, done.stderr.strip())
                continue
            c = json.loads(done.stdout)
            slow = [k for k, limit in LIMITS.items() if c[k] > limit]
            failed += bool(slow)
            print(f"| {name} {node[0]} {workload} | {c['first']:.0f} | {c['kept']:.1f} | {c['stop_median']:.1f} | "
                  f"{c['stop_95']:.1f} | {c['stop_most']:.1f} | {c['changed']} of {c['stops']} | "
                  f"{c['fixed_bytes'] // 1024} KB | {c['compiled_bytes'] // 1024} KB |",
                  'too slow: ' + ', '.join(slow) if slow else '', flush=True)
    return oracle.verdict(ran, failed)


if __name__ == '__main__':
    sys.exit(main())
