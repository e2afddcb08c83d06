# SPDX-License-Identifier: MIT
"""Waits for a line in what a function of a frozen module calls."""

import os
import sys


class Path:
    def __fspath__(self):
        sys.stdin.readline()
        return "x"


print("os", os.__file__, os.fsencode.__code__.co_filename, flush=True)
print("ready", flush=True)
print("fsencode", os.fsencode(Path()), flush=True)
