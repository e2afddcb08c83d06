# SPDX-License-Identifier: MIT
"""Holds a value of every kind, writes repr() of each to the file it is given,
then blocks.  tests/values/values.py compares.
"""

import array
import asyncio
import collections
import collections.abc
import datetime
import decimal
import enum
import fractions
import functools
import itertools
import json
import os
import pathlib
import re
import sys
import threading
import time
import types
import uuid
import weakref

try:
    import dataclasses
except ImportError:  # 3.6
    dataclasses = None

Point = collections.namedtuple("Point", "x y")
Empty = collections.namedtuple("Empty", "")


class Color(enum.Enum):
    RED = 1
    BLUE = "blue"
    PAIR = (1, 2)


class Perm(enum.Flag):
    R = 4
    W = 2
    X = 1


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 100


class Mode(enum.IntFlag):
    A = 1
    B = 2


if dataclasses:
    @dataclasses.dataclass
    class Job:
        id: int
        name: str = "x"
        hidden: int = dataclasses.field(default=7, repr=False)
        tags: list = dataclasses.field(default_factory=list)

    @dataclasses.dataclass(order=True)
    class Inner(Job):
        more: float = 1.5

    @dataclasses.dataclass(**({"slots": True} if sys.version_info >= (3, 10) else {}))
    class Slotted:
        a: int
        b: str
else:
    class Job(list):
        def __init__(self, *args, tags=()):
            super().__init__(args)

    Inner = Slotted = Job


class SubJob(Job):
    pass


class Plain:
    def __init__(self):
        self.a = 1
        self.b = "two"

    def method(self):
        return self


class Bare:
    pass


class Custom:
    def __init__(self, v):
        self.v = v

    def __repr__(self):
        return "custom!"


class Slots:
    __slots__ = ("p", "q", "unset")

    def __init__(self):
        self.p = 10
        self.q = [1]


class SlotsChild(Slots):
    def __init__(self):
        super().__init__()
        self.extra = "dict"


class MyInt(int):
    pass


class MyStr(str):
    pass


class MyFloat(float):
    pass


class MyList(list):
    pass


class MyDict(dict):
    pass


class MyTuple(tuple):
    pass


class MySet(set):
    pass


class MyFrozen(frozenset):
    pass


class LoudInt(int):
    def __repr__(self):
        return "LOUD"


class Meta(type):
    def __repr__(cls):
        return "meta!"


class WithMeta(metaclass=Meta):
    pass


class Outer:
    class Nested:
        pass


class Trouble(ValueError):
    pass


def generate():
    yield 1
    yield from inner_generate()


def inner_generate():
    yield 2


async def coroutine():
    await asyncio.sleep(0)


async def agenerate():
    yield 1


