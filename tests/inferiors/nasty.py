# SPDX-License-Identifier: MIT
"""A program whose every name and text is one that a document has to escape.

	nasty.py OUT.json

Threads, files, functions, variables, classes, attributes, keys and values, one thread
for each text.  Writes [[text, repr(its values)], ...], prints "ready", and blocks.
"""

import json
import os
import sys
import threading
import types

import debuggable

TEXTS = [
    "plain",
    "<tag attribute=\"a\" b='c'>&amp;&#0;]]><![CDATA[<!-- --><?x?>",
    "\"; 'quotes' \\ \\n \\u0000 \\",
    "".join(map(chr, range(1, 32))),
    "nul\x00in the middle\x00",
    "".join(map(chr, range(0x7f, 0xa1))),
    "\ud800 lone \udc80\udfff \udc00\ud800 reversed",
    b"invalid \xff\xfe\x80\xc3".decode("utf-8", "surrogateescape"),
    "\ufffe\uffff\ufdd0 \U0001fffe\U0001ffff\U0010ffff",
    "\u2028\u2029\u0085\ufeff\u200b\u202e\u00ad",
    "\u732b \U0001f40d caf\xe9",
    "\xe9" * 3000,
    "\U0001f40d" * 1500 + "<",
    "{\"json\": [1, null]}\r\n\t",
    "",
]


class Held:
    """Its values are named and filled with the text."""

    def __init__(self, text):
        self.__dict__[text] = text


def renamed(code, **names):
    """The code object with other names and texts."""
    if hasattr(code, "replace"):
        if sys.version_info >= (3, 11):
            names["co_qualname"] = names["co_name"]
        return code.replace(**names)
    fields = ["argcount", "kwonlyargcount", "nlocals", "stacksize", "flags", "code", "consts",
              "names", "varnames", "filename", "name", "firstlineno", "lnotab", "freevars",
              "cellvars"]
    return types.CodeType(*(names.get("co_" + f, getattr(code, "co_" + f)) for f in fields))


def body(gate, index, text, held, kind, error, data, table):
    variable = text
    gate()
    return variable


def start(index, text, block, said):
    code = renamed(body.__code__, co_name=text, co_filename=text,
                   co_varnames=body.__code__.co_varnames[:-1] + (text + "variable",))
    values = (text, Held(text), type("C", (), {}), ValueError(text),
              text.encode("utf-8", "surrogatepass"), {text: [text]})
    values[2].__qualname__ = text
    try:
        values[2].__name__ = text.replace("\0", "")
    except UnicodeError:  # it has to be valid
        pass
    function = types.FunctionType(code, globals())
    ready = threading.Event()

    def gate():
        ready.set()
        block.acquire()

    thread = threading.Thread(target=function, args=(gate, index) + values, daemon=True)
    thread.name = text + "thread"
    try:
        thread.start()
    except (ValueError, UnicodeError):  # the system's name for it cannot be made of this
        thread = threading.Thread(target=function, args=(gate, index) + values, daemon=True)
        thread.start()
        thread.name = text + "thread"
    ready.wait()
    said.append([text, [repr(values[0]), repr(values[3]), repr(values[4]), repr(values[5])]])


def main():
    debuggable.allow()
    block = threading.Lock()
    block.acquire()
    said = []
    for index, text in enumerate(TEXTS):
        start(index, text, block, said)
    with open(sys.argv[1] + ".part", "w") as f:
        json.dump(said, f)
    os.rename(sys.argv[1] + ".part", sys.argv[1])
    print("ready", flush=True)
    block.acquire()


if __name__ == "__main__":
    main()
