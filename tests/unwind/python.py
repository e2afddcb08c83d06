#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stops CPython at random under -X perf and PYTHON_JIT=1: do C and Python frames make one stack?

    python.py --stub PROGRAM [-n STOPS]

Each stack must reach the program's entry without a gap, and its Python frames must be those that the
program has at that time, each where its evaluation loop or its trampoline is.
"""
import argparse
import glob
import json
import os
import random
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import oracle  # noqa: E402

MODES = {'-X perf': (['-X', 'perf'], {}), 'PYTHON_JIT=1': ([], {'PYTHON_JIT': '1'})}
CHAIN = ['inner', 'middle', 'outer', '<module>']


def pythons():
    for suite in ('trixie', 'sid'):
        root = os.path.join(oracle.roots(), suite)
        for path in sorted(glob.glob(os.path.join(root, 'usr/bin/python3.1[2-9]'))):
            yield suite, root, os.path.basename(path)


def start(root, python, mode):
    args, more = MODES[mode]
    p = subprocess.Popen([os.path.join(oracle.ZOO, 'enter.sh'), root, python, *args,
                          os.path.join(HERE, 'busy.py')],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         env={**os.environ, 'ZOO_BIND': HERE, **more})
    return p if p.stdout.readline() == b'ready\n' else None


def has_code(pid):
    """Whether anything was compiled or copied to be run."""
    with open(f'/proc/{pid}/maps') as f:
        return any(re.match(r'\S+ \S*x\S* 0+ 00:00 0 *$', line) for line in f)


def judge(stub, pid):
    """Why the stack is not whole, or ''."""
    done = subprocess.run([stub, 'stacks', '--native', '--json', str(pid)], capture_output=True,
                          text=True)
    if done.returncode:
        return done.stderr.strip()
    text = done.stdout
    document = json.loads(text)
    threads = [t for i in document['interpreters'] for t in i['threads']]
    frames = threads[0]['frames']
    names = [f['name'] for f in frames if f.get('kind') != 'native' and 'name' in f]
    if any(f.get('kind') == 'cut' for f in frames):
        return 'cut: ' + next(f['reason'] for f in frames if f.get('kind') == 'cut')
    if 'mismatch' in text:
        return 'C and Python frames do not fit together'
    if names not in [CHAIN[i:] for i in range(len(CHAIN))]:
        return f'Python frames {names}'
    return ''


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--stub', required=True)
    a.add_argument('-n', type=int, default=200)
    o = a.parse_args()
    random.seed(1)
    failed = ran = 0
    for suite, root, python in pythons():
        for mode in MODES:
            p = start(root, python, mode)
            if not p or not has_code(p.pid):
                print(f'skipped: {python} of {suite} {mode}: makes no code')
                if p:
                    p.kill()
                continue
            whys = []
            for _ in range(o.n):
                time.sleep(random.uniform(0.001, 0.02))
                why = judge(o.stub, p.pid)
                if why:
                    whys.append(why)
            p.kill()
            p.wait()
            ran += 1
            failed += bool(whys)
            print('not ok' if whys else 'ok', f'{python} of {suite} {mode}:',
                  f'{o.n - len(whys)} of {o.n} stacks whole', *whys[:2], flush=True)
    if not ran:
        print('skipped: no root has a CPython that makes code')
        return 77
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
