# SPDX-License-Identifier: MIT
"""Leaves two loops of the interpreter by longjmp(): see jumping.c."""

import ctypes
import sys

lib = ctypes.CDLL(sys.argv[1])


def inner():
    lib.land()


def leave():
    inner()


CALLBACK = ctypes.CFUNCTYPE(None)(leave)


def outside():
    lib.leap(CALLBACK)


outside()
