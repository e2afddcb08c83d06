# SPDX-License-Identifier: MIT
"""Variables for py-print, in several frames, and what Python itself says of them.

	expressions.py FILE

writes to FILE, as JSON, for each frame by its function's name: {expression: repr()},
and to what py-print refuses or Python does not have, {expression: None}; prints
"ready" and waits.  The expressions are evaluated in the frame itself.
"""

import collections
import enum
import json
import os
import sys
import threading
import types

out = sys.argv[1]
said = {}
gate = threading.Lock()
gate.acquire()


class Color(enum.Enum):
    RED = 1
    GREEN = "g"


class Base:
    inherited = "from the base"
    shadowed = "class"
    CONSTANTS = {"a": (1, 2), 3: "three"}

    def method(self):
        return 1

    @staticmethod
    def static():
        return 2

    @classmethod
    def made(cls):
        return cls()

    @property
    def computed(self):
        return 3


class Plain(Base):
    def __init__(self):
        self.jobs = [{"id": 7, "name": "first"}, {"id": 8}]
        self.shadowed = "instance"
        self.text = "na\u00efve \u732b \U0001f40d end"
        self.raw = b"bytes\x00\xff"
        self.color = Color.GREEN
        self.inner = None


class Slots:
    __slots__ = ("p", "unset")

    def __init__(self):
        self.p = [1, 2, 3]


class Getter:
    def __getattr__(self, name):
        return name


class Own(dict):
    def __getitem__(self, key):
        return "own"


class Missing(dict):
    def __missing__(self, key):
        return "missing"


Point = collections.namedtuple("Point", "x y")

GLOBAL = {"list": [10, 20, 30]}
module = types.ModuleType("module")
module.value = [1, 2]
hidden = "global"

FAIL = object()


def tell(expressions, g, l):
    """What Python says, for the frame that calls."""
    answers = {}
    for e in expressions:
        try:
            answers[e] = repr(eval(e, g, l))
        except Exception:
            answers[e] = None
    said[sys._getframe(1).f_code.co_name] = answers


# By memory alone there is no telling, though Python would.
REFUSED = ["x.computed", "x.method()", "getter.anything", "own['k']", "missing['k']", "x.jobs + []",
           "abs(n)", "n == 5", "len(getter)", "fun.__defaults__", "n.real", "[1, 2]", "{}", "-n", "x.jobs.append",
           "lambda: 1", "n if n else n", "not n", "n.bit_length"]


def frames():
    x = Plain()
    x.inner = Slots()
    slots = x.inner
    n = 5
    big = 2 ** 80
    key = "list"
    d = {1: "one", "s": "str", b"b": "bytes", None: "none", (1, "t"): "tuple", 2.5: "float",
         True and -3: "minus", "\u732b": "cat", "k" * 100: "long", (1, (2, 3)): "nested"}
    keyed = {"a%d" % i: i for i in range(1000)}
    numbers = list(range(100))
    mixed = (1, "two", [3, 4], {"five": 5})
    queue = collections.deque(range(200))
    counter = collections.defaultdict(list, {"c": [1]})
    ordered = collections.OrderedDict([("z", 1), ("a", 2)])
    empty, nothing = [], None
    point = Point(3, 4)
    array = bytearray(b"array")
    getter, own, missing = Getter(), Own(k=1), Missing(a=1)
    error = KeyError("gone")
    error.__cause__ = ValueError("cause")
    s = {1, 2, 3}
    proxy = types.MappingProxyType({"p": 1})
    fun = tell
    cut = slice(1, 2)
    span = range(5)
    naïve = "name"
    deleted = 1
    del deleted

    def inner():
        free = n
        unset_yet = None
        tell(["n", "free", "x.jobs[0]['id']", "GLOBAL", "hidden", "len"], globals(), dict(n=n, free=free, x=x))
        class Body:
            member = x.shadowed
            hidden = "class"
            tell(["member", "hidden", "GLOBAL['list']", "n"], globals(), dict(locals(), n=n))
            blocked()
        return unset_yet, Body
    tell(["x.jobs[0]['id']", "x.jobs[-1]", "x.jobs[0]['name'][0]", "x.jobs[1:]", "x.shadowed",
          "x.inherited", "x.CONSTANTS['a'][1]", "x.CONSTANTS[3]", "x.text", "x.text[6]", "x.text[::-1]",
          "x.text[2:9]", "x.raw", "x.raw[0]", "x.raw[1:3]", "x.raw[-1]", "x.color", "x.color.name",
          "x.color.value", "x.inner.p[1]", "slots.p", "slots.unset", "x.static", "x.__class__",
          "n", "big", "d[1]", "d[1.0]", "d[True]", "d['s']", "d[b'b']", "d[None]", "d[1, 't']",
          "d[(1, 't')]", "d[2.5]", "d[-3]", "d['absent']", "d[\"\u732b\"]", "d['" + "k" * 100 + "']",
          "d[1, (2, 3)]", "d[99]", "keyed['a777']", "len(keyed)", "numbers[10]", "numbers[-1]",
          "numbers[100]", "numbers[5:9]", "numbers[::25]", "numbers[90:80:-3]", "numbers[:-95]",
          "numbers[n]", "numbers[n:n]", "numbers[2:5][1]", "numbers[-1000:3]", "numbers[3:1000:40]",
          "numbers['x']", "numbers[:]", "numbers[None:2]",
          "mixed[2][0]", "mixed[3]['five']", "mixed[:2]", "mixed[1:2]", "mixed[1][::-1]", "queue[150]",
          "queue[-1]", "queue[0]", "queue[200]", "len(queue)", "counter['c']", "counter['absent']",
          "ordered['a']", "empty", "empty[0]", "nothing", "point.x", "point[1]", "point", "point.y",
          "array[1]", "array", "error.args", "error.args[0]", "error.__cause__", "error.__context__",
          "len(s)", "len(x.text)", "len(x.raw)", "len(mixed)", "len(n)", "type(x)", "type(n)",
          "type(x).inherited", "type('')", "proxy['p']", "fun.__name__", "fun.__code__.co_name",
          "fun.__code__.co_argcount", "fun.__dict__", "fun.__globals__['hidden']", "fun",
          "cut.start", "cut.stop", "cut.step", "span.stop", "GLOBAL", "GLOBAL[key]",
          "GLOBAL['list'][1]", "module", "module.value[1]", "module.absent", "len", "print", "Plain",
          "Plain.inherited", "Plain.CONSTANTS['a']", "Plain.absent", "Plain.__name__", "Color.RED",
          "Color.RED.value", "Color.GREEN.name", "sys.argv[0]", "collections.OrderedDict",
          "json.__name__", "os.path.sep", "naïve", "deleted", "undefined", "hidden",
          "(1, 2)", "'it\\'s'", "b'x\\n'", "(1,)", "()", "None", "...", "1e3", "0x1F", "'a' 'b'[0]",
          "r'\\d'", "'\\u732b\\x41\\101'", "True", "x.jobs[0].id", "threading.__doc__[:9]",
          "x.method", "x.made", "gate", "-7", "+1.5", "x . jobs [ 0 ] [ 'id' ]"] + REFUSED,
         globals(), locals())
    for e in REFUSED:
        said["frames"][e] = None
    inner()


def blocked():
    with open(out + ".new", "w") as f:
        json.dump(said, f)
    os.rename(out + ".new", out)
    print("ready", flush=True)
    gate.acquire()


frames()
