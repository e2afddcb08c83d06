/* SPDX-License-Identifier: MIT */
/*
 * The value stack of a frame: what its instructions push and pop.
 *
 * Where a running frame's stack ends is known to its evaluation loop alone, so
 * what lies above is still there: of any word it must be found out whether it counts.
 */
#ifndef QXFER_PYTHON_STACK_H
#define QXFER_PYTHON_STACK_H

#include "qxfer/python/locks_layout.h"
#include "qxfer/python/python.h"
#include "qxfer/python/values.h"

#define PY_STACK_MAX 4096u /* slots of one frame that are looked at */

/*
 * Where @f's value stack begins, and how many slots it has, at most PY_STACK_MAX; false
 * if that cannot be read.  From 3.11 on it lies behind the variables, of which there
 * are nlocalsplus; to 3.10 f_valuestack points to it (Include/internal/pycore_frame.h;
 * Include/frameobject.h).  Slots have tag bits from 3.14 on.
 */
bool py_stack_find(struct py_values *v, const struct py_lock_layout *lay, const struct py_frame *f,
		   uint64_t *ret, uint32_t *n);

#endif
