/* SPDX-License-Identifier: MIT */
/* What a SyntaxError says of the text that is wrong, as traceback lays it out. */
#ifndef QXFER_PYTHON_EXCERPTS_H
#define QXFER_PYTHON_EXCERPTS_H

#include "qxfer/python/values.h"

/*
 * Appends to @lines the file and line, the text and carets below it, each with a newline,
 * as this version's traceback does; and to @message what that puts behind the type's name.
 * ERR_NOT_FOUND if the object at @addr is no SyntaxError.  What traceback itself adds to
 * the message by trying out corrections (3.14) is not there.
 */
struct err *py_excerpt_put(struct py_values *v, uint64_t addr, struct buf *lines,
			   struct buf *message) MUST_CHECK;

#endif
