/* SPDX-License-Identifier: MIT */
/*
 * What CPython's objects look like: one row per version, as offsets.h has one for
 * what the walker needs.  Rows are in values_layout_table.c; what the interpreter
 * says of itself (_Py_DebugOffsets) wins over them.
 */
#ifndef QXFER_PYTHON_VALUES_LAYOUT_H
#define QXFER_PYTHON_VALUES_LAYOUT_H

#include "qxfer/python/offsets.h"

/* struct _dictvalues, the values of a dict that shares its keys. */
enum py_split {
	PY_SPLIT_PLAIN,	 /* to 3.10: nothing but the values, in the order of the keys */
	PY_SPLIT_BEFORE, /* 3.11, 3.12: size and order in bytes before the values */
	PY_SPLIT_HEADER, /* 3.13 on: a header before, the order behind them */
};

/* Numbering of a generator's states, enum _framestate. */
enum py_gen_states {
	PY_GEN_FRAME, /* to 3.9: by its frame, and whether it runs */
	PY_GEN_310,   /* in its frame */
	PY_GEN_311,
	PY_GEN_313,
	PY_GEN_315,
};

/* All offsets and sizes in bytes; PY_NONE: there is no such field, or it is not known. */
struct py_layout {
	uint32_t version_hex;
	uint8_t build;	       /* enum py_build */
	uint8_t attrs;	       /* enum py_attrs */
	uint8_t split;	       /* enum py_split */
	uint8_t gen_states;    /* enum py_gen_states */
	uint8_t locked_mask;   /* of the byte at lock.locked */
	bool rlock_beyond;     /* rlock.count does not count the first time */
	bool quote_escaped;    /* repr of a bytearray always escapes ' (to 3.14) */
	bool odict_pairs;      /* repr of an OrderedDict is a list of pairs (to 3.11) */
	bool namespace_sorted; /* repr of a SimpleNamespace is by name (to 3.8) */
	bool plain_names;      /* repr of a deque's class has the name of its base (3.6) */
	bool args_tuple;       /* repr of an exception has a tuple's comma (3.6) */
	bool timedelta_parts;  /* repr of a timedelta is three numbers (3.6) */

	struct {
		uint32_t size, basicsize, itemsize, repr, flags, iter, members, base, dict;
		uint32_t dictoffset, mro;
	} type;
	struct {
		uint32_t qualname, cached_keys;
	} heap_type;
	struct {
		uint32_t items;
	} tuple, list;
	struct {
		uint32_t value;
	} floating, complex;
	struct {
		uint32_t tag; /* 3.12 on: sign and number of digits; before: ob_size */
		uint32_t digits;
	} integer;
	struct {
		uint32_t start;
	} bytearray;
	struct {
		uint32_t size, used, keys, values;
	} dict;
	struct {
		uint32_t log2_size, log2_index, kind, nentries, indices;
		uint32_t size; /* to 3.10, in entries: says how wide the indices are */
	} keys;
	struct {
		uint32_t size, used, mask, table;
	} set;
	struct {
		uint32_t dict;
	} module;
	struct {
		uint32_t name, qualname, code, globals, closure;
	} function;
	struct {
		uint32_t func, self;
	} method;
	struct {
		uint32_t def, self;
	} builtin;
	struct {
		uint32_t ref;
	} cell;
	struct {
		uint32_t size, qualname, state;
		uint32_t frame; /* to 3.10 */
	} generator;
	struct {
		uint32_t args;
	} exception;
	struct {
		uint32_t start; /* then stop and step */
	} slice, range;
	struct {
		uint32_t leftblock, leftindex, maxlen;
	} deque;
	struct {
		uint32_t factory;
	} defaultdict;
	struct {
		uint32_t first;
	} odict;
	struct {
		uint32_t mapping;
	} proxy;
	struct {
		uint32_t size, locked;
	} lock;
	struct {
		uint32_t size, owner, count;
	} rlock;
	struct {
		uint32_t size, localsplus, globals, builtins, locals;
		uint32_t state; /* 3.10 */
	} frame;
	struct {
		uint32_t size, localsplusnames, localspluskinds, flags;
		uint32_t nlocals, varnames, cellvars, freevars; /* the last three to 3.10 */
	} code;
};

extern const struct py_layout py_layout_table[];
extern const size_t py_layout_rows;
extern const struct py_debug_layout py_layout_debug[];
extern const size_t py_layout_ndebug;

/*
 * The row for the minor version of @lay in which a lock has @size bytes, or NULL: 3.13
 * changed that in a point release, which has no row for every one of them.
 */
const struct py_layout *py_layout_of_lock(const struct py_layout *lay, uint32_t size);

/*
 * Fills *ret for the interpreter that @off is about, whose _PyRuntime is at
 * @runtime.  ERR_BAD_DATA: nothing is known of its objects.
 */
struct err *py_layout_find(struct mem *m, uint64_t runtime, const struct py_offsets *off,
			   struct py_layout *ret) MUST_CHECK;

#endif
