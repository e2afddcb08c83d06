# SPDX-License-Identifier: MIT
"""Holds objects of the types that programs use beside plain data, writes repr() of
each to the file it is given, then blocks.  tests/values/values.py compares.

Runs on every Python 3 from 3.6 on; what a version does not have is left out.
"""

import abc
import argparse
import array
import asyncio
import collections
import datetime
import decimal
import enum
import fractions
import functools
import io
import ipaddress
import itertools
import json
import logging
import operator
import os
import pathlib
import pwd
import queue
import random
import re
import socket
import string
import struct
import subprocess
import sys
import tempfile
import threading
import time
import types
import typing
import uuid
import warnings
import weakref

VERSION = sys.version_info[:2]
warnings.simplefilter("ignore")


class Plain:
    """With everything a class body can have."""

    __slots__ = ("slot", "__dict__", "__weakref__")
    counter = 0

    def __init__(self):
        self.slot = 1

    def method(self):
        return self

    @classmethod
    def made(cls):
        return cls()

    @staticmethod
    def helper():
        return super

    @property
    def prop(self):
        return 1


class Child(Plain):
    def up(self):
        return super()


class MyPartial(functools.partial):
    pass


class MyRef(weakref.ref):
    pass


class MyArray(array.array):
    pass


class MyCounter(collections.Counter):
    pass


class MyOrdered(collections.OrderedDict):
    pass


class OwnIter(dict):
    def __iter__(self):
        return iter(["no"])

    def items(self):
        return [("no", "no")]


class Abstract(abc.ABC):
    @abc.abstractmethod
    def f(self):
        pass


class Flags(enum.Flag):
    A = 1
    B = 2
    C = 4


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Bits(enum.IntFlag):
    X = 1
    Y = 2


class Auto(enum.Enum):
    FIRST = enum.auto()


class OwnEnum(enum.Enum):
    A = 1

    def __repr__(self):
        return "own"


class Typed(typing.NamedTuple):
    a: int
    b: str = "x"


class BytesSub(bytes):
    pass


class BytearraySub(bytearray):
    pass


class BoolLike(int):
    def __bool__(self):
        return False


class TupleRepr(tuple):
    def __repr__(self):
        return "mine"


class StrRepr(str):
    __slots__ = ()

    def __repr__(self):
        return "mine"


class ThreadSub(threading.Thread):
    pass


class NamedThread(threading.Thread):
    def __repr__(self):
        return "mine"


class Error(Exception):
    def __init__(self, code):
        super().__init__("code %d" % code)
        self.code = code


LONG = "L" * 260
LongUUID, LongInt = type(LONG, (uuid.UUID,), {}), type(LONG, (int,), {})
LongError = type(LONG, (ValueError,), {})


def function():
    pass


def generator():
    yield 1


