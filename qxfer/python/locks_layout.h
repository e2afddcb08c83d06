/* SPDX-License-Identifier: MIT */
/*
 * Where it is written who holds a lock: one row per version, as offsets.h has one
 * for what the walker needs and values_layout.h for values.
 */
#ifndef QXFER_PYTHON_LOCKS_LAYOUT_H
#define QXFER_PYTHON_LOCKS_LAYOUT_H

#include "qxfer/python/offsets.h"

/* All offsets in bytes; PY_NONE: there is no such field, or it is not known. */
struct py_lock_layout {
	uint32_t version_hex;
	uint8_t build; /* enum py_build */

	struct {
		uint32_t slots;		  /* the variables; from 3.11 on the value stack follows */
		uint32_t stack;		  /* to 3.10: a pointer to the value stack */
		uint32_t nblocks, blocks; /* to 3.10: the block stack, of {type, handler, level} */
		uint32_t globals;
	} frame;
	struct {
		uint32_t names, variables, nslots, stacksize;
		uint32_t exceptions; /* from 3.11 on: a bytes object, the exception table */
		uint32_t bytes;	     /* to 3.10: a bytes object, the instructions */
	} code;
	struct {
		uint32_t frame; /* to 3.10 a pointer to it, then the frame itself */
	} generator;
	struct {
		uint32_t name;
	} descr;
	struct {
		uint32_t cond, switched; /* what waiters wait on, and the end of that */
	} gil;
	struct {
		uint32_t ident, state, exiting, once; /* ThreadHandle, 3.13 on */
	} handle;
};

/*
 * The row for the interpreter that @off is about; for a version newer than all rows
 * the newest.  NULL: nothing is known of it.
 */
const struct py_lock_layout *py_lock_layout_find(const struct py_offsets *off);

#endif
