# SPDX-License-Identifier: MIT
"""What every program under test needs to be one: call allow() first."""


def allow():
    """Let any process of this user debug this one.

    Without it a kernel with yama's ptrace_scope 1 allows only ancestors to.
    Where prctl or ctypes is missing the restriction is, too, or root is asked for.
    """
    try:
        import ctypes
        pr_set_ptracer, anyone = 0x59616D61, ctypes.c_ulong(-1)
        ctypes.CDLL(None).prctl(pr_set_ptracer, anyone, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass
