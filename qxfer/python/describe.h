/* SPDX-License-Identifier: MIT */
/*
 * A code object whole: what the synthetic library wants of it (qxfer/synth/synth.h).
 */
#ifndef QXFER_PYTHON_DESCRIBE_H
#define QXFER_PYTHON_DESCRIBE_H

#include "qxfer/python/python.h"
#include "qxfer/synth/synth.h"
#include "stub/base/arena.h"

/*
 * Describes the code object at @addr as it is at the stop that python_walk() walked last.
 * What cannot be read of it is left out: its variables, its lines, or all, and then its
 * name says why.  Only ERR_NOMEM.  *ret is lent: texts until the next walk, the rest by
 * @arena.  The file of a frozen module (3.11 on: <frozen os>) is that of its source, as
 * linecache has it, where the module knows it.  The variables are in the order of py_locals_visit() (locals.h), with the
 * names that it gives.
 */
struct err *python_describe_code(struct python *py, const struct space *space, uint64_t addr,
				 struct arena *arena, struct synth_code *ret) MUST_CHECK;

#endif
