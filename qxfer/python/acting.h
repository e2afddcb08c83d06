/* SPDX-License-Identifier: MIT */
/*
 * Where things are in an interpreter that its main thread can be made to run code with,
 * as if a signal had come: what is known of its memory, nothing is done here.
 *
 * Python runs a signal's handler between two instructions of bytecode, or when a system call
 * of the main thread was interrupted (Modules/signalmodule.c, PyErr_CheckSignals()).  The
 * handler is an object in a table.  One that is forged in memory of our own calls
 * PyRun_SimpleString(text), without machine code of ours and without offsets that differ
 * between versions: a `method-wrapper' of a slot wrapper (Objects/descrobject.c) whose
 * function is wrap_objobjargproc() (Objects/typeobject.c), which calls FUNCTION(self, a, b).
 */
#ifndef QXFER_PYTHON_ACTING_H
#define QXFER_PYTHON_ACTING_H

#include "qxfer/python/runtime.h"

/* Run-time addresses. */
struct py_acting {
	uint64_t run_string; /* PyRun_SimpleString(text) */
	/*
	 * PyErr_SetInterruptEx(number), 3.10 on, or PyErr_SetInterrupt(), which is always of
	 * SIGINT.  Made to be called by C's signal handlers: at any time, in any thread.
	 */
	uint64_t interrupt;
	bool interrupts_any;			     /* it takes a number */
	uint64_t method_wrapper, wrapper_type, dict; /* types */
	uint64_t wrap;				     /* wrap_objobjargproc() */
	uint64_t handlers;	  /* Handlers[65]: an int `tripped' and a pointer `func' each */
	uint64_t no_handler;	  /* `func' where the program has no handler */
	uint64_t ensure, release; /* PyGILState_Ensure(), PyGILState_Release(); or 0 */
	uint32_t type_at;	  /* of ob_type in an object */
	bool free_threaded;	  /* an object begins otherwise */
	uint32_t refcnt_at;	  /* in an object, 32 bits of its own to count references */
};

#define PY_SIGNALS	   65u /* Py_NSIG on Linux */
#define PY_HANDLER_SIZE	   16ul
#define PY_HANDLER_TRIPPED 0u /* an int */
#define PY_HANDLER_FUNC	   8u /* a pointer */

/*
 * Finds them in the image that has @rt in it: among its dynamic symbols, or those of its
 * file, and by what its data looks like.  ERR_NOT_FOUND: what is missing; ERR_BAD_DATA:
 * signals are not set up in this interpreter.
 */
struct err *py_acting_find(const struct space *space, const struct py_runtime *rt,
			   struct py_acting *ret) MUST_CHECK;

#define PY_FORGED_SIZE 0x100u

/*
 * The bytes to be put at @at, which is 16-byte aligned, so that a handler is there which
 * runs the text at @text; returns where the object itself is.
 */
uint64_t py_acting_forge(const struct py_acting *a, uint64_t at, uint64_t text,
			 uint8_t ret[PY_FORGED_SIZE]);

/* A free signal number that no program uses by itself; 0: none.  Reads the table anew. */
int py_acting_free_signal(const struct space *space, const struct py_acting *a);

#endif
