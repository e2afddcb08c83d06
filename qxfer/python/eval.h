/* SPDX-License-Identifier: MIT */
/*
 * Expressions evaluated in a frame, by memory alone: what would need code of the
 * inferior to be run (properties, __getattr__(), calls, operators) is refused with
 * the reason "not by memory alone".
 */
#ifndef QXFER_PYTHON_EVAL_H
#define QXFER_PYTHON_EVAL_H

#include "qxfer/python/expr.h"
#include "qxfer/python/python.h"
#include "qxfer/python/values.h"

/*
 * Appends the value as repr() has it.  *scope, where a name was found ("local",
 * "global", "builtin"), if the whole expression is a name; else NULL.
 */
struct err *py_eval_put(struct py_values *v, const struct py_frame *f, const struct py_expr *x,
			struct buf *out, const char **scope) MUST_CHECK;

#endif
