/* SPDX-License-Identifier: MIT */
/*
 * The code objects that an interpreter has in use: those of its stacks, of the
 * functions and classes of its modules, and of the functions inside these.
 */
#ifndef QXFER_PYTHON_FUNCTIONS_H
#define QXFER_PYTHON_FUNCTIONS_H

#include "qxfer/python/code.h"
#include "qxfer/python/python.h"

#define PY_FUNCTIONS_MAX 200000u /* code objects of one search */

/*
 * Visits each code object once, in no order to rely on; @visit says whether to go on.
 * The code objects are lent until the next walk.  What cannot be read is left out.  The
 * errors are python_walk()'s.
 */
struct err *python_functions(struct python *py, const struct space *space,
			     bool (*visit)(void *arg, struct py_code *code), void *arg) MUST_CHECK;

/*
 * How much the modules' namespaces hold, in all: where that is as it was before,
 * python_functions() has hardly more to find.  Takes a millisecond.
 */
struct err *python_namespaces(struct python *py, const struct space *space,
			      uint64_t *ret) MUST_CHECK;

/* The code object at @addr, lent until the next walk; what is wrong with it, it says. */
struct err *python_code(struct python *py, const struct space *space, uint64_t addr,
			struct py_code **ret) MUST_CHECK;

/*
 * Calls for each place where @code's instructions come to another line: the byte offset
 * and that line.  Where there is no line there is no call.
 */
void py_code_lines(struct py_code *code, void (*row)(void *arg, uint32_t offset, int32_t line),
		   void *arg);

#endif
