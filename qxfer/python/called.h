/* SPDX-License-Identifier: MIT */
/*
 * What functions of C are being called, by the objects that Python knows them as.
 *
 * A frame that calls has on its value stack what it calls, but old words are there
 * too.  The C frames inside it tell which is meant: an object counts if a C frame is
 * one of the function that the object is made of, whose description for unwinding
 * begins at the address that the object holds.  So no symbols are needed; a function
 * that is not in the tables, or that went on by a jump, is not shown.
 */
#ifndef QXFER_PYTHON_CALLED_H
#define QXFER_PYTHON_CALLED_H

#include "qxfer/python/python.h"
#include "qxfer/python/values.h"

/*
 * Fills in `called' of the frames of thread @tid in the snapshot that python_walk()
 * made last, with all frames of that thread.  The inferior must be stopped; if it is
 * not nothing is filled in.  Only ERR_NOMEM.
 */
struct err *python_find_called(struct python *py, const struct space *s, pid_t tid) MUST_CHECK;

/*
 * "<built-in method id of module object at remote 0x7f..>", in libpython.py's words,
 * for what @f calls.
 */
void py_called_put(struct py_values *v, const struct py_frame *f, struct buf *out);

#endif
