/* SPDX-License-Identifier: MIT */
/*
 * What the files python_*.c share that write text for people.  Functions named
 * pytext_ belong to them alone.
 */
#ifndef QXFER_PYTHON_TEXT_WRITER_H
#define QXFER_PYTHON_TEXT_WRITER_H

#include "qxfer/python.h"
#include "qxfer/python/values.h"
#include "qxfer/python_native.h"

struct pytext {
	const struct py_snapshot *snap;
	unsigned int style;	  /* enum python_style */
	struct py_values *values; /* NULL: no variables */
	struct py_quotes *quotes; /* NULL: no source lines */
	struct pynative *native;  /* NULL: no native frames */
	struct py_values *called; /* shows what functions of C frames call; NULL: not shown */
	struct buf *out;
};

/* If the style has variables, readies @w to show them; @values is to be ended in any case. */
struct err *pytext_want_values(struct pytext *w, struct python *py, const struct space *s,
			       struct py_values *values) MUST_CHECK;

/*
 * Finds the text of lines that @quotes wants of what is no file, as far as the program has
 * them.  @quotes may be NULL.
 */
void pytext_find_lines(struct python *py, const struct space *s, struct py_quotes *quotes);

/* The variables of @f, a line each, with @indent before it. */
void pytext_put_locals(const struct pytext *w, const struct py_frame *f, const char *indent);
/*
 * "Thread 1234 "worker" (0x7f..., interpreter 1, holds the GIL)", then @end, for the
 * thread whose @n states are in @state.  What differs between several states is said
 * of each by pytext_put_stack().
 */
void pytext_put_heading(const struct pytext *w, const struct py_thread *const *state, size_t n,
			const char *end);
/* One frame as traceback prints it, with @prefix before it. */
void pytext_put_frame(const struct pytext *w, const struct py_frame *f, const char *prefix);
/* The frames of @t as traceback prints them, innermost first. */
void pytext_put_frames(const struct pytext *w, const struct py_thread *t);
/*
 * The frames of one thread, whose @n states are in @state, innermost first: as one
 * stack if it is known how they lie.
 */
struct err *pytext_put_stack(const struct pytext *w, const struct py_thread *const *state,
			     size_t n) MUST_CHECK;
/* How many of @sorted, from @i on, are states of one thread. */
size_t pytext_states(const struct py_snapshot *snap, const struct py_thread *const *sorted,
		     size_t i);
/*
 * How many of @sorted, at its beginning, are states that no live thread has: left
 * behind by a fork, or by a thread that ended.  0 if no state at all has a thread.
 */
size_t pytext_stale(const struct py_snapshot *snap, const struct py_thread *const *sorted);
/* Says that @n of them were left out. */
void pytext_put_stale(struct buf *out, size_t n);
/* A warning, if this version of Python was never tested. */
void pytext_put_doubt(const struct pytext *w);
/* The same with the native frames of the thread, which were read. */
void pytext_put_mixed(const struct pytext *w, const struct py_thread *const *state, size_t n);
/* Of a thread with several states: whose the following frames are; @placed among the others. */
void pytext_put_state(const struct pytext *w, const struct py_thread *t, bool placed);
/* A thread without Python: its heading and its native frames. */
void pytext_put_other(const struct pytext *w, pid_t tid);
/* Those threads of the space that the snapshot knows nothing of. */
void pytext_put_others(const struct pytext *w);
/* As the name of a function, and as the heading of a thread, is painted. */
void pytext_put_name(const struct pytext *w, const char *name);
void pytext_put_title(const struct pytext *w, const char *text);
/* What it is doing instead of running its innermost frame, a line each, as libpython.py. */
void pytext_put_doing(const struct pytext *w, const struct py_thread *t);
/* ", raising X, handling Y", or nothing. */
void pytext_put_exception(struct buf *out, const struct py_thread *t);
/* Every thread with its heading. */
struct err *pytext_put_all(const struct pytext *w) MUST_CHECK;

/*
 * The snapshot's threads by tid, and of one thread's states the innermost first; to
 * be freed by the caller.  NULL: out of memory.
 */
const struct py_thread **pytext_sort_threads(const struct py_snapshot *snap);
/* The state of @tid that is furthest in, with a frame; or NULL. */
const struct py_thread *pytext_find_thread(const struct py_snapshot *snap, pid_t tid);
/*
 * Frame @n of all that @tid has in its states, 0 is the innermost; NULL: it has only
 * *nframes of them.
 */
const struct py_frame *pytext_frame_at(const struct py_snapshot *snap, pid_t tid, size_t n,
				       size_t *nframes);
const struct py_interp *pytext_interp_of(const struct py_snapshot *snap, const struct py_thread *t);

/* The stack of @view's thread, and the frame @n of it. */
struct err *pytext_walk_to(const struct python_view *view, size_t n,
			   const struct py_snapshot **snap, const struct py_frame **ret) MUST_CHECK;

#endif
