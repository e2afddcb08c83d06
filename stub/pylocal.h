/* SPDX-License-Identifier: MIT */
/*
 * Local variables of a thread that is at a hit, while others may run.
 *
 * Most conditions ask for an int.  That takes three reads, past every cache; anything else
 * walks the thread's stack.
 */
#ifndef STUB_PYLOCAL_H
#define STUB_PYLOCAL_H

#include "qxfer/python/locals.h"
#include "qxfer/python/python.h"
#include "stub/pybreak.h"

/* What is known of a process's Python; zeroed for another process. */
struct pylocals {
	const struct py_offsets *off; /* NULL: pylocal_slot() found nothing yet */
	uint32_t localsplus;
	uint64_t int_type; /* 0: no int was seen yet */
};

/*
 * Which slot of a frame that runs @code has the variable @name.  ERR_NOT_FOUND: it is not as
 * simple as that, as a cell is not.
 */
struct err *pylocal_slot(struct pylocals *p, struct python *py, const struct space *space,
			 uint64_t code, const char *name, uint32_t *ret) MUST_CHECK;

/* False: it takes more to know, as for what is no int of 60 bits. */
bool pylocal_read_int(const struct pylocals *p, struct target *t, uint64_t frame, uint32_t slot,
		      int64_t *ret);

/* The type of ints is known once one was seen. */
void pylocal_learn(struct pylocals *p, struct py_values *v, uint64_t frame, uint32_t slot);

/*
 * The thread of @hit alone, as others run: @thread is a place for it, to live as long as the
 * space.
 */
struct err *pylocal_space(struct target *t, const struct pybreak_hit *hit,
			  struct space_thread *thread, struct space *ret) MUST_CHECK;

/*
 * The frame of @hit in a walk, valid until the next one, and its values; after success
 * py_values_end(v).  ERR_NOT_FOUND: it is not the innermost one.
 */
struct err *pylocal_open(struct python *py, const struct space *space,
			 const struct pybreak_hit *hit, const struct py_limits *limits,
			 struct py_values *v, const struct py_frame **ret) MUST_CHECK;

#endif
