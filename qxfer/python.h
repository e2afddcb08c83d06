/* SPDX-License-Identifier: MIT */
/*
 * What is told of an inferior's Python: documents for programs, text for people.
 *
 * Each function walks the stacks and appends to @out, or returns the walker's
 * error (python_walk()): ERR_NOT_FOUND if there is no Python.  Within one stop
 * walks are remembered, so that asking for one thread after the other is cheap.
 */
#ifndef QXFER_PYTHON_H
#define QXFER_PYTHON_H

#include "qxfer/python/python.h"
#include "stub/base/buf.h"

/*
 * The document python-frames, docs/python-frames.dtd.  @annex is "" or a thread
 * id as on the wire, then options: ";format=json", ";format=xml", ";locals" (the
 * variables of each frame), ";native" (answers that it is not available).
 */
struct err *python_frames_document(struct python *py, const struct space *s, const char *annex,
				   struct buf *out) MUST_CHECK;

/* The tables python-threads and python-frames for osdata (gdb's osdata.dtd). */
struct err *python_threads_table(struct python *py, const struct space *s,
				 struct buf *out) MUST_CHECK;
struct err *python_frames_table(struct python *py, const struct space *s,
				struct buf *out) MUST_CHECK;

/* One line for a list of threads: "eat (philo.py:14)".  ERR_NOT_FOUND: none for @tid. */
struct err *python_thread_text(struct python *py, const struct space *s, pid_t tid,
			       struct buf *out) MUST_CHECK;

enum python_style {
	PYTHON_FULL = 1,   /* columns, addresses, and where C called */
	PYTHON_COLOR = 2,  /* for a terminal */
	PYTHON_LOCALS = 4, /* the variables of each frame */
};

/* The stacks of all threads, as `archerfish stacks' and `monitor py-bt all' print them. */
struct err *python_stacks_text(struct python *py, const struct space *s, unsigned int style,
			       struct buf *out) MUST_CHECK;

/*
 * `monitor py-bt ARGS': of @tid without arguments; "all", "full", or a thread
 * (its id in decimal, or its ident as 0x...) in ARGS.
 */
struct err *python_bt_text(struct python *py, const struct space *s, pid_t tid, const char *args,
			   struct buf *out) MUST_CHECK;

/*
 * `monitor py-locals ARGS': the variables of @tid's innermost frame, or of the one
 * whose number is ARGS (0 is the innermost), as "name = value".
 */
struct err *python_locals_text(struct python *py, const struct space *s, pid_t tid,
			       const char *args, struct buf *out) MUST_CHECK;

/* `monitor py-threads': one line a thread; @tid is marked. */
struct err *python_threads_text(struct python *py, const struct space *s, pid_t tid,
				struct buf *out) MUST_CHECK;

#endif
