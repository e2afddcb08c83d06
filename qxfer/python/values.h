/* SPDX-License-Identifier: MIT */
/*
 * The repr() of Python objects, from memory alone.
 *
 * What CPython's own repr() makes of the objects that its C code shows (numbers,
 * texts, containers, functions, exceptions, ...) and of those whose Python code is
 * known (dataclasses, namedtuples, enums, paths) is shown as it would show it.
 * Code of the inferior is never run: where a class has a __repr__ of its own, and
 * for plain instances, the attributes are shown: <Point(x=1, y=2) at 0x7f..>.
 * What cannot be shown is <Type at 0x7f..>, what cannot be read <corrupt: why>,
 * what is left out is "...".  A type whose name is not in memory, as in a core without
 * its file, is called as its module calls it; "?" stands behind what may not be its own
 * name, and for one that is not known at all.
 *
 * The text is UTF-8 as text.h makes it.
 */
#ifndef QXFER_PYTHON_VALUES_H
#define QXFER_PYTHON_VALUES_H

#include "qxfer/python/values_layout.h"
#include "stub/base/arena.h"
#include "stub/base/buf.h"

/* Bounds on one value; 0: the default. */
struct py_limits {
	uint32_t depth; /* containers one inside the other */
	uint32_t items; /* of one container */
	uint32_t chars; /* of one str, or bytes of one bytes */
	uint32_t bytes; /* of the whole text; one item more may be begun */
	uint32_t reads; /* of the inferior's memory */
};

#define PY_VALUE_NEST 64u /* the deepest depth that can be asked for */

struct py_type;
struct val_names;

struct py_values {
	struct mem *mem;	      /* borrowed */
	const struct py_offsets *off; /* borrowed */
	uint64_t runtime;
	struct py_layout lay;
	struct py_limits limits;
	struct arena arena;
	struct py_type **types; /* open addressing, by address; a power of two */
	size_t ntypes, types_cap;
	struct val_names *names; /* of types, once one can't be read */

	uint64_t text; /* bytes that locals.c made of values so far */

	/* The value being shown. */
	struct buf *out;
	size_t start;	/* in out */
	uint32_t reads; /* left */
	uint32_t depth;
	uint32_t resolving; /* types, one because of another */
	bool lines;	    /* a newline or tab of a text that is not quoted stays one */
	bool plain;	    /* instances as object.__repr__() shows them */
	uint64_t nest[PY_VALUE_NEST];
};

/*
 * Makes *ret ready for the interpreter at @runtime; to be ended in any case.  What
 * is learned of types is kept until then, so it must not outlive a stop.
 */
struct err *py_values_begin(struct mem *m, uint64_t runtime, const struct py_offsets *off,
			    const struct py_limits *limits, struct py_values *ret) MUST_CHECK;
void py_values_end(struct py_values *v);

/* Appends the object at @addr; there is always something to append. */
void py_value_put(struct py_values *v, uint64_t addr, struct buf *out);

/* Appends the name of its type as type(x).__name__ has it, "?" if unreadable. */
void py_value_type(struct py_values *v, uint64_t addr, struct buf *out);

#endif
