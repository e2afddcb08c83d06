#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Win64 form of every Node's tables, as others read it.

    win64.py --dump PROGRAM [-m PERCENT] [-k WORDS]

llvm-readobj and objdump must read each image; and where there is Wine, and a compiler for it
(Debian: wine64, gcc-mingw-w64-x86-64), its RtlVirtualUnwind must find what the precise rows say in
PERCENT of the builtins' instructions, chained or not.
"""
import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile

import oracle

HERE = oracle.HERE
FORMS = ('single.pe', 'each.pe', 'precise.pe', 'chained.pe')
MUST = ('precise.pe', 'chained.pe')


def windows():
    """(the compiler, the words that run its programs), or why not."""
    compilers = [c for c in ('x86_64-w64-mingw32-gcc', 'x86_64-w64-mingw32-gcc-win32') if shutil.which(c)]
    runners = [w for w in ('wine64', 'wine', '/usr/lib/wine/wine64') if shutil.which(w)]
    if not compilers:
        return None, 'no compiler for Windows (gcc-mingw-w64-x86-64)'
    if not runners:
        return None, 'no Wine (wine64)'
    return (compilers[0], runners[0]), ''


def readers(folder):
    """What cannot be read, by whom."""
    bad = []
    for form in FORMS:
        path = os.path.join(folder, form)
        for words in (['llvm-readobj', '--unwind'], ['objdump', '-p']):
            program = shutil.which(words[0]) or next(iter(sorted(glob.glob(f'/usr/bin/{words[0]}-[0-9]*'))), None)
            if not program:
                continue
            done = subprocess.run([program, *words[1:], path], capture_output=True, text=True, errors='replace')
            noise = [line for line in done.stderr.splitlines() if line.strip()]
            if done.returncode or noise or 'warning' in done.stdout.lower():
                bad.append(f'{form} by {words[0]}: {(noise or [done.returncode])[0]}')
    return bad


def check(folder, tools):
    """{form: (right, asked, not to be said, without entry)}"""
    compiler, runner = tools
    subprocess.run([compiler, '-O2', '-I', os.path.join(HERE, '..', '..'), '-o', os.path.join(folder, 'check.exe'),
                    os.path.join(HERE, 'win64_check.c')], check=True)
    env = {**os.environ, 'WINEDEBUG': '-all', 'WINEDLLOVERRIDES': 'mscoree,mshtml=',
           'WINEPREFIX': os.environ.get('WINEPREFIX') or os.path.join(folder, 'prefix')}
    done = subprocess.run([runner, 'check.exe', *FORMS], cwd=folder, env=env, capture_output=True, text=True,
                          timeout=900)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {r[0]: tuple(int(v) for v in r[1:]) for r in rows if len(r) == 5}


def one(o, node, tools):
    p = oracle.start(node, 'recursion')
    folder = tempfile.mkdtemp(prefix='win64-')
    try:
        subprocess.run([o.dump, str(p.pid), folder], check=True)
        bad = readers(folder)
        told = []
        for form, (right, asked, unsayable, none) in (check(folder, tools) if tools else {}).items():
            told.append(f'{form} {100 * right / asked:.3f}% of {asked} ({unsayable} not to be said, {none} without entry)')
            if form in MUST and 100 * right < o.m * asked:
                bad.append(f'{form}: less than {o.m}%')
        if tools and len(told) != len(FORMS):
            bad.append('win64_check.exe did not end well')
        return bad, told
    finally:
        p.kill()
        p.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--dump', required=True)
    a.add_argument('-m', type=float, default=99.8)
    a.add_argument('-k', default='')
    o = a.parse_args()
    o.dump = os.path.abspath(o.dump)
    tools, why = windows()
    failed = ran = 0
    for node in oracle.nodes():
        name = oracle.version(node)
        if any(w not in f'{name} {node[0]}' for w in o.k.split()):
            continue
        bad, told = one(o, node, tools)
        ran += 1
        failed += bool(bad)
        print('not ok' if bad else 'ok', name, node[0], 'win64:', '; '.join(bad + told) or f'read cleanly; {why}',
              flush=True)
    return oracle.verdict(ran, failed)


if __name__ == '__main__':
    sys.exit(main())