def standard_library(v):
    v["k_partial"] = functools.partial(int, "1", base=2)
    v["k_partial0"] = functools.partial(function)
    v["k_partial_sub"] = MyPartial(max, 1)
    cyclic = functools.partial(print)
    cyclic.__setstate__((cyclic, (cyclic,), {}, {}))
    v["k_partial_nested"] = functools.partial(functools.partial(print, 1), [2], sep="'")
    if VERSION >= (3, 14):
        v["k_partial_place"] = functools.partial(max, functools.Placeholder, 2)
    v["k_cached"] = functools.lru_cache()(function)
    v["k_itemgetter"], v["k_attrgetter"] = operator.itemgetter(1), operator.attrgetter("a.b")
    v["k_itemgetter2"] = operator.itemgetter("a", (1,), None)
    v["k_capsule"] = datetime.datetime_CAPI
    if VERSION >= (3, 7):
        import contextvars
        v["k_context"] = contextvars.ContextVar("it's", default=[1])
        v["k_context_none"] = contextvars.ContextVar("plain")
        v["k_token"], v["k_token_used"] = v["k_context"].set(2), v["k_context"].set(3)
        v["k_context"].reset(v["k_token_used"])
    for code, values in (("b", [-1, 127]), ("B", [255]), ("h", [-300]), ("H", [65535]),
                         ("i", [1, -2]), ("I", [2**32 - 1]), ("l", [-2**63]), ("L", [2**64 - 1]),
                         ("q", [-5]), ("Q", [2**64 - 1]), ("f", [0.5, 1e10, 0.1]),
                         ("d", [0.1, float("inf"), -0.0]), ("u", "h\u00e9\U0001f40d'")):
        v["a_" + code + code.isupper() * "_"] = array.array(code, values)
    if VERSION >= (3, 13):
        v["a_w"] = array.array("w", "w\u00e9")
    v["a_empty"], v["a_sub"] = array.array("i"), MyArray("i", [1])
    v["re_plain"], v["re_flags"] = re.compile("a+'"), re.compile("a", re.I | re.X | re.S)
    v["re_ascii"], v["re_bytes"] = re.compile("b", re.A | re.M), re.compile(b"[\x00-\xff]", re.L)
    v["re_unicode"], v["re_bytes0"] = re.compile("\u00e9\n", re.U), re.compile(b"x")
    v["re_long"] = re.compile("\\d\u00e9" * 120)
    v["re_match"], v["re_bmatch"] = re.search("l+", "hello'"), re.match(b"ab", b"ab\x00")
    v["re_empty"], v["re_wide"] = re.match("", "x"), re.search("\u00e9+", "a\u00e9\u00e9\u732b")
    v["re_quote"] = re.search("'.*", "it's \"it\"")
    v["re_cut"] = re.match(".*", "0123456789'" * 9)
    v["re_array"] = re.match(b"a", array.array("b", b"abc"))
    v["i_count"], v["i_count_step"] = itertools.count(3), itertools.count(1, 2)
    v["i_count_big"], v["i_count_float"] = itertools.count(2**70), itertools.count(0.5, 0.25)
    counted = v["i_counted"] = itertools.count(-5)
    next(counted)
    v["i_repeat"], v["i_repeat3"] = itertools.repeat([1]), itertools.repeat("x", 3)
    v["i_chain"], v["i_cycle"] = itertools.chain([1], [2]), itertools.cycle("ab")
    v["i_islice"], v["i_product"] = itertools.islice([1], 1), itertools.product([1], [2])
    v["i_tee"], v["i_groupby"] = itertools.tee([1])[0], itertools.groupby([1])
    v["q_queue"], v["q_simple"] = queue.Queue(), getattr(queue, "SimpleQueue", queue.Queue)()
    v["q_priority"] = queue.PriorityQueue()
    v["x_struct"], v["x_random"] = struct.Struct("<i"), random.Random(1)
    v["x_template"], v["x_decoder"] = string.Formatter(), json.JSONDecoder()
    v["x_uuid"], v["x_uuid_big"] = uuid.UUID(int=5), uuid.UUID("ffffffff-1234-5678-9abc-def012345678")
    v["x_fraction"], v["x_fraction_neg"] = fractions.Fraction(1, 3), fractions.Fraction(-7)
    v["x_long_uuid"], v["x_long_error"] = LongUUID(int=1), LongError(LongInt(5))
    v["x_long_class"], v["x_long_ref"] = LongUUID, weakref.ref(LongUUID)
    v["x_namespace"] = argparse.Namespace(b=1, a="x")
    v["x_ip6"] = ipaddress.ip_address("::1")
    v["x_ip4"], v["x_net4"] = ipaddress.ip_address("127.0.0.1"), ipaddress.ip_network("10.0.0.0/8")
    v["x_logger"], v["x_root"] = logging.getLogger("a.b"), logging.getLogger()
    v["x_completed"] = subprocess.CompletedProcess(["ls"], 0)
    v["x_parser"] = argparse.ArgumentParser


