/* SPDX-License-Identifier: MIT */
/*
 * Where CPython keeps things: one row of offsets per version and build kind.
 *
 * Rows are made by tools/python-offsets.py from DWARF and live in
 * offsets_table.c.  From 3.13 on the interpreter carries most of these numbers
 * itself (_Py_DebugOffsets, Include/internal/pycore_debug_offsets.h); those win
 * over the row, and a row's further fields are believed only for structures
 * whose size the interpreter confirms.
 */
#ifndef QXFER_PYTHON_OFFSETS_H
#define QXFER_PYTHON_OFFSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/base/err.h"
#include "stub/base/mem.h"

#define PY_NONE UINT32_MAX /* this version has no such field, or it is not known */

/* Py_Version as in PY_VERSION_HEX: 0x030d00f0 is 3.13.0 final. */
#define PY_MINOR(version_hex) ((uint16_t)((version_hex) >> 16))

enum py_build { PY_BUILD_GIL = 0, PY_BUILD_FREE_THREADED = 1, PY_BUILD_DEBUG = 2 };

/* The encoding of a code object's line table. */
enum py_lines {
	PY_LINES_LNOTAB,    /* to 3.9: Objects/lnotab_notes.txt */
	PY_LINES_RANGES,    /* 3.10: Objects/lnotab_notes.txt */
	PY_LINES_LOCATIONS, /* 3.11 and later: Objects/locations.md, InternalDocs/code_objects.md */
};

/* Where an instance's attributes are. */
enum py_attrs {
	PY_ATTRS_DICT,	 /* to 3.10: in a dict at tp_dictoffset */
	PY_ATTRS_PAIR,	 /* 3.11: four words before it a pointer to values, three to a dict */
	PY_ATTRS_TAGGED, /* 3.12: three words before it one of the two; values less 1 */
	PY_ATTRS_INLINE, /* 3.13 on: three words before it a dict, or none and values behind it */
};

/* All offsets and sizes in bytes. */
struct py_offsets {
	uint32_t version_hex; /* of the interpreter the row was read from */
	uint8_t build;	      /* enum py_build */
	uint8_t lines;	      /* enum py_lines */
	uint8_t code_tag;     /* bits to clear in a frame's code pointer (3.14: _PyStackRef) */
	bool prev_instr;      /* frame.instr is one instruction behind (3.11, 3.12) */
	bool raising_type;    /* tstate.raising is a type, not an instance (to 3.11) */
	uint8_t owner_shim;   /* frame owners from here on are not Python's own frames */
	uint8_t owner_last;   /* the largest value of enum _frameowner */
	uint8_t attrs;	      /* enum py_attrs */
	uint8_t int_shift;    /* see integer.tag */
	uint8_t str_kind;     /* bit in str.state where the kind begins; compact and ascii follow */
	bool untested;	      /* never tried on such an interpreter */
	uint8_t managed_dict; /* bytes before an instance where its dict is (3.11 on) */
	/*
	 * To 3.10 a frame is a PyFrameObject, and its instr is an int that counts units of so
	 * many bytes from the start of its code; -1: not begun.  0: instr is a pointer.
	 */
	uint8_t lasti_unit;

