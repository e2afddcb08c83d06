/* SPDX-License-Identifier: MIT */
/*
 * What asyncio's objects look like: one row per CPython version, made by
 * tools/python-offsets.py --tasks.
 *
 * Modules/_asynciomodule.c, struct FutureObj and TaskObj, which begin alike. From
 * 3.14 on the module tells some of it itself, in a section .AsyncioDebug
 * (struct _Py_AsyncioModuleDebugOffsets); that wins over the row.
 */
#ifndef QXFER_PYTHON_TASKS_LAYOUT_H
#define QXFER_PYTHON_TASKS_LAYOUT_H

#include "qxfer/python/offsets.h"
#include "stub/base/space.h"

/* All offsets and sizes in bytes; PY_NONE: there is no such field, or it is not known. */
struct py_task_layout {
	uint32_t version_hex;
	uint8_t build; /* enum py_build */

	struct {
		uint32_t size, loop;
		uint32_t callback0; /* one function; its context comes behind it (3.7 and later) */
		uint32_t callbacks; /* a list of tuples, in 3.6 of functions */
		uint32_t state;	    /* enum fut_state: 0 is pending */
		uint32_t awaited_by, awaited_by_is_set; /* 3.14 and later */
	} future;
	struct {
		uint32_t size, waiter, coro;
		uint32_t name; /* a str, or an int for Task-N (3.13 and later) */
		uint32_t node; /* struct llist_node { next, prev } (3.14 and later) */
	} task;
	struct {
		uint32_t tasks_head; /* a struct llist_node: tasks of threads that ended */
	} interp;
	struct {
		uint32_t tasks_head, running_loop; /* of the _PyThreadStateImpl */
	} tstate;
	struct {
		uint32_t frame;	  /* the frame itself; to 3.10 a pointer to it */
		uint32_t running; /* a bool, to 3.9 */
	} generator;
	struct {
		uint32_t pointer;	     /* the stack's top: to 3.9, and 3.14 and later */
		uint32_t index;		     /* its index from localsplus on (3.11 to 3.13) */
		uint32_t depth, stack;	     /* its depth, and where it begins (3.10) */
		uint32_t lasti, state, code; /* of a PyFrameObject, to 3.10 */
		uint32_t of_object; /* of a PyFrameObject the _PyInterpreterFrame, from 3.11 on */
	} frame;
	struct {
		uint32_t code; /* co_code, to 3.10 */
	} code;
	struct {
		uint32_t target;
	} weakref;
	struct {
		uint32_t head_size;	  /* of the PyGC_Head before each object */
		uint32_t runtime, interp; /* where the generations are, in one or the other */
		uint32_t generation0;	  /* beside them: the address of the first */
		uint32_t permanent;	  /* and what gc.freeze() put aside */
	} gc;
};

extern const struct py_task_layout py_task_layout_table[];
extern const size_t py_task_layout_rows;

/*
 * Fills *ret for the interpreter that @off is about.  ERR_BAD_DATA: nothing is
 * known of its tasks.
 */
struct err *py_task_layout_find(const struct space *s, const struct py_offsets *off,
				struct py_task_layout *ret) MUST_CHECK;

#endif