def collections_types(v):
    v["c_counter"] = collections.Counter("hello")
    v["c_counter_order"] = collections.Counter(dict(a=-1, b=5, c=5, d=2**40))
    v["c_counter_empty"], v["c_counter_sub"] = collections.Counter(), MyCounter("aab")
    v["c_counter_mixed"] = collections.Counter({"a": "x", "b": 2})
    v["c_counter_float"] = collections.Counter({"a": 0.5, "b": 2})
    v["c_counter_same"] = collections.Counter({1: 1, "b": True, None: 0})
    v["c_chain"] = collections.ChainMap({"a": 1}, {}, {"b": [2]})
    v["c_userdict"], v["c_userlist"] = collections.UserDict(a=1), collections.UserList([1, "x"])
    v["c_userstring"] = collections.UserString("it's")
    v["c_userdict_empty"] = collections.UserDict()
    ordered = v["c_ordered"] = collections.OrderedDict([("a", 1), ("b", 2), (3, "c")])
    ordered.move_to_end("a")
    v["c_ordered_sub"] = MyOrdered(x=1)
    plain = {"a": 1, 2: [3]}
    v["c_keys"], v["c_values"], v["c_items"] = plain.keys(), plain.values(), plain.items()
    v["c_okeys"], v["c_ovalues"] = ordered.keys(), ordered.values()
    v["c_oitems"], v["c_keys_empty"] = ordered.items(), {}.keys()
    v["c_keys_own"] = OwnIter(a=1).keys()
    v["c_own_iter"] = OwnIter(a=1)
    looped = {}
    looped["v"] = looped.values()
    v["c_values_cycle"] = looped["v"]
    v["c_keys_iter"], v["c_range_iter"] = iter(plain), iter(range(3))
    v["c_list_iter"], v["c_tuple_iter"] = iter([1]), iter((1,))
    v["c_str_iter"], v["c_set_iter"] = iter("ab"), iter({1})
    v["c_bytes_iter"], v["c_deque_iter"] = iter(b"ab"), iter(collections.deque([1]))
    v["c_reversed"], v["c_reversed_list"] = reversed((1, 2)), reversed([1])
    v["c_range_big"] = iter(range(2**70))
    v["c_zip"], v["c_map"] = zip([1]), map(str, [1])
    v["c_filter"], v["c_enumerate"] = filter(None, [1]), enumerate("ab")
    v["c_callable_iter"] = iter(function, 1)
    v["c_proxy"] = types.MappingProxyType({"a": [1]})
    v["c_proxy_class"] = types.MappingProxyType(collections.OrderedDict(a=1))
    v["c_typed"], v["c_namedtuple"] = Typed(1), collections.namedtuple("N", "x")("'")
    v["c_deque"] = collections.deque([[]], 5)
    v["c_bytes_sub"], v["c_bytearray_sub"] = BytesSub(b"x"), BytearraySub(b"y")
    v["c_tuple_own"], v["c_str_own"] = TupleRepr((1,)), StrRepr("s")
    v["c_boollike"] = BoolLike(7)
    v["c_memory"], v["c_released"] = memoryview(b"abc"), memoryview(b"x")
    v["c_released"].release()
    v["c_sub_ns"] = types.SimpleNamespace(**{"a b": 1})


def sequences(v):
    stat = os.stat("/")
    v["s_stat"], v["s_time"] = stat, time.gmtime(0)
    v["s_version"], v["s_flags"] = sys.version_info, sys.flags
    v["s_float"], v["s_int"], v["s_hash"] = sys.float_info, sys.int_info, sys.hash_info
    v["s_pwd"], v["s_uname"] = pwd.getpwuid(0), os.uname()
    v["s_statvfs"], v["s_times"] = os.statvfs("/"), os.times()
    v["s_clock"] = time.localtime(1e9)
    v["s_thread_info"], v["s_size"] = sys.thread_info, os.terminal_size((80, 24))
    v["s_max"] = os.sched_param(1)


