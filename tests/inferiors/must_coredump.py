# SPDX-License-Identifier: MIT
import ctypes
def crash():
    ctypes.CFUNCTYPE(None)(0)()
crash()
