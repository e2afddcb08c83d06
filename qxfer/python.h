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
#include "qxfer/python_quotes.h"
#include "stub/base/buf.h"

/*
 * The document python-frames, docs/python-frames.dtd.  @annex is "" or a thread
 * id as on the wire, then options: ";format=json", ";format=xml", ";locals" (the
 * variables of each frame), ";native" (C frames too, where they ran, and threads
 * without Python).
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
	PYTHON_NATIVE = 8, /* C frames too, where they ran, and threads without Python */
};

/*
 * The stacks of all threads, as `archerfish stacks' and `monitor py-bt all' print
 * them.  @quotes gets the source lines that belong to it; it may be NULL.
 */
struct err *python_stacks_text(struct python *py, const struct space *s, unsigned int style,
			       struct py_quotes *quotes, struct buf *out) MUST_CHECK;

/* What the user of a command is looking at. */
struct python_view {
	struct python *py;
	const struct space *space;
	pid_t tid; /* the thread */
	/*
	 * The line of the stack, 0 is the innermost: a Python frame, or a function of C
	 * that the next one calls, of which the frame is meant.
	 */
	size_t frame;
	struct py_quotes *quotes; /* gets the source lines of the text; NULL: none */
};

/*
 * `monitor py-bt ARGS': of the thread without arguments; "all", "full", or another
 * thread (its id in decimal, or its ident as 0x...) in ARGS.
 */
struct err *python_bt_text(const struct python_view *view, const char *args,
			   struct buf *out) MUST_CHECK;

/* `monitor py-exc': the thread's exceptions, with their tracebacks, as Python prints them. */
struct err *python_exc_text(const struct python_view *view, const char *args,
			    struct buf *out) MUST_CHECK;

/*
 * `monitor py-locals ARGS': "Locals for f" and the variables as "name = value", of the
 * frame and its callers up to C, as libpython.py does, or of the one frame whose number
 * is ARGS.
 */
struct err *python_locals_text(const struct python_view *view, const char *args,
			       struct buf *out) MUST_CHECK;

/*
 * `monitor py-print ARGS': an expression, see qxfer/python/expr.h, with "-f N" before
 * it in that frame: "local 'x' = 5", "x.jobs[0] = 'a'".
 */
struct err *python_print_text(const struct python_view *view, const char *args,
			      struct buf *out) MUST_CHECK;

/*
 * "#5 Frame 0x7f.., for file x.py, line 3, in f (a=1, b='x')", or for a function of C
 * "#4 <built-in method acquire of _thread.lock object at remote 0x7f..>".
 * ERR_NOT_FOUND: there is no such line.
 */
struct err *python_frame_text(const struct python_view *view, struct buf *out) MUST_CHECK;
/*
 * The frame that is @by older, or younger if that is negative; the outermost or
 * innermost if there are not so many.  ERR_NOT_FOUND, in libpython.py's words: it is
 * the last one already.
 */
struct err *python_frame_move(const struct python_view *view, int64_t by, size_t *ret) MUST_CHECK;

/* `monitor py-bt-full': the same of each line of the stack. */
struct err *python_bt_full_text(const struct python_view *view, const char *args,
				struct buf *out) MUST_CHECK;

/* Where the frame is, lent until the next walk. */
struct python_place {
	const char *file, *name;
	int32_t line; /* -1: not known */
};
struct err *python_frame_place(const struct python_view *view, struct python_place *ret) MUST_CHECK;
/*
 * Lines @first to @last, as many as there are, of a place that is in no file, each with a
 * newline: the program itself may have them.  ERR_NOT_FOUND: it has not.
 */
struct err *python_place_lines(const struct python_view *view, const struct python_place *at,
			       int64_t first, int64_t last, struct buf *out) MUST_CHECK;

/*
 * Who waits for which lock, who holds it, and deadlocks: as text (`monitor py-locks'),
 * as the document python-locks, docs/python-locks.dtd (@annex "", ";format=xml" or
 * ";format=json"), and as a table for osdata.
 */
struct err *python_locks_text(struct python *py, const struct space *s, struct buf *out) MUST_CHECK;
struct err *python_locks_document(struct python *py, const struct space *s, const char *annex,
				  struct buf *out) MUST_CHECK;
struct err *python_locks_table(struct python *py, const struct space *s,
			       struct buf *out) MUST_CHECK;

/* `monitor py-threads': one line a thread; @tid is marked. */
struct err *python_threads_text(struct python *py, const struct space *s, pid_t tid,
				struct buf *out) MUST_CHECK;

/*
 * asyncio's tasks: the document python-tasks, docs/python-tasks.dtd, whose annex is ""
 * or ";format=json"; the table python-tasks for osdata; and `monitor py-tasks'.
 */
struct err *python_tasks_document(struct python *py, const struct space *s, const char *annex,
				  struct buf *out) MUST_CHECK;
struct err *python_tasks_table(struct python *py, const struct space *s,
			       struct buf *out) MUST_CHECK;
/* @style: PYTHON_COLOR or 0. */
struct err *python_tasks_text(struct python *py, const struct space *s, unsigned int style,
			      struct buf *out) MUST_CHECK;

#endif
