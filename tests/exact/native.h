/* SPDX-License-Identifier: MIT */
#ifndef TESTS_EXACT_NATIVE_H
#define TESTS_EXACT_NATIVE_H

#include "qxfer/python/mixed.h"

struct native_tally {
	unsigned long stacks, frames, loops, entering; /* loops without a frame */
	unsigned long marked;			       /* said themselves that they are not whole */
	bool may_be_cut;			       /* then that is not counted */
};

/*
 * Walks C and Python frames of @t at this stop.  What is wrong with them, or NULL: the
 * C stack must reach its outermost frame over return addresses that stand behind call
 * instructions, and each Python frame must have its place.
 */
const char *native_check(struct python *py, const struct space *s, const struct py_thread *t,
			 struct native_tally *tally, struct py_mixed *ret);

void native_show(const struct py_mixed *m, const struct py_snapshot *snap);

#endif
