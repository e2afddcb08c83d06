# SPDX-License-Identifier: MIT
"""A function whose variables hold values of many kinds, for conditions."""

import sys

import debuggable


def kinds(i):
    flag = i == 8
    what = None if i == 0 else "text"
    big = 1 << 70
    big2 = big + 1 if i == 9 else 2.5
    cell = i

    def inner():
        return cell
    extra = inner() * 2  # line: twice as much
    return flag, what, big, big2, extra  # line: kinds of values


if __name__ == "__main__":
    debuggable.allow()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(-5, 15):
        kinds(number)
