# SPDX-License-Identifier: MIT
"""Keeps a thread of Python busy, through C and back; says "ready" first."""


def inner(n):
    s = 0
    for i in range(n):
        s += i * 3
    return s


def middle(n):
    return sum(map(inner, [n, n]))


def outer():
    while True:
        middle(300)


for warm in range(3000):
    middle(30)
print('ready', flush=True)
outer()