def callables(v):
    o = v["f_object"] = Plain()
    child = Child()
    v["f_method"], v["f_classmethod"] = list.append, dict.__dict__["fromkeys"]
    v["f_slot"], v["f_slot_of"] = object.__init__, int.__add__
    v["f_member"], v["f_getset"] = Plain.slot, type.__dict__["__dict__"]
    v["f_class_dict"] = Plain.__dict__["__dict__"]
    v["f_wrapper"], v["f_wrapper_int"] = o.__str__, (5).__add__
    v["f_wrapper_type"] = int.__call__
    v["f_property"], v["f_static"] = Plain.prop, Plain.helper
    v["f_raw_static"], v["f_raw_class"] = Plain.__dict__["helper"], Plain.__dict__["made"]
    v["f_bound_class"], v["f_bound"] = Plain.made, child.up
    v["f_super"], v["f_super_unbound"] = child.up(), super(Child)
    v["f_abstract"], v["f_builtin"] = Abstract, len
    v["f_builtin_method"], v["f_class_builtin"] = [].append, dict.fromkeys
    v["f_module_function"], v["f_lambda"] = os.path.join, lambda: 0
    v["f_str_upper"], v["f_type_new"] = "x".upper, object.__new__
    v["f_wraps"] = functools.wraps(function)(lambda: 1)
    v["f_tuplegetter"] = Typed.a
    v["f_method_of_function"] = types.MethodType(function, 5)
    v["f_method_of_list"] = types.MethodType(len, [1])


def references(v):
    keep = v["r_keep"] = [Plain(), Child, function, {1, 2}, collections.OrderedDict(), Error(1)]
    v["r_plain"], v["r_class"] = weakref.ref(keep[0]), weakref.ref(Child)
    v["r_function"], v["r_set"] = weakref.ref(function), weakref.ref(keep[3])
    v["r_odict"], v["r_sub"] = weakref.ref(keep[4]), MyRef(keep[0])
    v["r_thread"] = weakref.ref(threading.main_thread())
    v["r_error"] = weakref.ref(keep[5])
    gone = Plain()
    v["r_dead"] = weakref.ref(gone)
    del gone
    v["r_proxy_of"] = None  # repr() of a proxy's own is looked up below


def type_aliases(v):
    if VERSION >= (3, 9):
        v["t_list"], v["t_dict"] = list[int], dict[str, Plain]
        v["t_nested"], v["t_tuple"] = list[dict[str, list[Plain]]], tuple[int, ...]
        v["t_empty"], v["t_none"] = tuple[()], list[None]
        v["t_queue"], v["t_any"] = queue.Queue[int], list[typing.Any]
    if VERSION >= (3, 10):
        v["t_union"], v["t_union3"] = int | None, int | list[str] | Plain
    t = typing.TypeVar("T")
    v["t_var"], v["t_co"] = t, typing.TypeVar("Co", covariant=True)
    v["t_contra"] = typing.TypeVar("Contra", contravariant=True)
    v["t_optional"], v["t_typing"] = typing.Optional[int], typing.List[int]
    v["t_typing_union"], v["t_any_alone"] = typing.Union[int, str], typing.Any
    v["t_callable"], v["t_generic"] = typing.Callable[[int], str], typing.Generic
    v["t_dict_old"], v["t_plain_old"] = typing.Dict[str, int], typing.List
    if VERSION >= (3, 9):
        v["t_of_var"] = list[t]
    if VERSION >= (3, 12):
        v["t_param"] = typing.ParamSpec("P")


def files(v):
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "it's.txt")
    v["io_text"] = open(path, "w", encoding="utf-8")
    v["io_read"] = open(path, encoding="latin-1")
    v["io_binary"], v["io_write"] = open(path, "rb"), open(path, "wb")
    v["io_random"], v["io_raw"] = open(path, "r+b"), open(path, "rb", buffering=0)
    v["io_raw_w"], v["io_raw_a"] = open(path, "wb", 0), open(path, "ab", 0)
    v["io_raw_plus"], v["io_raw_wplus"] = open(path, "r+b", 0), open(path, "w+b", 0)
    v["io_raw_aplus"] = open(path, "a+b", 0)
    v["io_raw_x"] = open(path + "x", "xb", 0)
    v["io_fd"] = open(os.open(path, os.O_RDONLY), "rb", 0)
    v["io_noclose"] = open(os.dup(0), "rb", 0, closefd=False)
    v["io_closed"], v["io_closed_raw"] = open(path), open(path, "rb", 0)
    v["io_closed"].close(), v["io_closed_raw"].close()
    v["io_bytes"], v["io_string"] = io.BytesIO(b"x"), io.StringIO("x")
    v["io_over_bytes"] = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    v["io_stdin"], v["io_stdout"], v["io_stderr"] = sys.stdin, sys.stdout, sys.stderr
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


