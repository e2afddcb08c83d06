/* SPDX-License-Identifier: MIT */
/*
 * The registers of feature org.archerfish.python: what a thread's innermost Python frame
 * is.  They follow the processor's in number, are read one by one (p) and never part of g,
 * and nobody can write them.
 */
#ifndef QXFER_PYREGS_H
#define QXFER_PYREGS_H

#include <sys/types.h>

#include "arch/arch.h"
#include "qxfer/python/python.h"

enum pyreg {
	PYREG_FRAME,  /* address of the _PyInterpreterFrame; to 3.10 PyFrameObject */
	PYREG_LINE,   /* of the source; -1: it has none */
	PYREG_DEPTH,  /* Python frames of the thread */
	PYREG_CODE,   /* address of the PyCodeObject */
	PYREG_THREAD, /* address of the PyThreadState */
	PYREG_FILE,   /* address of the source's path, a C string that the client can read; or 0 */
	PYREGS
};

/* Their <feature>, numbered from @first on. */
void pyregs_tdesc(uint16_t first, struct buf *out);

const char *pyregs_name(enum pyreg which);

/*
 * The value in thread @tid of @space; 0 where it runs no Python.  ERR_BAD_DATA: its frames
 * cannot be read.  @in_passing: see struct py_walk; no more is read than it takes.
 */
struct err *pyregs_value(struct python *py, const struct space *space, pid_t tid, enum pyreg which,
			 bool in_passing, uint64_t *ret) MUST_CHECK;

#endif
