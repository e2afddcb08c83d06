/* SPDX-License-Identifier: MIT */
/*
 * Expressions that `py-print' takes: names, constants, attributes, items, slices
 * and a few functions, as Python writes them.
 *
 *	self.jobs[-1]['id'].name    d[(1, 'x')][2:8:2]    len(queue)    type(x)
 */
#ifndef QXFER_PYTHON_EXPR_H
#define QXFER_PYTHON_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/base/arena.h"
#include "stub/base/err.h"

#define PY_EXPR_DEPTH_MAX 50u
#define PY_EXPR_BYTES_MAX 4096u
#define PY_EXPR_INT_MAX	  ((1ll << 60) - 1) /* the largest constant, and the smallest below 0 */

enum py_expr_kind {
	PY_EXPR_NAME,
	PY_EXPR_NONE,
	PY_EXPR_BOOL, /* number is 0 or 1 */
	PY_EXPR_ELLIPSIS,
	PY_EXPR_INT,
	PY_EXPR_FLOAT,
	PY_EXPR_STR,
	PY_EXPR_BYTES,
	PY_EXPR_TUPLE,
	PY_EXPR_ATTR,  /* of.name */
	PY_EXPR_ITEM,  /* of[part[0]] */
	PY_EXPR_SLICE, /* of[part[0]:part[1]:part[2]], each may be NULL */
	PY_EXPR_CALL,  /* name(of) */
};

struct py_expr {
	enum py_expr_kind kind;
	const char *name; /* UTF-8 */
	int64_t number;
	double real;
	const uint32_t *chars; /* of a str its code points, of bytes their values */
	size_t n;	       /* of chars, or of parts of a tuple */
	const struct py_expr *of;
	const struct py_expr *const *part;
};

/*
 * Parses @text; what *ret points to lies in @a.  ERR_BAD_DATA: it is no such
 * expression, and the text says where.
 */
struct err *py_expr_parse(const char *text, struct arena *a, const struct py_expr **ret) MUST_CHECK;

#endif