def threads(v):
    stop = v["h_stop"] = threading.Event()
    ready = threading.Event()
    ready.set()
    v["h_set"] = ready
    thread = v["h_thread"] = threading.Thread(target=stop.wait, name="it's", daemon=True)
    thread.start()
    done = v["h_done"] = threading.Thread(target=function)
    done.start()
    done.join()
    v["h_new"], v["h_sub"] = threading.Thread(name="new"), ThreadSub(name="sub", daemon=True)
    v["h_own"], v["h_main"] = NamedThread(), threading.main_thread()
    v["h_condition"], v["h_cond_lock"] = threading.Condition(), threading.Condition(threading.Lock())
    v["h_semaphore"], v["h_bounded"] = threading.Semaphore(3), threading.BoundedSemaphore(2)
    v["h_barrier2"] = threading.Barrier(3)
    v["h_barrier2"].abort()
    v["h_socket"] = socket.SocketType(socket.AF_UNIX, socket.SOCK_DGRAM)
    v["h_barrier"], v["h_local"] = threading.Barrier(2), threading.local()
    v["h_timer"] = threading.Timer(10, function)


def numbers_and_dates(v):
    v["n_inf"], v["n_snan"] = decimal.Decimal("Infinity"), decimal.Decimal("-sNaN123")
    v["n_nan"], v["n_negzero"] = decimal.Decimal("NaN7"), decimal.Decimal("-0.00")
    v["n_nan_long"] = decimal.Decimal("NaN" + "7" * 500)
    v["n_context"] = decimal.Decimal(1) / 3
    v["n_long"] = 3**5000
    v["n_longer"] = 7**5099  # 4310 digits
    v["n_digits"] = 10**4299
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    v["d_zone"], v["d_aware"] = zone, datetime.datetime(2020, 1, 1, tzinfo=zone)
    v["d_min"], v["d_max"] = datetime.datetime.min, datetime.datetime.max
    v["d_time"] = datetime.time(1, 2, tzinfo=datetime.timezone.utc)
    v["d_delta"] = datetime.timedelta(days=-1, microseconds=5)
    try:
        import zoneinfo
        v["d_info"] = paris = zoneinfo.ZoneInfo("Europe/Paris")
        v["d_paris"] = datetime.datetime(2020, 7, 1, 12, tzinfo=paris, fold=1)
    except Exception:  # no such module, or no such zone here
        pass


def enumerations(v):
    v["m_flag"], v["m_flags"], v["m_none"] = Flags.A, Flags.A | Flags.C, Flags(0)
    v["m_all"] = Flags.A | Flags.B | Flags.C
    v["m_int"], v["m_bits"], v["m_bit"] = Number.TWO, Bits.X | Bits.Y, Bits.X
    v["m_bits_more"], v["m_auto"], v["m_own"] = Bits(9), Auto.FIRST, OwnEnum.A
    v["m_class"], v["m_flag_class"], v["m_int_class"] = Auto, Flags, Number
    v["m_module"] = socket.AF_INET
    v["m_signal"], v["m_re"] = re.IGNORECASE, re.I | re.M
    v["m_list"] = [Number.ONE, Flags.B]
    v["m_dict"] = {Auto.FIRST: Bits.Y}


def exceptions(v):
    v["e_own"], v["e_key"], v["e_unicode"] = Error(5), KeyError("a"), UnicodeDecodeError(
        "utf-8", b"\xff", 0, 1, "bad")
    v["e_os"], v["e_syntax"] = OSError(2, "no", "f"), SyntaxError("bad", ("f", 1, 2, "t"))
    v["e_exit"], v["e_none"] = SystemExit(3), Exception()
    v["e_stop"], v["e_import"] = StopIteration([1]), ImportError("no", name="x")
    v["e_two"], v["e_tuple"] = ValueError(1, "2"), ValueError((1, 2))
    v["e_own_args"] = ValueError("a")
    v["e_own_args"].args = ("changed", 2)
    if VERSION >= (3, 11):
        v["e_group"] = ExceptionGroup("several", [ValueError(1), KeyError("k")])
        v["e_base_group"] = BaseExceptionGroup("b", (KeyboardInterrupt(),))
    try:
        raise Error(1)
    except Error as e:
        v["e_raised"], v["e_traceback"] = e, e.__traceback__
    v["e_cause"] = e = RuntimeError("with")
    e.__cause__ = Error(2)


