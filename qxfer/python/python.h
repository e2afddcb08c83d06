/* SPDX-License-Identifier: MIT */
/*
 * CPython's stacks, read from outside: what every Python thread of an inferior
 * is doing, from its memory alone.
 *
 * If the inferior is stopped the stacks are exact, and of one instant.  If it runs
 * (space->tries) each is of an instant of its own, or marked as torn.  Nothing is
 * ever written to it.  Served are 3.6 to 3.15 (see offsets_table.c); a newer version
 * is tried by the offsets it describes itself and marked unverified.
 */
#ifndef QXFER_PYTHON_PYTHON_H
#define QXFER_PYTHON_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "stub/base/err.h"
#include "stub/base/space.h"

/* Bounds on what one snapshot may hold, whatever the inferior's memory says. */
#define PY_FRAMES_MAX	  100000u /* of one thread */
#define PY_ALL_FRAMES_MAX 400000u /* of all threads */
#define PY_THREADS_MAX	  10000u
#define PY_INTERPS_MAX	  256u

enum py_owner {
	PY_OWNER_THREAD,       /* an ordinary call, on the thread's data stack */
	PY_OWNER_GENERATOR,    /* a generator, a coroutine or an async generator */
	PY_OWNER_FRAME_OBJECT, /* outlived its call; not seen on a thread's stack */
};

/* A place in a source file, as co_positions() gives it. */
struct py_position {
	int32_t line, end_line;	    /* -1: none */
	int32_t column, end_column; /* bytes of UTF-8 from the line's start, 0..; -1: none */
};

struct py_code;

struct py_frame {
	uint64_t addr;			    /* of the _PyInterpreterFrame; to 3.10 PyFrameObject */
	uint64_t code_addr;		    /* of the PyCodeObject */
	uint64_t instr;			    /* its instruction pointer, as the version keeps it */
	const char *name, *qualname, *file; /* UTF-8, never NULL; "<corrupt: why>" if unreadable */
	int32_t first_line;		    /* of the function; 0 if unreadable */
	int32_t lasti; /* byte offset of the current instruction; -1: not known */
	struct py_position pos;
	uint64_t c_frame; /* an address in the C frame of the loop that runs it; 0: not known */
	uint32_t depth;	  /* 0: innermost of its tid, whatever the state; see py_thread.merged */
	enum py_owner owner;
	/* Of python_find_called(): a function of C that it calls, and the object bound to that. */
	uint64_t called, called_self; /* 0: none, or not known */
	bool entry;	 /* called by C: C frames lie between this one and the next; all to 3.10 */
	bool incomplete; /* its function has not begun; locals are not set up.  Not to 3.10 */
	bool corrupt;	 /* the code object could not be read */
	bool qualified;	 /* qualname is not just name, which it is to 3.10 */
};

struct py_thread {
	uint64_t addr;	      /* of the PyThreadState */
	uint64_t ident;	      /* threading.get_ident() */
	uint64_t native_id;   /* as the inferior sees its thread id; 0: not recorded */
	pid_t tid;	      /* the operating system's thread; 0: none has this ident */
	const char *name;     /* what the threading module calls it, or NULL */
	bool gil;	      /* holds its interpreter's GIL */
	bool gil_wanted;      /* waits for it; the interpreter's gil_holder has it */
	bool collects;	      /* the one that runs its interpreter's garbage collection */
	const char *raising;  /* type of the exception being raised, or NULL */
	const char *handling; /* type of the exception being handled, or NULL */
	bool shared;	      /* other states with frames are of the same tid */
	bool merged;	      /* and it is known how their frames lie; py_frame.depth tells */
	uint64_t c_stack;     /* an address in its innermost evaluation loop's C frame, or 0 */
	size_t first_frame, nframes; /* in py_snapshot.frames, innermost first */
	const char *corrupt;	     /* why the frames end early, or NULL */
	bool torn; /* of an inferior that runs: it never stood still, so the frames may not fit */
};

struct py_interp {
	uint64_t addr; /* of the PyInterpreterState */
	int64_t id;
	bool gc;		       /* a garbage collection is running */
	uint64_t gil;		       /* address of its struct _gil_runtime_state, or 0 */
	uint64_t gil_holder;	       /* the PyThreadState that holds the GIL, or 0 */
	uint64_t stopper;	       /* free-threaded: that for which the others wait, or 0 */
	size_t first_thread, nthreads; /* in py_snapshot.threads */
	const char *corrupt;	       /* why the threads end early, or NULL */
};

struct py_snapshot {
	uint64_t runtime;     /* address of _PyRuntime; 3.6: of interp_head */
	uint32_t version_hex; /* PY_VERSION_HEX of the inferior's Python */
	char version[24];     /* "3.13.0", "3.15.0rc1", or "3.12" if only that is known */
	bool verified;	      /* this version and build was tested; false: it is newer, or rare */
	const char *found_by; /* what led to the runtime, for a log */
	struct py_interp *interps;
	size_t ninterps;
	struct py_thread *threads; /* by interpreter */
	size_t nthreads;
	struct py_frame *frames;
	size_t nframes;
	const char *corrupt; /* why the interpreters end early, or NULL */
	unsigned int tries;  /* 0: the inferior stood still; else see struct space */
};

struct py_walk {
	pid_t tid;	     /* only this thread's frames; 0: every thread's */
	uint32_t max_frames; /* of each thread; 0: PY_FRAMES_MAX */
	bool in_passing;     /* nobody asked for Python: no names, no hard search at every stop */
};

/*
 * Keeps between stops where the runtime is and what the code objects say.  One
 * for each inferior, or one for all: a change of space->epoch empties it.
 */
struct python;

struct jit; /* qxfer/jit/jit.h */

struct err *python_create(struct python **ret) MUST_CHECK;
void python_destroy(struct python *py);
/* How native frames go on in code that has no unwind tables; borrowed, NULL: not at all. */
void python_set_jit(struct python *py, struct jit *jit);

/*
 * Finds where the runtime is, which is most of a first walk's work and needs nobody to
 * stand still; walks of the same space->epoch then begin with it.  Errors as those of
 * python_walk(), which tries again.
 */
struct err *python_find(struct python *py, const struct space *space) MUST_CHECK;

/*
 * Walks the stacks of @space.  ERR_NOT_FOUND: no Python there, or not yet;
 * ERR_BAD_DATA: a Python that is not served, the text says which.  Past that
 * everything that can be read is an answer.
 * *ret is lent by @py until the next call.
 */
struct err *python_walk(struct python *py, const struct space *space, const struct py_walk *walk,
			const struct py_snapshot **ret) MUST_CHECK;

struct py_limits;
struct py_values;

/*
 * Makes *ret ready to show values of the space last walked; see values.h.  To be
 * ended in any case, and before that space changes.  ERR_STATE: the inferior runs,
 * and a value may be changed while it is read, by any thread.
 */
struct err *python_values(struct python *py, const struct space *space,
			  const struct py_limits *limits, struct py_values *ret) MUST_CHECK;

#endif
