/* SPDX-License-Identifier: MIT */
/*
 * The objects that CPython's garbage collector knows, of builds with a GIL:
 * Include/internal/pycore_gc.h (3.14 on: pycore_interp_structs.h), Include/objimpl.h
 * in 3.6.
 */
#ifndef QXFER_PYTHON_GC_H
#define QXFER_PYTHON_GC_H

#include "qxfer/python/tasks_priv.h"

#define PY_GC_OBJECTS_MAX 5000000u

/*
 * Calls @visit for each object and its type.  ERR_NOT_FOUND: it is not known where
 * the lists are; ERR_BAD_DATA: one of them is not whole, or too long.
 */
struct err *py_gc_visit(struct task_reader *r, const struct py_interp *in,
			struct err *(*visit)(struct task_reader *r, uint64_t object, uint64_t type,
					     void *arg),
			void *arg) MUST_CHECK;

#endif