def paths(v):
    v["p_plain"], v["p_root"] = pathlib.Path("/usr/lib"), pathlib.Path("/")
    v["p_dot"], v["p_rel"] = pathlib.Path("."), pathlib.PurePosixPath("a/b/../c")
    v["p_messy"], v["p_double"] = pathlib.Path("a//b/./c/"), pathlib.PurePosixPath("//x/y")
    v["p_quote"], v["p_both"] = pathlib.Path("/it's"), pathlib.Path("it's \"x\"")
    v["p_back"], v["p_newline"] = pathlib.Path("a\\b"), pathlib.Path("a\nb")
    v["p_unicode"], v["p_surrogate"] = pathlib.Path("\u732b\xa0"), pathlib.Path("a\udc80")
    v["p_join"], v["p_three"] = pathlib.Path("/a") / "b", pathlib.Path("a", "b", "c")
    v["p_absolute"], v["p_parent"] = pathlib.Path("a", "/b"), pathlib.Path("/a/b/c").parent
    v["p_win"], v["p_win_drive"] = pathlib.PureWindowsPath("a\\b"), pathlib.PureWindowsPath("c:/x")
    v["p_win_shown"] = pathlib.PureWindowsPath("c:\\x\\y z")
    v["p_shown"], v["p_pure"] = pathlib.Path("/a//b"), pathlib.PurePath("x/")
    str(v["p_shown"]), str(v["p_win_shown"])
    v["p_empty"], v["p_empty_parts"] = pathlib.Path(""), pathlib.Path("", "a", "")
    v["p_name"] = pathlib.Path("/a/b").with_name("c")


def others(v):
    async def coroutine():
        pass

    async def agen():
        yield 1

    class Local:
        pass

    v["o_module"], v["o_builtin_module"] = json, sys
    v["o_package"], v["o_frozen"] = asyncio, sys.modules["zipimport"] if "zipimport" in sys.modules else io
    v["o_new_module"] = types.ModuleType("new", "doc")
    v["o_main"] = sys.modules["__main__"]
    v["o_local"], v["o_local_class"] = [Local], Local
    v["o_frame_type"], v["o_code"] = types.FrameType, function.__code__
    v["o_lock"], v["o_socket_type"] = threading.Lock(), socket.socket
    v["o_ellipsis"], v["o_notimpl"] = ..., NotImplemented
    v["o_type"], v["o_abc"] = type, Abstract
    v["o_loop_policy"] = asyncio.AbstractEventLoop
    v["o_generic_class"] = queue.Queue
    v["o_spec"], v["o_loader"] = None, type(json.__loader__)
    v["o_coroutine_type"] = type(agen)
    v["o_slice"], v["o_slices"] = slice(1, None), [slice(0, 2, 1)]
    v["o_range"] = [range(0), range(5, 0, -1)]


GROUPS = (standard_library, collections_types, sequences, callables, references, type_aliases,
          files, threads, numbers_and_dates, enumerations, exceptions, paths, others)


def tell(everything, out):
    # Some paths change by being shown: these are asked for another time.
    twins = {}
    paths(twins)
    said = {name: repr(twins.get(name, value)) for name, value in everything.items()}
    with open(out + ".part", "w", encoding="utf-8", errors="surrogatepass") as f:
        json.dump(said, f)
    os.rename(out + ".part", out)
    time.sleep(1e6)


def main(out):
    """Calls a function that has all of them as its variables."""
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    everything = {}
    for group in GROUPS:
        group(everything)
    source = "def variables(everything, out, tell):\n%s    tell(everything, out)\n" % "".join(
        "    %s = everything[%r]\n" % (name, name) for name in sorted(everything))
    space = {}
    exec(compile(source, __file__, "exec"), space)
    space["variables"](everything, out, tell)


main(sys.argv[1])