def main(out):
    free = [1, 2]

    def closure():
        return free

    v_none = None
    v_true, v_false = True, False
    v_ellipsis = ...
    v_notimpl = NotImplemented
    # numbers
    i_zero, i_one, i_neg = 0, 1, -1
    i_small, i_256, i_257 = -5, 256, 257
    i_30, i_30n, i_60 = 2**30, -(2**30), 2**60 - 1
    i_63, i_64, i_100 = 2**63, -(2**64) - 1, 10**100
    i_big = 3**9000 + 7
    i_999 = 999999999 * 10**9 + 1
    i_sub, i_loud = MyInt(41), LoudInt(3)
    f_zero, f_nzero, f_one = 0.0, -0.0, 1.0
    f_tenth, f_third, f_big = 0.1, 1 / 3, 1e300
    f_1e16, f_1e15, f_1e22 = 1e16, 1e15, 1e22
    f_small, f_small2, f_denorm = 1e-4, 1e-5, 5e-324
    f_max, f_min = sys.float_info.max, sys.float_info.min
    f_inf, f_ninf, f_nan = float("inf"), float("-inf"), float("nan")
    f_2m44, f_neg = 2.0**-44, -123456.789
    f_long = 9007199254740993.0
    f_sub = MyFloat(2.5)
    f_all = [float(f"{m}e{e}") for m, e in zip(range(1, 60), range(-30, 29))]
    f_pow = [2.0**e for e in range(-1074, 1024, 61)]
    c_one, c_imag, c_neg = 1 + 2j, 3j, -1 - 0.5j
    c_nan, c_nz = complex("nan"), complex(-0.0, 1)
    c_inf = complex(float("inf"), float("-inf"))
    # texts
    s_empty, s_ascii = "", "hello"
    s_single, s_double, s_both = "it's", 'say "x"', "it's \"x\""
    s_escapes = "a\n\r\t\\\x00\x7f\x1b"
    s_latin, s_nbsp = "caf\xe9 \xa0 \xad \x85", "\xa0"
    s_bmp, s_astral = "\u732b \u03bb", "\U0001f40d"
    s_surrogate, s_special = "\udc80", "\ufeff\u200b\u2028\ufffe\uffff"
    s_private, s_astral_np = "\ue000", "\U000e0001\U0010ffff"
    s_markup = "<a href=\"x\">&amp;'</a>"
    s_sub = MyStr("sub")
    s_500 = "ab" * 250
    b_empty, b_ascii, b_high = b"", b"abc", bytes(range(256))
    b_quote = b"it's"
    b_array, b_array_q = bytearray(b"xy\x00"), bytearray(b"'")
    b_array_cut = bytearray(b"0123456789")
    del b_array_cut[:3]
    # containers
    t_empty, t_one, t_two, t_nest = (), (1,), (1, "a"), ((1,), [2], {3})
    t_sub = MyTuple((1, 2))
    l_empty, l_mixed, l_sub = [], [1, "a", None, 2.5, b"x"], MyList([1])
    l_cycle = [1]
    l_cycle.append(l_cycle)
    t_cycle = ([],)
    t_cycle[0].append(t_cycle)
    d_cycle = {}
    d_cycle["me"] = d_cycle
    l_same = [s_ascii, s_ascii, t_two, t_two]
    d_empty, d_str, d_int = {}, {"a": 1, "b": [2]}, {1: 2, (1, 2): 3, None: 4}
    d_mixed = {"a": 1, 2: "b", 1.5: None}
    d_deleted = {str(i): i for i in range(50)}
    for i in range(45):
        del d_deleted[str(i)]
    d_reinsert = {"a": 1, "b": 2}
    del d_reinsert["a"]
    d_reinsert["a"] = 3
    d_sub = MyDict(x=1)
    d_split = Plain().__dict__
    d_split_obj = Plain()
    d_split_live = d_split_obj.__dict__
    d_big = {i: str(i) for i in range(90)}
    d_kwargs = dict(one=1, two=2)
    e_set, e_set1, e_set3 = set(), {1}, {1, 2, 3}
    e_words = {"a", "b", "c", "d", "e", "f", "g"}
    e_removed = set(range(20))
    for i in range(0, 20, 2):
        e_removed.discard(i)
    e_frozen, e_frozen0 = frozenset((1, 2)), frozenset()
    e_sub, e_fsub = MySet((1,)), MyFrozen((1, 2))
    r_plain, r_step, r_neg = range(10), range(1, 10, 2), range(10, 0, -1)
    r_slice, r_slice2 = slice(1, 2), slice(None, None, "x")
    q_empty, q_three = collections.deque(), collections.deque([1, 2, 3])
    q_max = collections.deque([1, 2, 3], maxlen=2)
    q_long = collections.deque(range(90))
    q_rotated = collections.deque(range(80))
    q_rotated.rotate(37)
    q_left = collections.deque()
    for i in range(70):
        q_left.appendleft(i)
    q_cycle = collections.deque([1])
    q_cycle.append(q_cycle)
    n_point, n_empty, n_nest = Point(1, "y"), Empty(), Point([1], Point(2, 3))
    dd = collections.defaultdict(list, {"a": [1]})
    dd_none = collections.defaultdict(None, {1: 2})
    od_empty = collections.OrderedDict()
    od = collections.OrderedDict([("a", 1), ("b", 2), ("c", 3)])
    od.move_to_end("a")
    counter = collections.Counter("hello")
    ns = types.SimpleNamespace(a=1, b="x")
    proxy = types.MappingProxyType({"k": 1})
    frozen_dict = frozendict(a=1) if sys.version_info >= (3, 15) else None
    # instances
    o_object, o_bare, o_plain, o_custom = object(), Bare(), Plain(), Custom(5)
    o_slots, o_slots2 = Slots(), SlotsChild()
    o_deleted = Plain()
    del o_deleted.a
    o_many = Plain()
    for i in range(40):
        setattr(o_many, "attr%d" % i, i)
    o_list = [Plain(), Plain()]
    o_self = Bare()
    o_self.me = o_self
    o_meta = WithMeta()
    j_job, j_inner, j_slot, j_sub = Job(1), Inner(2, "n"), Slotted(1, "b"), SubJob(3)
    j_rec = Job(1, tags=[Job(2), Job(3, tags=[{"a": Job(4)}])])
    m_red, m_blue, m_pair = Color.RED, Color.BLUE, Color.PAIR
    m_flag, m_flags, m_noflag = Perm.R, Perm.R | Perm.W, Perm(0)
    m_size, m_mode, m_list = Size.LARGE, Mode.A | Mode.B, [Color.RED, Size.SMALL]
    # what programs are made of
    k_func, k_lambda, k_closure, k_main = generate, lambda: 0, closure, main
    k_method, k_cmethod, k_static = o_bare_method(), str.join, dict.fromkeys
    k_len, k_append, k_partial = len, l_mixed.append, functools.partial(int, "1")
    k_type, k_class, k_nested = int, Plain, Outer.Nested
    k_excclass, k_cclass, k_enum = ValueError, collections.deque, Color
    k_flag, k_meta, k_typetype = Perm, WithMeta, type
    k_abc = collections.abc.Mapping
    k_os, k_sys, k_self, k_json = os, sys, sys.modules["__main__"], json
    k_newmod = types.ModuleType("fresh")
    k_code, k_cell = generate.__code__, closure.__closure__[0]
    k_emptycell = types.CellType() if hasattr(types, "CellType") else None
    x_value, x_key, x_none = ValueError("bad"), KeyError("k"), RuntimeError()
    x_two, x_os = Exception(1, "a"), FileNotFoundError(2, "No such file", "/x")
    x_own, x_stop = Trouble("own"), StopIteration(3)
    g_new, g_mid, g_done = generate(), generate(), generate()
    next(g_mid)
    g_from = generate()
    next(g_from), next(g_from)
    list(g_done)
    g_expr, g_async = (x for x in [1]), agenerate()
    g_coro = coroutine()
    y_lock, y_locked, y_rlock = threading.Lock(), threading.Lock(), threading.RLock()
    y_locked.acquire()
    y_rlocked = threading.RLock()
    y_rlocked.acquire(), y_rlocked.acquire()
    p_path, p_rel = pathlib.Path("/usr/lib"), pathlib.PurePosixPath("a/b")
    p_str, p_joined = pathlib.Path("/x"), pathlib.Path("/a", "b")
    str(p_str), str(p_joined)
    z_dec, z_neg, z_exp = decimal.Decimal("1.50"), decimal.Decimal("-0.00012"), decimal.Decimal("1E+30")
    z_int, z_inf, z_nan = decimal.Decimal(12345), decimal.Decimal("-Infinity"), decimal.Decimal("NaN")
    z_zero, z_tiny = decimal.Decimal(0), decimal.Decimal("1.5e-10")
    z_long = decimal.Decimal("1234567890123456789012345678901234567890.0001")
    z_zeros = decimal.Decimal("0E+3")
    w_date, w_time = datetime.date(2024, 2, 29), datetime.time(1, 2)
    w_time2 = datetime.time(1, 2, 3, 4, fold=1)
    w_dt = datetime.datetime(2024, 1, 2, 3, 4)
    w_dtus = datetime.datetime(1, 12, 31, 23, 59, 59, 999999)
    w_utc = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    w_tz = datetime.timezone(datetime.timedelta(hours=-5), "EST")
    w_delta, w_delta0 = datetime.timedelta(1, 2, 3), datetime.timedelta(0)
    w_dneg = datetime.timedelta(seconds=-1)
    u_uuid, u_frac = uuid.UUID(int=5), fractions.Fraction(1, 3)
    u_re, u_match = re.compile("a+"), re.match("a", "a")
    u_array, u_view = array.array("i", [1, 2]), memoryview(b"abc")
    u_count, u_iter = itertools.count(3), iter([1])
    u_ref, u_prop = weakref.ref(o_bare), property()
    u_deep = [[[[[[[[[[[[1]]]]]]]]]]]]
    u_wide = list(range(300))
    unset = 1
    del unset

    values = dict(locals())
    values.pop("out")
    with open(out + ".part", "w", encoding="utf-8", errors="surrogatepass") as f:
        json.dump({name: repr(value) for name, value in values.items()}, f)
    del values, f
    os.rename(out + ".part", out)
    time.sleep(1e6)


def o_bare_method():
    return Plain().method


if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)
main(sys.argv[1])
