/* SPDX-License-Identifier: MIT */
/*
 * Python frames and C frames of one thread in one stack, each where it ran.
 */
#ifndef QXFER_PYTHON_MIXED_H
#define QXFER_PYTHON_MIXED_H

#include "qxfer/python/python.h"
#include "qxfer/unwind/native.h"

enum py_mixed_kind {
	PY_MIXED_PYTHON,
	PY_MIXED_NATIVE,
	PY_MIXED_CUT, /* here the native frames end early; see native.cut */
};

struct py_mixed_item {
	enum py_mixed_kind kind;
	uint32_t thread; /* in py_snapshot.threads: the state that this belongs to */
	size_t index;	 /* in py_snapshot.frames, or in native.frames */
	/* NATIVE: it is an evaluation loop, which runs so many Python frames; -1: it is not. */
	int32_t loop;
};

struct py_mixed {
	const struct py_mixed_item *items; /* innermost first */
	size_t n;
	struct native_stack native;
	/*
	 * Why the two stacks do not fit together, or NULL.  If Python frames are not
	 * where they ran, they come all before the native ones: see `apart'.
	 */
	const char *mismatch;
	bool apart;
};

/*
 * The stack of the operating system's thread @tid at the stop that python_walk()
 * walked last, with all frames.  A thread without Python has native frames alone.
 * Only ERR_NOMEM.  Lent by @py until the next call.
 */
struct err *python_mixed(struct python *py, const struct space *s, pid_t tid,
			 struct py_mixed *ret) MUST_CHECK;

#endif
