/* SPDX-License-Identifier: MIT */
/* What the files eval*.c share.  Functions named eval_ belong to them alone. */
#ifndef QXFER_PYTHON_EVAL_PRIV_H
#define QXFER_PYTHON_EVAL_PRIV_H

#include "qxfer/python/eval.h"
#include "qxfer/python/values_priv.h"

#define EVAL_ITEMS_MAX 100000u /* of a slice, and characters of one */

/* A value: an object of the inferior, or one that was made of constants and slices. */
enum eval_kind {
	EVAL_OBJECT,
	EVAL_NONE,
	EVAL_BOOL,
	EVAL_INT,
	EVAL_FLOAT,
	EVAL_ELLIPSIS,
	EVAL_STR,
	EVAL_BYTES,
	EVAL_TUPLE,
	EVAL_LIST,
	EVAL_TEXT, /* can be shown, and nothing else: a bound method */
};

struct eval {
	enum eval_kind kind;
	uint64_t addr;
	int64_t number; /* EVAL_BOOL too */
	double real;
	const uint32_t *chars;	  /* of str and bytes */
	const struct eval *items; /* of tuple and list */
	const char *text;
	size_t n;
};

struct evaluator {
	struct py_values *v;
	const struct py_frame *frame;
	struct arena arena;
	struct buf scratch;
	size_t room; /* items and characters that may still be made */
};

static inline struct eval eval_object(uint64_t addr)
{
	return (struct eval){ .kind = EVAL_OBJECT, .addr = addr };
}

/* The name of a value's type, for messages; lent by the values or static. */
const char *eval_type_name(struct evaluator *e, const struct eval *x);
/* Starts to read as for a value of its own. */
void eval_begin(struct evaluator *e);
/* @count elements of @size, out of what may be made; NULL: too many, or no memory. */
void *eval_alloc(struct evaluator *e, size_t count, size_t size);
/* Of a str or a UTF-8 text a value of its own. */
struct err *eval_make_text(struct evaluator *e, const char *utf8, enum eval_kind kind,
			   struct eval *ret) MUST_CHECK;

/* The value of any expression. */
struct err *eval_expression(struct evaluator *e, const struct py_expr *x,
			    struct eval *ret) MUST_CHECK;

/* ---- eval_attr.c ---- */

struct err *eval_attr(struct evaluator *e, const struct eval *of, const char *name,
		      struct eval *ret) MUST_CHECK;
/*
 * Whether a method is written in Python, so that what CPython's own would do is not
 * what happens.
 */
struct err *eval_overridden(struct evaluator *e, const struct py_type *t, const char *name,
			    bool *ret) MUST_CHECK;

/* ---- eval_item.c ---- */

struct err *eval_item(struct evaluator *e, const struct eval *of, const struct eval *key,
		      struct eval *ret) MUST_CHECK;
/* @part: start, stop, step; NULL: left out. */
struct err *eval_slice(struct evaluator *e, const struct eval *of, const struct eval *const part[3],
		       struct eval *ret) MUST_CHECK;
struct err *eval_len(struct evaluator *e, const struct eval *of, struct eval *ret) MUST_CHECK;

/* ---- eval_equal.c ---- */

/*
 * Whether a constant is equal to an object as a dict's key is; *known is false if code
 * of the object's class would have to say so.
 */
struct err *eval_equal(struct evaluator *e, const struct eval *constant, uint64_t addr, bool *equal,
		       bool *known) MUST_CHECK;
/* A key as the constant that it is equal to, so that d[name] works as d['x'] does. */
struct err *eval_key(struct evaluator *e, const struct eval *x, struct eval *ret) MUST_CHECK;
/* An int: an object's or a constant's; false: it is none, or a very large one. */
bool eval_int(struct evaluator *e, const struct eval *x, int64_t *ret);

#endif