	struct {
		uint32_t size, interpreters_head;
		uint32_t gil;		/* struct _gil_runtime_state inside the runtime (to 3.11) */
		uint32_t gc_collecting; /* 3.7, 3.8; later of each interpreter */
	} runtime;
	struct {
		uint32_t size, next, id, threads_head, gc_collecting, modules, sysdict;
		uint32_t gil; /* a pointer to struct _gil_runtime_state (3.12 and later) */
		uint32_t code_generation; /* counts freed code objects (3.14 and later) */
		uint32_t stopper; /* the thread state that stopped the others (free-threaded) */
	} interp;
	struct {
		uint32_t last_holder, locked;
	} gil;
	struct {
		uint32_t size, next, interp, thread_id, native_thread_id, raising, exc_info;
		uint32_t raising_value, raising_traceback; /* beside the type (to 3.11) */
		uint32_t handled, handled_traceback;	   /* in place of exc_info (3.6) */
		uint32_t datastack_chunk, datastack_top;
		uint32_t frame; /* the current frame, or the _PyCFrame that points to it */
	} tstate;
	struct {
		uint32_t innermost; /* in the thread state: a pointer to it (3.10 to 3.12) */
		uint32_t root;	    /* in the thread state: the outermost of all (3.10 to 3.12) */
		uint32_t current_frame; /* PY_NONE: the thread points to its frame itself */
		uint32_t previous;
	} cframe;
	struct {
		uint32_t value, previous;
	} exc_item;
	struct {
		uint32_t size, code, previous, instr, owner;
		uint32_t is_entry;   /* 3.11: first frame of its C evaluation loop */
		uint32_t tlbc_index; /* an int: which copy of the instructions it runs (3.14t) */
		uint32_t generator; /* to 3.10: the generator it belongs to; then it has no owner */
		uint32_t executing; /* to 3.9: whether its evaluation loop runs */
		uint32_t state;	    /* 3.10: enum _framestate, 0 if it does */
	} frame;
	struct {
		uint32_t size, filename, name, qualname, linetable, first_line, first_traceable;
		uint32_t bytecode; /* co_code_adaptive: the instructions, to the end */
		uint32_t bytes;	   /* to 3.10: a bytes object with the instructions instead */
		uint32_t tlbc;	   /* co_tlbc: the copies, a number and pointers (3.14t) */
	} code;
	struct {
		uint32_t length, state, ascii_size, compact_size;
		uint32_t wstr, wstr_length; /* to 3.11, of one that is not ready */
	} str;
	struct {
		uint32_t size, data;
	} bytes;
	struct {
		uint32_t type, var_size;
	} object;
	struct {
		uint32_t name, basicsize, flags, dictoffset, cached_keys;
	} type;
	struct {
		uint32_t tag, digits; /* tag: the number of digits << int_shift, and a sign */
	} integer;
	struct {
		uint32_t keys, values;
	} dict;
	struct {
		uint32_t log2_index_bytes, kind, nentries, indices;
		uint32_t size; /* to 3.10, in entries: says how wide the indices are */
	} keys;
	struct {
		uint32_t values;
	} values;
	struct {
		uint32_t dict;
	} module;
};

/* Offset of one field inside struct py_offsets and of its value in _Py_DebugOffsets. */
struct py_debug_field {
	uint16_t field; /* offsetof(struct py_offsets, ...) */
	uint16_t at;	/* of its u64 in _Py_DebugOffsets */
	uint16_t plus;	/* another u64 to add, or 0 */
	uint16_t minus; /* another u64 to subtract, or 0 */
};

struct py_debug_layout {
	uint16_t minor; /* PY_MINOR */
	uint16_t size;	/* of _Py_DebugOffsets */
	const struct py_debug_field *fields;
	size_t n;
};

/* Sorted by version_hex; the last row is the newest version known. */
extern const struct py_offsets py_offsets_table[];
extern const size_t py_offsets_rows;
extern const struct py_debug_layout py_debug_layouts[];
extern const size_t py_debug_nlayouts;

#define PY_COOKIE      "xdebugpy"
#define PY_COOKIE_SIZE 8u

/* The row for this minor version and build, or NULL.  Any point release will do. */
const struct py_offsets *py_offsets_find(uint32_t version_hex, enum py_build build);

/*
 * Fills *ret for the interpreter whose _PyRuntime starts with _Py_DebugOffsets
 * at @addr (3.13 and later).  *verified is false for a version newer than the
 * table.  ERR_NOT_FOUND: no cookie there; ERR_BAD_DATA: nonsense behind it, or a
 * build that is not served, as the text says.
 */
struct err *py_offsets_debug(struct mem *m, uint64_t addr, struct py_offsets *ret,
			     bool *verified) MUST_CHECK;

/* Checks that every offset can be used as the walker uses it. */
struct err *py_offsets_check(const struct py_offsets *off) MUST_CHECK;

/* How much of a thread state, or of a frame, must be copied to have every field. */
uint32_t py_offsets_tstate_span(const struct py_offsets *off);
uint32_t py_offsets_frame_span(const struct py_offsets *off);
/* The same of a code object, without its instructions. */
uint32_t py_offsets_code_span(const struct py_offsets *off);

/* The integer at @offset of a loaded structure; 0 if the version has no such field. */
static inline uint64_t py_field(struct obj *o, uint32_t offset, uint32_t size)
{
	return offset == PY_NONE ? 0 : obj_uint(o, offset, size);
}

#endif
