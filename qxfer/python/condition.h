/* SPDX-License-Identifier: MIT */
/*
 * Conditions of breakpoints, evaluated in a frame by memory alone: what py-print can
 * evaluate (expr.h), compared and combined.
 *
 *	x == 42        not done and self.name != 'idle'        i in (1, 2, 3)
 */
#ifndef QXFER_PYTHON_CONDITION_H
#define QXFER_PYTHON_CONDITION_H

#include "qxfer/python/expr.h"
#include "qxfer/python/python.h"
#include "qxfer/python/values.h"

enum py_relation {
	PY_TRUTH, /* of the left side alone */
	PY_EQ,
	PY_NE,
	PY_LT,
	PY_LE,
	PY_GT,
	PY_GE,
	PY_IS,
	PY_IS_NOT,
	PY_IN,
	PY_NOT_IN,
	PY_NOT, /* of one part */
	PY_AND, /* of two parts */
	PY_OR,
};

struct py_condition {
	enum py_relation relation;
	const struct py_expr *left, *right;
	const struct py_condition *part[2];
};

/* Parses @text; what *ret points to lies in @a.  ERR_BAD_DATA says what is wrong. */
struct err *py_condition_parse(const char *text, struct arena *a,
			       const struct py_condition **ret) MUST_CHECK;

/* Whether it holds in @f; an error says why that is not known. */
struct err *py_condition_holds(struct py_values *v, const struct py_frame *f,
			       const struct py_condition *c, bool *ret) MUST_CHECK;

/* A local variable compared with an int: what can be told without looking anything up. */
struct py_simple_condition {
	const char *name; /* of the variable; lent by the condition */
	enum py_relation relation;
	int64_t number;
};

/* False: the condition is not so simple. */
bool py_condition_simple(const struct py_condition *c, struct py_simple_condition *ret);

/* Whether @a relation @b. */
bool py_relation_holds(enum py_relation relation, int64_t a, int64_t b);

#endif
