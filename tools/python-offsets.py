#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the rows of qxfer/python/offsets_table.c for one CPython build.

    tools/python-offsets.py FILE [VERSION]       libpython or python with DWARF (or its .debug file)
    tools/python-offsets.py --tsv FILE VERSION   the same figures from a table
    tools/python-offsets.py --values ...         those of values_layout_table.c instead
    tools/python-offsets.py --locks ...          those of locks_layout.c instead

FILE is read by stock gdb, which must have Python.  A table has the columns
version, structure, field, offset, size, separated by tabs.

What DWARF cannot say (enum values, tag bits, encodings) is in FACTS below, by
minor version; a new minor version needs a look at the CPython files named there.
"""
import argparse
import os
import subprocess
import sys

# C member of struct py_offsets -> candidates in DWARF, first found wins.
FIELDS = [
    ("runtime.size", ["_PyRuntimeState.(sizeof)"]),
    ("runtime.interpreters_head", ["_PyRuntimeState.interpreters.head"]),
    ("runtime.gil", ["_PyRuntimeState.ceval.gil"]),
    ("runtime.gc_collecting", ["_PyRuntimeState.gc.collecting"]),
    ("interp.size", ["_is.(sizeof)"]),
    ("interp.next", ["_is.next"]),
    ("interp.id", ["_is.id"]),
    ("interp.threads_head", ["_is.threads.head", "_is.tstate_head"]),
    ("interp.gc_collecting", ["_is.gc.collecting"]),
    ("interp.modules", ["_is.imports.modules", "_is.modules"]),
    ("interp.sysdict", ["_is.sysdict"]),
    ("interp.gil", ["_is.ceval.gil"]),
    ("interp.code_generation", ["_is._code_object_generation"]),
    ("interp.stopper", ["_is.stoptheworld.requester"]),
    ("gil.last_holder", ["_gil_runtime_state.last_holder"]),
    ("gil.locked", ["_gil_runtime_state.locked"]),
    ("tstate.size", ["_ts.(sizeof)"]),
    ("tstate.next", ["_ts.next"]),
    ("tstate.interp", ["_ts.interp"]),
    ("tstate.thread_id", ["_ts.thread_id"]),
    ("tstate.native_thread_id", ["_ts.native_thread_id"]),
    ("tstate.raising", ["_ts.current_exception", "_ts.curexc_type"]),
    ("tstate.raising_value", ["_ts.curexc_value"]),
    ("tstate.raising_traceback", ["_ts.curexc_traceback"]),
    ("tstate.handled", ["_ts.exc_value"]),
    ("tstate.handled_traceback", ["_ts.exc_traceback"]),
    ("tstate.exc_info", ["_ts.exc_info"]),
    ("tstate.datastack_chunk", ["_ts.datastack_chunk"]),
    ("tstate.datastack_top", ["_ts.datastack_top"]),
    ("tstate.frame", ["_ts.current_frame", "_ts.frame", "_ts.cframe"]),
    ("cframe.innermost", ["_ts.cframe"]),
    ("cframe.root", ["_ts.root_cframe"]),
    ("cframe.current_frame", ["_PyCFrame.current_frame"]),
    ("cframe.previous", ["_PyCFrame.previous"]),
    ("exc_item.value", ["_err_stackitem.exc_value"]),
    ("exc_item.previous", ["_err_stackitem.previous_item"]),
    ("frame.size", ["_PyInterpreterFrame.(sizeof)", "_frame.(sizeof)"]),
    ("frame.code", ["_PyInterpreterFrame.f_executable", "_PyInterpreterFrame.f_code",
                    "_frame.f_code"]),
    ("frame.previous", ["_PyInterpreterFrame.previous", "_frame.f_back"]),
    ("frame.instr", ["_PyInterpreterFrame.instr_ptr", "_PyInterpreterFrame.prev_instr",
                     "_frame.f_lasti"]),
    ("frame.generator", ["_frame.f_gen"]),
    ("frame.executing", ["_frame.f_executing"]),
    ("frame.state", ["_frame.f_state"]),
    ("frame.owner", ["_PyInterpreterFrame.owner"]),
    ("frame.is_entry", ["_PyInterpreterFrame.is_entry"]),
    ("frame.tlbc_index", ["_PyInterpreterFrame.tlbc_index"]),
    ("code.size", ["PyCodeObject.(sizeof)"]),
    ("code.filename", ["PyCodeObject.co_filename"]),
    ("code.name", ["PyCodeObject.co_name"]),
    ("code.qualname", ["PyCodeObject.co_qualname"]),
    ("code.linetable", ["PyCodeObject.co_linetable", "PyCodeObject.co_lnotab"]),
    ("code.first_line", ["PyCodeObject.co_firstlineno"]),
    ("code.first_traceable", ["PyCodeObject._co_firsttraceable"]),
    ("code.bytecode", ["PyCodeObject.co_code_adaptive"]),
    ("code.bytes", ["PyCodeObject.co_code"]),
    ("code.tlbc", ["PyCodeObject.co_tlbc"]),
    ("str.length", ["PyASCIIObject.length"]),
    ("str.state", ["PyASCIIObject.state"]),
    ("str.ascii_size", ["PyASCIIObject.(sizeof)"]),
    ("str.compact_size", ["PyCompactUnicodeObject.(sizeof)"]),
    ("str.wstr", ["PyASCIIObject.wstr"]),
    ("str.wstr_length", ["PyCompactUnicodeObject.wstr_length"]),
    ("bytes.size", ["PyVarObject.ob_size"]),
    ("bytes.data", ["PyBytesObject.ob_sval"]),
    ("object.type", ["_object.ob_type"]),
    ("object.var_size", ["PyVarObject.ob_size"]),
    ("type.name", ["_typeobject.tp_name"]),
    ("type.basicsize", ["_typeobject.tp_basicsize"]),
    ("type.flags", ["_typeobject.tp_flags"]),
    ("type.dictoffset", ["_typeobject.tp_dictoffset"]),
    ("type.cached_keys", ["_heaptypeobject.ht_cached_keys"]),
    ("integer.tag", ["_longobject.long_value.lv_tag", "PyVarObject.ob_size"]),
    ("integer.digits", ["_longobject.long_value.ob_digit", "_longobject.ob_digit"]),
    ("dict.keys", ["PyDictObject.ma_keys"]),
    ("dict.values", ["PyDictObject.ma_values"]),
    ("keys.size", ["_dictkeysobject.dk_size"]),
    ("keys.log2_index_bytes", ["_dictkeysobject.dk_log2_index_bytes"]),
    ("keys.kind", ["_dictkeysobject.dk_kind"]),
    ("keys.nentries", ["_dictkeysobject.dk_nentries"]),
    ("keys.indices", ["_dictkeysobject.dk_indices"]),
    ("values.values", ["_dictvalues.values"]),
    ("module.dict", ["PyModuleObject.md_dict"]),
]

# Members that _Py_DebugOffsets gives itself: (member, at, plus, minus), as paths in it.
DEBUG = [
    ("runtime.size", "runtime_state.size", None, None),
    ("runtime.interpreters_head", "runtime_state.interpreters_head", None, None),
    ("interp.size", "interpreter_state.size", None, None),
    ("interp.next", "interpreter_state.next", None, None),
    ("interp.id", "interpreter_state.id", None, None),
    ("interp.threads_head", "interpreter_state.threads_head", None, None),
    ("interp.gc_collecting", "interpreter_state.gc", "gc.collecting", None),
    ("interp.modules", "interpreter_state.imports_modules", None, None),
    ("interp.gil", "interpreter_state.ceval_gil", None, None),
    ("interp.code_generation", "interpreter_state.code_object_generation", None, None),
    ("gil.last_holder", "interpreter_state.gil_runtime_state_holder", None,
     "interpreter_state.gil_runtime_state"),
    ("gil.locked", "interpreter_state.gil_runtime_state_locked", None,
     "interpreter_state.gil_runtime_state"),
    ("tstate.size", "thread_state.size", None, None),
    ("tstate.next", "thread_state.next", None, None),
    ("tstate.interp", "thread_state.interp", None, None),
    ("tstate.frame", "thread_state.current_frame", None, None),
    ("tstate.datastack_chunk", "thread_state.datastack_chunk", None, None),
    ("tstate.thread_id", "thread_state.thread_id", None, None),
    ("tstate.native_thread_id", "thread_state.native_thread_id", None, None),
    ("tstate.raising", "thread_state.current_exception", None, None),
    ("exc_item.value", "err_stackitem.exc_value", None, None),
    ("frame.size", "interpreter_frame.size", None, None),
    ("frame.code", "interpreter_frame.executable", None, None),
    ("frame.previous", "interpreter_frame.previous", None, None),
    ("frame.instr", "interpreter_frame.instr_ptr", None, None),
    ("frame.owner", "interpreter_frame.owner", None, None),
    ("code.size", "code_object.size", None, None),
    ("code.filename", "code_object.filename", None, None),
    ("code.name", "code_object.name", None, None),
    ("code.qualname", "code_object.qualname", None, None),
    ("code.linetable", "code_object.linetable", None, None),
    ("code.first_line", "code_object.firstlineno", None, None),
    ("code.bytecode", "code_object.co_code_adaptive", None, None),
    ("str.length", "unicode_object.length", None, None),
    ("str.state", "unicode_object.state", None, None),
    ("str.ascii_size", "unicode_object.asciiobject_size", None, None),
    ("str.compact_size", "unicode_object.compactunicodeobject_size", None, None),
    ("bytes.size", "bytes_object.ob_size", None, None),
    ("bytes.data", "bytes_object.ob_sval", None, None),
    ("object.type", "pyobject.ob_type", None, None),
    ("type.name", "type_object.tp_name", None, None),
    ("type.flags", "type_object.tp_flags", None, None),
    ("type.basicsize", "type_object.tp_basicsize", None, None),
    ("type.cached_keys", "heap_type_object.ht_cached_keys", None, None),
    ("integer.tag", "long_object.lv_tag", None, None),
    ("integer.digits", "long_object.ob_digit", None, None),
    ("dict.keys", "dict_object.ma_keys", None, None),
    ("dict.values", "dict_object.ma_values", None, None),
]

# The same for struct py_layout: what objects look like.
VALUE_FIELDS = [
    ("type.size", ["_typeobject.(sizeof)"]),
    ("type.basicsize", ["_typeobject.tp_basicsize"]),
    ("type.itemsize", ["_typeobject.tp_itemsize"]),
    ("type.repr", ["_typeobject.tp_repr"]),
    ("type.flags", ["_typeobject.tp_flags"]),
    ("type.iter", ["_typeobject.tp_iter"]),
    ("type.members", ["_typeobject.tp_members"]),
    ("type.base", ["_typeobject.tp_base"]),
    ("type.dict", ["_typeobject.tp_dict"]),
    ("type.dictoffset", ["_typeobject.tp_dictoffset"]),
    ("type.mro", ["_typeobject.tp_mro"]),
    ("heap_type.qualname", ["_heaptypeobject.ht_qualname"]),
    ("heap_type.cached_keys", ["_heaptypeobject.ht_cached_keys"]),
    ("tuple.items", ["PyTupleObject.ob_item"]),
    ("list.items", ["PyListObject.ob_item"]),
    ("floating.value", ["PyFloatObject.ob_fval"]),
    ("complex.value", ["PyComplexObject.cval"]),
    ("integer.tag", ["_longobject.long_value.lv_tag"]),
    ("integer.digits", ["_longobject.long_value.ob_digit", "_longobject.ob_digit"]),
    ("bytearray.start", ["PyByteArrayObject.ob_start"]),
    ("dict.size", ["PyDictObject.(sizeof)"]),
    ("dict.used", ["PyDictObject.ma_used"]),
    ("dict.keys", ["PyDictObject.ma_keys"]),
    ("dict.values", ["PyDictObject.ma_values"]),
    ("keys.size", ["_dictkeysobject.dk_size"]),
    ("keys.log2_size", ["_dictkeysobject.dk_log2_size"]),
    ("keys.log2_index", ["_dictkeysobject.dk_log2_index_bytes"]),
    ("keys.kind", ["_dictkeysobject.dk_kind"]),
    ("keys.nentries", ["_dictkeysobject.dk_nentries"]),
    ("keys.indices", ["_dictkeysobject.dk_indices"]),
    ("set.size", ["PySetObject.(sizeof)"]),
    ("set.used", ["PySetObject.used"]),
    ("set.mask", ["PySetObject.mask"]),
    ("set.table", ["PySetObject.table"]),
    ("module.dict", ["PyModuleObject.md_dict"]),
    ("function.name", ["PyFunctionObject.func_name"]),
    ("function.qualname", ["PyFunctionObject.func_qualname"]),
    ("function.code", ["PyFunctionObject.func_code"]),
    ("function.globals", ["PyFunctionObject.func_globals"]),
    ("function.closure", ["PyFunctionObject.func_closure"]),
    ("method.func", ["PyMethodObject.im_func"]),
    ("method.self", ["PyMethodObject.im_self"]),
    ("builtin.def", ["PyCFunctionObject.m_ml"]),
    ("builtin.self", ["PyCFunctionObject.m_self"]),
    ("cell.ref", ["PyCellObject.ob_ref"]),
    ("generator.size", ["PyGenObject.(sizeof)"]),
    ("generator.qualname", ["PyGenObject.gi_qualname"]),
    ("generator.state", ["PyGenObject.gi_frame_state", "PyGenObject.gi_running"]),
    ("generator.frame", ["PyGenObject.gi_frame"]),
    ("exception.args", ["PyBaseExceptionObject.args"]),
    ("slice.start", ["PySliceObject.start"]),
    ("range.start", ["rangeobject.start"]),
    ("deque.leftblock", ["dequeobject.leftblock"]),
    ("deque.leftindex", ["dequeobject.leftindex"]),
    ("deque.maxlen", ["dequeobject.maxlen"]),
    ("defaultdict.factory", ["defdictobject.default_factory"]),
    ("odict.first", ["PyODictObject.od_first"]),
    ("proxy.mapping", ["mappingproxyobject.mapping"]),
    ("lock.size", ["lockobject.(sizeof)"]),
    ("lock.locked", ["lockobject.lock", "lockobject.locked"]),
    ("rlock.size", ["rlockobject.(sizeof)"]),
    ("rlock.owner", ["rlockobject.lock.thread", "rlockobject.rlock_owner"]),
    ("rlock.count", ["rlockobject.lock.level", "rlockobject.rlock_count"]),
    ("frame.size", ["_PyInterpreterFrame.(sizeof)", "_frame.(sizeof)"]),
    ("frame.localsplus", ["_PyInterpreterFrame.localsplus", "_frame.f_localsplus"]),
    ("frame.globals", ["_PyInterpreterFrame.f_globals", "_frame.f_globals"]),
    ("frame.builtins", ["_PyInterpreterFrame.f_builtins", "_frame.f_builtins"]),
    ("frame.locals", ["_PyInterpreterFrame.f_locals", "_frame.f_locals"]),
    ("frame.state", ["_frame.f_state"]),
    ("code.size", ["PyCodeObject.(sizeof)"]),
    ("code.localsplusnames", ["PyCodeObject.co_localsplusnames"]),
    ("code.localspluskinds", ["PyCodeObject.co_localspluskinds"]),
    ("code.flags", ["PyCodeObject.co_flags"]),
    ("code.nlocals", ["PyCodeObject.co_nlocals"]),
    ("code.varnames", ["PyCodeObject.co_varnames"]),
    ("code.cellvars", ["PyCodeObject.co_cellvars"]),
    ("code.freevars", ["PyCodeObject.co_freevars"]),
]

VALUE_DEBUG = [
    ("type.size", "type_object.size", None, None),
    ("type.repr", "type_object.tp_repr", None, None),
    ("type.flags", "type_object.tp_flags", None, None),
    ("type.basicsize", "type_object.tp_basicsize", None, None),
    ("type.dictoffset", "type_object.tp_dictoffset", None, None),
    ("heap_type.cached_keys", "heap_type_object.ht_cached_keys", None, None),
    ("tuple.items", "tuple_object.ob_item", None, None),
    ("list.items", "list_object.ob_item", None, None),
    ("floating.value", "float_object.ob_fval", None, None),
    ("integer.tag", "long_object.lv_tag", None, None),
    ("integer.digits", "long_object.ob_digit", None, None),
    ("dict.size", "dict_object.size", None, None),
    ("dict.keys", "dict_object.ma_keys", None, None),
    ("dict.values", "dict_object.ma_values", None, None),
    ("set.size", "set_object.size", None, None),
    ("set.used", "set_object.used", None, None),
    ("set.mask", "set_object.mask", None, None),
    ("set.table", "set_object.table", None, None),
    ("generator.size", "gen_object.size", None, None),
    ("generator.state", "gen_object.gi_frame_state", None, None),
    ("frame.size", "interpreter_frame.size", None, None),
    ("frame.localsplus", "interpreter_frame.localsplus", None, None),
    ("code.size", "code_object.size", None, None),
    ("code.localsplusnames", "code_object.localsplusnames", None, None),
    ("code.localspluskinds", "code_object.localspluskinds", None, None),
]

# The same for struct py_task_layout: what asyncio's tasks look like, and the lists that hold them.
TASK_FIELDS = [
    ("future.size", ["FutureObj.(sizeof)"]),
    ("future.loop", ["FutureObj.fut_loop"]),
    ("future.callback0", ["FutureObj.fut_callback0"]),
    ("future.callbacks", ["FutureObj.fut_callbacks"]),
    ("future.state", ["FutureObj.fut_state"]),
    ("future.awaited_by", ["FutureObj.fut_awaited_by"]),
    ("future.awaited_by_is_set", ["FutureObj.fut_awaited_by_is_set"]),
    ("task.size", ["TaskObj.(sizeof)"]),
    ("task.waiter", ["TaskObj.task_fut_waiter"]),
    ("task.coro", ["TaskObj.task_coro"]),
    ("task.name", ["TaskObj.task_name"]),
    ("task.node", ["TaskObj.task_node"]),
    ("interp.tasks_head", ["_is.asyncio_tasks_head"]),
    ("tstate.tasks_head", ["_PyThreadStateImpl.asyncio_tasks_head"]),
    ("tstate.running_loop", ["_PyThreadStateImpl.asyncio_running_loop"]),
    ("generator.frame", ["PyGenObject.gi_iframe", "PyGenObject.gi_frame"]),
    ("generator.running", ["PyGenObject.gi_running"]),
    ("frame.pointer", ["_PyInterpreterFrame.stackpointer", "_frame.f_stacktop"]),
    ("frame.index", ["_PyInterpreterFrame.stacktop"]),
    ("frame.depth", ["_frame.f_stackdepth"]),
    ("frame.stack", ["_frame.f_valuestack"]),
    ("frame.lasti", ["_frame.f_lasti"]),
    ("frame.state", ["_frame.f_state"]),
    ("frame.code", ["_frame.f_code"]),
    ("frame.of_object", ["_frame.f_frame"]),
    ("code.code", ["PyCodeObject.co_code"]),
    ("weakref.target", ["_PyWeakReference.wr_object"]),
    ("gc.head_size", ["PyGC_Head.(sizeof)"]),
    ("gc.runtime", ["_PyRuntimeState.gc.generations"]),
    ("gc.interp", ["_is.gc.generations"]),
    ("gc.generation0", ["_is.gc.generation0", "_PyRuntimeState.gc.generation0"]),
    ("gc.permanent", ["_is.gc.permanent_generation", "_PyRuntimeState.gc.permanent_generation"]),
]

# The same for struct py_lock_layout: what says who holds a lock.
LOCK_FIELDS = [
    ("frame.slots", ["_PyInterpreterFrame.localsplus", "_frame.f_localsplus"]),
    ("frame.stack", ["_frame.f_valuestack"]),
    ("frame.nblocks", ["_frame.f_iblock"]),
    ("frame.blocks", ["_frame.f_blockstack"]),
    ("frame.globals", ["_PyInterpreterFrame.f_globals", "_frame.f_globals"]),
    ("code.names", ["PyCodeObject.co_names"]),
    ("code.variables", ["PyCodeObject.co_localsplusnames", "PyCodeObject.co_varnames"]),
    ("code.nslots", ["PyCodeObject.co_nlocalsplus"]),
    ("code.stacksize", ["PyCodeObject.co_stacksize"]),
    ("code.exceptions", ["PyCodeObject.co_exceptiontable"]),
    ("code.bytes", ["PyCodeObject.co_code"]),
    ("generator.frame", ["PyGenObject.gi_iframe", "PyGenObject.gi_frame"]),
    ("descr.name", ["PyDescrObject.d_name", "PyMemberDescrObject.d_common.d_name"]),
    ("gil.cond", ["_gil_runtime_state.cond"]),
    ("gil.switched", ["_gil_runtime_state.switch_cond"]),
    ("handle.ident", ["ThreadHandle.ident"]),
    ("handle.state", ["ThreadHandle.has_os_handle"]),
    ("handle.exiting", ["ThreadHandle.thread_is_exiting"]),
    ("handle.once", ["ThreadHandle.once"]),
]

# gen_states: Include/internal/pycore_frame.h (3.14: pycore_interpframe_structs.h), _framestate.
# split: Include/internal/pycore_dict.h, struct _dictvalues.
# odict_pairs: Objects/odictobject.c, odict_repr().
# quote_escaped: Objects/bytearrayobject.c, bytearray_repr().
# plain_names: Modules/_collectionsmodule.c, Objects/bytearrayobject.c, 3.6: their repr()
#   has the name of the type itself, not of a class of it.
# args_tuple: Objects/exceptions.c, 3.6: BaseException_repr() shows args as they are.
# timedelta_parts: Modules/_datetimemodule.c, 3.6: delta_repr() names no parts.
# namespace_sorted: Objects/namespaceobject.c, namespace_repr() (to 3.8).
OLD = dict(attrs="PY_ATTRS_DICT", split="PY_SPLIT_PLAIN", odict_pairs="true",
           quote_escaped="true")
VALUE_FACTS = {
    (3, 6): dict(OLD, gen_states="PY_GEN_FRAME", namespace_sorted="true", plain_names="true",
                 args_tuple="true", timedelta_parts="true"),
    (3, 7): dict(OLD, gen_states="PY_GEN_FRAME", namespace_sorted="true"),
    (3, 8): dict(OLD, gen_states="PY_GEN_FRAME", namespace_sorted="true"),
    (3, 9): dict(OLD, gen_states="PY_GEN_FRAME"),
    (3, 10): dict(OLD, gen_states="PY_GEN_310"),
    (3, 11): dict(attrs="PY_ATTRS_PAIR", split="PY_SPLIT_BEFORE", gen_states="PY_GEN_311",
                  odict_pairs="true", quote_escaped="true"),
    (3, 12): dict(attrs="PY_ATTRS_TAGGED", split="PY_SPLIT_BEFORE", gen_states="PY_GEN_311",
                  odict_pairs="false", quote_escaped="true"),
    (3, 13): dict(attrs="PY_ATTRS_INLINE", split="PY_SPLIT_HEADER", gen_states="PY_GEN_313",
                  odict_pairs="false", quote_escaped="true"),
    (3, 14): dict(attrs="PY_ATTRS_INLINE", split="PY_SPLIT_HEADER", gen_states="PY_GEN_313",
                  odict_pairs="false", quote_escaped="true"),
    (3, 15): dict(attrs="PY_ATTRS_INLINE", split="PY_SPLIT_HEADER", gen_states="PY_GEN_315",
                  odict_pairs="false", quote_escaped="false"),
}

FRAME_OBJECTS = dict(code_tag=0, prev_instr="false", raising_type="true", owner_shim=3,
                     owner_last=2, attrs="PY_ATTRS_DICT", int_shift=0)

# code_tag: Include/internal/pycore_stackref.h, Py_TAG_BITS.
# raising_type: Include/cpython/pystate.h, curexc_type became current_exception in 3.12.
# prev_instr, owners: Include/internal/pycore_frame.h (3.14: pycore_interpframe_structs.h).
# attrs: where an instance's attributes are; Include/internal/pycore_object.h,
#   _PyObject_ManagedDictPointer() and what is around it.
# int_shift: bits below the number of digits; Include/internal/pycore_long.h.
# lines: Objects/lnotab_notes.txt (to 3.10), Objects/locations.md, InternalDocs/code_objects.md.
# lasti_unit: bytes that one unit of a PyFrameObject's f_lasti stands for, 0 where there is an
#   instruction pointer; Include/frameobject.h, Include/cpython/frameobject.h (3.10: halved).
FACTS = {
    (3, 6): dict(FRAME_OBJECTS, lines="PY_LINES_LNOTAB", lasti_unit=1),
    (3, 7): dict(FRAME_OBJECTS, lines="PY_LINES_LNOTAB", lasti_unit=1),
    (3, 8): dict(FRAME_OBJECTS, lines="PY_LINES_LNOTAB", lasti_unit=1),
    (3, 9): dict(FRAME_OBJECTS, lines="PY_LINES_LNOTAB", lasti_unit=1),
    (3, 10): dict(FRAME_OBJECTS, lines="PY_LINES_RANGES", lasti_unit=2),
    (3, 11): dict(code_tag=0, prev_instr="true", raising_type="true", owner_shim=3, owner_last=2,
                  attrs="PY_ATTRS_PAIR", int_shift=0),
    (3, 12): dict(code_tag=0, prev_instr="true", raising_type="false", owner_shim=3, owner_last=3,
                  attrs="PY_ATTRS_TAGGED", int_shift=3),
    (3, 13): dict(code_tag=0, prev_instr="false", raising_type="false", owner_shim=3, owner_last=3,
                  attrs="PY_ATTRS_INLINE", int_shift=3),
    (3, 14): dict(code_tag=3, prev_instr="false", raising_type="false", owner_shim=3, owner_last=4,
                  attrs="PY_ATTRS_INLINE", int_shift=3),
    (3, 15): dict(code_tag=3, prev_instr="false", raising_type="false", owner_shim=3, owner_last=3,
                  attrs="PY_ATTRS_INLINE", int_shift=3),
}

STRUCTS = {
    "_PyRuntimeState": (["_PyRuntimeState", "pyruntimestate"], 2),
    "_is": (["_is", "PyInterpreterState"], 2),
    "_ts": (["_ts", "PyThreadState"], 0),
    "_gil_runtime_state": (["_gil_runtime_state"], 0),
    "_PyCFrame": (["_PyCFrame"], 0),
    "_err_stackitem": (["_err_stackitem"], 0),
    "_PyInterpreterFrame": (["_PyInterpreterFrame"], 0),
    "_frame": (["_frame"], 0),
    "PyCodeObject": (["PyCodeObject"], 0),
    "PyASCIIObject": (["PyASCIIObject"], 0),
    "PyCompactUnicodeObject": (["PyCompactUnicodeObject"], 0),
    "PyVarObject": (["PyVarObject"], 0),
    "PyBytesObject": (["PyBytesObject"], 0),
    "_object": (["_object", "PyObject"], 1),
    "_typeobject": (["_typeobject", "PyTypeObject"], 0),
    "_heaptypeobject": (["_heaptypeobject", "PyHeapTypeObject"], 1),
    "_longobject": (["_longobject", "PyLongObject"], 1),
    "PyDictObject": (["PyDictObject"], 0),
    "_dictkeysobject": (["_dictkeysobject"], 0),
    "_dictvalues": (["_dictvalues"], 0),
    "PyModuleObject": (["PyModuleObject"], 0),
    "PyTupleObject": (["PyTupleObject"], 0),
    "PyListObject": (["PyListObject"], 0),
    "PyFloatObject": (["PyFloatObject"], 0),
    "PyComplexObject": (["PyComplexObject"], 0),
    "PyByteArrayObject": (["PyByteArrayObject"], 0),
    "PySetObject": (["PySetObject"], 0),
    "PyFunctionObject": (["PyFunctionObject"], 0),
    "PyMethodObject": (["PyMethodObject"], 0),
    "PyCFunctionObject": (["PyCFunctionObject"], 0),
    "PyCellObject": (["PyCellObject"], 0),
    "PyGenObject": (["PyGenObject", "_PyGenObject"], 0),
    "PyBaseExceptionObject": (["PyBaseExceptionObject"], 0),
    "PySliceObject": (["PySliceObject"], 0),
    "rangeobject": (["rangeobject"], 0),
    "dequeobject": (["dequeobject"], 0),
    "defdictobject": (["defdictobject"], 0),
    "PyODictObject": (["PyODictObject", "_odictobject"], 0),
    "mappingproxyobject": (["mappingproxyobject"], 0),
    "lockobject": (["lockobject"], 0),
    "rlockobject": (["rlockobject"], 1),
    "FutureObj": (["FutureObj"], 0),
    "TaskObj": (["TaskObj"], 0),
    "_PyThreadStateImpl": (["_PyThreadStateImpl"], 0),
    "_PyWeakReference": (["_PyWeakReference"], 0),
    "PyGC_Head": (["PyGC_Head"], 0),
    "_frame": (["_frame"], 0),
    "PyDescrObject": (["PyDescrObject"], 0),
    "PyMemberDescrObject": (["PyMemberDescrObject"], 1),
    "ThreadHandle": (["ThreadHandle"], 0),
    "_Py_DebugOffsets": (["_Py_DebugOffsets"], 2),
}


def dump_from_gdb():
    """Runs inside gdb: prints structure.field, offset and size, one a line."""
    import gdb  # pylint: disable=import-error

    def find(names):
        for name in names:
            for prefix in ("struct ", ""):
                try:
                    t = gdb.lookup_type(prefix + name).strip_typedefs()
                except gdb.error:
                    continue
                if t.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) and t.fields():
                    return t
        return None

    def walk(label, t, base, depth):
        for f in t.fields():
            if not hasattr(f, "bitpos"):
                continue
            at = base + f.bitpos // 8
            inner = f.type.strip_typedefs()
            name = label + "." + f.name if f.name else label
            if f.name:
                print(f"@ {name} {at} {inner.sizeof}")
            if inner.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) and depth:
                walk(name, inner, at, depth - 1)

    for label, (names, depth) in STRUCTS.items():
        t = find(names)
        if t is not None:
            print(f"@ {label}.(sizeof) {t.sizeof} 0")
            walk(label, t, 0, depth)
    print("@ version", *version_of())


def version_of():
    """The value of Py_Version in an ELF file, by gdb; 0: it has none."""
    import gdb  # pylint: disable=import-error

    try:
        return int(gdb.parse_and_eval("*(unsigned int *)&Py_Version")), 0
    except gdb.error:
        return 0, 0


def parse_version(text):
    major, minor, micro = map(int, text.rstrip("td").split("."))
    return major << 24 | minor << 16 | micro << 8 | 0xF0


def is_free_threaded(found):
    return "_object.ob_tid" in found


def read_gdb(path):
    env = dict(os.environ, PYTHON_OFFSETS_IN_GDB="1")
    out = subprocess.run(
        ["gdb", "-nx", "-q", "-batch", "-x", os.path.abspath(__file__), path],
        env=env, check=True, capture_output=True, text=True).stdout
    rows = [line.split()[1:] for line in out.splitlines() if line.startswith("@ ")]
    version = 0
    found = {}
    for name, at, _size in rows:
        if name == "version":
            version = int(at)
        else:
            found.setdefault(name, int(at))
    return version, found


def read_tsv(path, want):
    found = {}
    with open(path, encoding="ascii") as f:
        for line in f:
            version, struct, field, at, size = line.rstrip("\n").split("\t")[:5]
            if version == want:
                # Of a whole structure the size is the figure.
                found.setdefault(f"{struct}.{field}",
                                 int(size) if field == "(sizeof)" else int(at))
    return parse_version(want), found


def group_lines(group, members):
    text = f".{group} = {{ " + ", ".join(members) + " },"
    lines = ["\t\t"]
    for word in text.replace(" = ", "\0").split(" "):
        word = word.replace("\0", " = ")
        if len(lines[-1].expandtabs()) + len(word) > 96:
            lines.append("\t\t\t")
        lines[-1] += word + " "
    return [line.rstrip() for line in lines]


def print_groups(groups, share):
    """`share`: short ones may stand on one line."""
    before = None
    for group, members in groups.items():
        lines = group_lines(group, members)
        if before and share and len(lines) == 1 and len((before + lines[0]).expandtabs()) <= 111:
            before += " " + lines[0].strip()
            continue
        if before:
            print(before)
        if len(lines) > 1:
            print("\n".join(lines[:-1]))
        before = lines[-1] if len(lines) == 1 else None
        if len(lines) > 1:
            print(lines[-1])
    if before:
        print(before)


def print_row(version, found, values):
    minor = (version >> 24, version >> 16 & 255)
    facts = VALUE_FACTS if values else FACTS
    if minor not in facts:
        sys.exit("no FACTS for %d.%d: read the CPython files named beside them" % minor)
    free = is_free_threaded(found)
    print("\t{ /* %d.%d.%d%s */" % (*minor, version >> 8 & 255, ", free-threaded" if free else ""))
    print("\t\t.version_hex = 0x%08x, .build = %s,"
          % (version, "PY_BUILD_FREE_THREADED" if free else "PY_BUILD_GIL")
          + ("" if values else " .lines = %s," % facts[minor].get("lines", "PY_LINES_LOCATIONS")))
    facts = dict(facts[minor])
    facts.pop("lines", None)
    if minor == (3, 6):  # no _PyRuntime: the variable interp_head stands for it
        found = {**found, "_PyRuntimeState.interpreters.head": 0}
    if values:
        # Modules/_threadmodule.c: a flag, or a PyMutex.
        facts["locked_mask"] = 1 if "lockobject.lock" in found else 255
        facts["rlock_beyond"] = "true" if "rlockobject.lock.level" in found else "false"
    else:
        # Include/cpython/unicodeobject.h: "interned" is a byte of its own since 3.14t.
        facts["str_kind"] = 8 if free and minor >= (3, 14) else 2
        # Include/internal/pycore_object.h, MANAGED_DICT_OFFSET.
        facts["managed_dict"] = 8 if free else 24
    facts = [f".{k} = {v}," for k, v in facts.items()]
    print("\t\t" + " ".join(facts[:5]))
    print("\t\t" + " ".join(facts[5:]))
    groups = {}
    for member, names in VALUE_FIELDS if values else FIELDS:
        at = next((found[n] for n in names if n in found), None)
        if member == "interp.stopper" and not free:
            at = None  # nothing is ever there
        group, field = member.split(".")
        groups.setdefault(group, []).append(
            f".{field} = " + ("PY_NONE" if at is None else str(at)))
    print_groups(groups, values)
    print("\t},")


def print_fields(version, found, fields):
    """A row of no more than offsets."""
    minor = (version >> 24, version >> 16 & 255)
    free = is_free_threaded(found)
    print("\t{ /* %d.%d.%d%s */" % (*minor, version >> 8 & 255, ", free-threaded" if free else ""))
    print("\t\t.version_hex = 0x%08x, .build = %s,"
          % (version, "PY_BUILD_FREE_THREADED" if free else "PY_BUILD_GIL"))
    groups = {}
    for member, names in fields:
        at = next((found[n] for n in names if n in found), None)
        group, field = member.split(".")
        if free and group == "gc" and field != "head_size":
            at = None  # the collector goes through the allocator's heaps; the lists are empty
        groups.setdefault(group, []).append(
            f".{field} = " + ("PY_NONE" if at is None else str(at)))
    print_groups(groups, False)
    print("\t},")


def print_debug(version, found, values):
    size = found.get("_Py_DebugOffsets.(sizeof)")
    if not size:
        return
    minor = "%d%d" % (version >> 24, version >> 16 & 255)
    print(f"static const struct py_debug_field debug_{minor}[] = {{")

    def at(path):
        return found.get("_Py_DebugOffsets." + path, 0) if path else 0

    struct = "py_layout" if values else "py_offsets"
    for member, name, plus, minus in VALUE_DEBUG if values else DEBUG:
        if at(name):
            print(f"\t{{ offsetof(struct {struct}, {member}), {at(name)}, {at(plus)}, "
                  f"{at(minus)} }},")
    print("};")
    print(f"/* {{ 0x{version >> 16:04x}, {size}, debug_{minor}, ARRAY_SIZE(debug_{minor}) }}, */")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tsv", action="store_true", help="FILE is a table")
    parser.add_argument("--debug", action="store_true",
                        help="print the positions in _Py_DebugOffsets instead")
    parser.add_argument("--values", action="store_true",
                        help="print what belongs into values_layout_table.c")
    parser.add_argument("--tasks", action="store_true",
                        help="print what belongs into tasks_layout.c; of FutureObj and TaskObj"
                        " the file is the _asyncio module's")
    parser.add_argument("--locks", action="store_true",
                        help="print what belongs into locks_layout.c")
    parser.add_argument("file")
    parser.add_argument("version", nargs="?")
    args = parser.parse_args()
    version, found = (read_tsv(args.file, args.version) if args.tsv else read_gdb(args.file))
    if args.version and not args.tsv:
        version = parse_version(args.version)
    if not version:
        sys.exit(f"{args.file}: no Py_Version (new in 3.11, in .rodata); name the version")
    if args.tasks:
        print_fields(version, found, TASK_FIELDS)
    elif args.locks:
        print_fields(version, found, LOCK_FIELDS)
    else:
        (print_debug if args.debug else print_row)(version, found, args.values)


if os.environ.get("PYTHON_OFFSETS_IN_GDB"):
    dump_from_gdb()
elif __name__ == "__main__":
    main()
