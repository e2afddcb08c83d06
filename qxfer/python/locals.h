/* SPDX-License-Identifier: MIT */
/*
 * The variables of a frame, with their values as text.
 */
#ifndef QXFER_PYTHON_LOCALS_H
#define QXFER_PYTHON_LOCALS_H

#include "qxfer/python/python.h"
#include "qxfer/python/values.h"

#define PY_LOCALS_MAX	2000u	    /* of one frame */
#define PY_LOCALS_BYTES (16u << 20) /* of text for one py_values; then values are left out */

enum py_local_kind {
	PY_LOCAL_LOCAL,
	PY_LOCAL_CELL,	 /* its own, shared with functions inside it */
	PY_LOCAL_FREE,	 /* of a function around it */
	PY_LOCAL_HIDDEN, /* of a comprehension that was inlined */
	PY_LOCAL_NAME,	 /* of a class body, or of code run by exec(): in a dict */
};

struct py_local {
	const char *name;
	enum py_local_kind kind;
	uint64_t addr; /* of the object; 0: not set */
	const char *type, *repr;
};

const char *py_local_kind_name(enum py_local_kind kind);

/*
 * Visits the variables of @f, in the order of its code.  Texts are valid during the
 * visit.  A frame that is incomplete or corrupt has none.  A module's are its
 * globals and are not visited.
 */
struct err *py_locals_visit(struct py_values *v, const struct py_frame *f,
			    void (*visit)(void *arg, const struct py_local *local),
			    void *arg) MUST_CHECK;

/*
 * Which slot of a frame that runs the code object @code has the local variable @name, if it
 * has nothing but its value in it (no cell).  ERR_NOT_FOUND: none.
 */
struct err *py_local_slot(struct py_values *v, uint64_t code, const char *name,
			  uint32_t *ret) MUST_CHECK;

#endif
