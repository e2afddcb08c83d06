/* SPDX-License-Identifier: MIT */
/*
 * Where V8 keeps things, by version.
 *
 * V8 describes itself in its dynamic symbols (v8dbg_*, tools/gen-postmortem-metadata.py); what
 * it leaves out is in a table made from the sources of the versions that Node has.  What it says
 * overrides the table.  64-bit without pointer compression: Node's way.
 */
#ifndef QXFER_V8_LAYOUT_H
#define QXFER_V8_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "stub/base/err.h"
#include "stub/base/space.h"

enum v8_value {
	/* Instance types (src/objects/instance-type.h, generated). */
	V8_T_FUNCTION,
	V8_T_FUNCTION_LAST,
	V8_T_SHARED,
	V8_T_SCRIPT,
	V8_T_SCOPE_INFO,
	V8_T_BYTECODES,
	V8_T_CODE,
	V8_T_FIXED_ARRAY,
	V8_T_NONSTRING, /* the first that is no string */
	/* Offsets of fields in bytes, from the object's begin. */
	V8_FUNCTION_SHARED,
	V8_SHARED_DATA,
	V8_SHARED_NAME,
	V8_SHARED_SCRIPT,
	V8_SHARED_FLAGS,
	V8_KIND_MEMBERS, /* FunctionKind of what initialises a class's members; -1: it has no name */
	V8_KIND_STATIC,	 /* and its static ones */
	V8_SCRIPT_SOURCE,
	V8_SCRIPT_NAME,
	V8_SCRIPT_LINE_OFFSET,
	V8_SCRIPT_COLUMN_OFFSET,
	V8_SCRIPT_LINE_ENDS,
	V8_SCRIPT_FLAGS,
	V8_SCRIPT_SOURCE_URL,
	V8_BYTECODES_POSITIONS,
	V8_BYTECODES_DATA,
	V8_SCOPE_FIRST,	 /* in words after the map */
	V8_SCOPE_MODULE, /* the scope type of modules */
	V8_SCOPE_COUNTS, /* a module's count of variables comes before its names */
	V8_CODE_DEOPT,
	V8_CODE_POSITIONS, /* baseline code: which bytecode is where */
	V8_CODE_START,
	V8_CODE_FLAGS,
	V8_CODE_SIZE,
	V8_KIND_INTERPRETED,
	V8_KIND_BASELINE,      /* Maglev and TurboFan follow */
	V8_DEOPT_TRANSLATIONS, /* indexes into the array of deoptimization data */
	V8_DEOPT_LITERALS,
	V8_DEOPT_SHARED,
	V8_DEOPT_INLINING,
	V8_DEOPT_ENTRIES, /* the first; three items each, of which the second is a translation */
	V8_SAFEPOINT_HEADER, /* bytes; the last words are how many entries there are, and how they look */
	V8_FRAME_BUILTIN_EXIT,
	V8_VALUES,
};

struct v8_layout {
	char version[16]; /* "11.3": of the table's row */
	unsigned int row; /* its number */
	bool verified;	  /* it is of a version that was tested */
	int16_t value[V8_VALUES];
};

/*
 * That of the V8 in @s.  ERR_NOT_FOUND: there is none, or none that has what it takes.
 */
struct err *v8_layout_find(const struct space *s, struct v8_layout *ret) MUST_CHECK;

/* The row number @i of the table; false: there are not so many. */
bool v8_layout_row(size_t i, struct v8_layout *ret);

#endif
