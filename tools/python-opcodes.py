#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints a row of qxfer/python/opcodes_table.c for the Python that runs it.

    python3.12 tools/python-opcodes.py

3.11 and 3.12 say the numbers of their specialised instructions only in
opcode.h, which must be installed; or give it as the argument.
"""
import opcode
import os
import re
import sys
import sysconfig

# Instructions that do the work of the next one as well, and skip it: what to
# have in their place so that the next one is dispatched by itself.  Such are the
# superinstructions FIRST__SECOND, and these, which go with their base form.
TAKE_NEXT = ("BINARY_OP_INPLACE_ADD_UNICODE", "COMPARE_OP_FLOAT_JUMP", "COMPARE_OP_INT_JUMP",
             "COMPARE_OP_STR_JUMP", "PRECALL_NO_KW_LIST_APPEND", "CALL_NO_KW_LIST_APPEND",
             "CALL_LIST_APPEND")


def from_header(path):
    """The numbers that opcode.h (3.11, 3.12) has."""
    if not os.path.exists(path):
        sys.exit("no %s: the specialised instructions are not known" % path)
    with open(path) as f:
        found = re.findall(r"^#define\s+(\w+)\s+(\d+)\s*$", f.read(), re.M)
    return {name: int(n) for name, n in found}


def numbers():
    """All instructions that the evaluation loop has, by name."""
    ops = {k: v for k, v in opcode.opmap.items() if v < 256}
    if sys.version_info >= (3, 13):
        import _opcode_metadata
        ops.update(_opcode_metadata._specialized_opmap)
    elif sys.version_info >= (3, 11):
        header = from_header(sys.argv[1] if len(sys.argv) > 1 else
                             os.path.join(sysconfig.get_path("include"), "opcode.h"))
        names = [n for ns in opcode._specializations.values() for n in ns]
        names += [n for n in header if n == "DO_TRACING" or "__" in n]
        ops.update({n: header[n] for n in names if header.get(n, 256) < 256})
    return ops


def bases():
    """The base form of each specialised instruction."""
    return {n: base for base, ns in getattr(opcode, "_specializations", {}).items() for n in ns}


def caches(ops):
    """Code units behind each base instruction."""
    entries = getattr(opcode, "_inline_cache_entries", {})
    if not hasattr(entries, "items"):
        entries = {k: entries[v] for k, v in opcode.opmap.items() if v < 256}
    return {ops[k]: n for k, n in entries.items() if n and k in ops}


def may_begin(name):
    """Whether a statement's code can begin with it: it takes nothing from the stack."""
    if name in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "LOAD_SPECIAL",
                "LOAD_FROM_DICT_OR_DEREF", "LOAD_FROM_DICT_OR_GLOBALS"):
        return False
    return name.startswith(("LOAD_", "JUMP_", "DELETE_", "SETUP_", "IMPORT_NAME", "INSTRUMENTED_",
                            "RETURN_CONST", "NOP", "PUSH_NULL", "POP_BLOCK", "RESUME", "GEN_START",
                            "EXTENDED_ARG", "COPY_FREE_VARS", "MAKE_CELL", "NOT_TAKEN"))


def put(name, table):
    items = ["[%d] = %d," % i for i in sorted(table.items())]
    print("\t\t.%s = {" % name)
    line = ""
    for i in items:
        if len(line) + len(i) > 76:
            print("\t\t\t" + line.rstrip())
            line = ""
        line += i + " "
    if line:
        print("\t\t\t" + line.rstrip())
    print("\t\t},")


def main():
    ops = numbers()
    base = bases()
    deopt = {ops[n]: ops[b] for n, b in base.items() if n in ops}
    single = {}
    for n in ops:
        if "__" in n:
            deopt[ops[n]] = single[ops[n]] = ops[n.split("__")[0]]
        elif n in TAKE_NEXT and n in base:
            single[ops[n]] = ops[base[n]]
    units = caches(ops)
    for n, number in ops.items():  # a variant has the caches of its base
        plain = n.replace("INSTRUMENTED_", "", 1)
        if n.startswith("INSTRUMENTED_") and plain in ops and number not in units:
            units[number] = units.get(ops[plain], 0)
    for o, b in deopt.items():
        units[o] = units.get(b, 0)
    units = {k: v for k, v in units.items() if v}
    undefined = sorted(set(range(256)) - set(ops.values()))
    special = {k: ops.get(k.upper(), 0) for k in
               ("nop", "extended_arg", "resume", "resume_check", "resume_quick", "enter_executor",
                "instrumented_line", "instrumented_instruction", "instrumented_resume",
                "push_exc_info", "return_generator", "for_iter", "send", "yield_value")}
    print("\t{ /* %s */" % sys.version.split()[0])
    print("\t\t.minor = 0x%02x%02x," % sys.version_info[:2])
    for k, v in special.items():
        if v:
            print("\t\t.%s = %d," % (k, v))
    put("undefined", {n: 1 for n in undefined})
    put("begins", {o: 1 for n, o in ops.items() if o not in deopt and may_begin(n)})
    for name, table in (("deopt", deopt), ("single", single), ("caches", units)):
        if table:
            put(name, table)
    print("\t},")


main()
