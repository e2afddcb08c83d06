/* SPDX-License-Identifier: MIT */
/*
 * What a `struct python` is made of; for the files of this folder only.
 */
#ifndef QXFER_PYTHON_STATE_H
#define QXFER_PYTHON_STATE_H

#include "qxfer/python/builds.h"
#include "qxfer/python/code.h"
#include "qxfer/python/lookup.h"
#include "qxfer/python/python.h"
#include "qxfer/python/runtime.h"

#define PY_PATH_MAX 1024u /* of what is remembered of one */

/* Where the source of a frozen module lies, and of which that was asked last. */
struct py_frozen {
	uint64_t generation; /* of the memory it was read from */
	char name[PY_PATH_MAX], path[PY_PATH_MAX];
};

/* A live thread by its thread pointer, for looking up idents. */
struct py_tp {
	uint64_t tp;
	pid_t tid;
};

/* A thread by the id that the inferior sees, where thread pointers are not known. */
struct py_inner {
	pid_t inner, tid;
};

struct py_names {
	struct py_lookup threading, active, name;
};

struct python {
	uint64_t epoch; /* of the space that the following is about */
	bool found;	/* rt is valid */
	/* Fingerprints of the mappings in which there is no Python: looked for hard, or not. */
	uint64_t absent, not_seen;
	uint64_t print, printed; /* of the mappings, and the generation of memory it was made in */
	unsigned int looks;	 /* how often mappings without Python were looked through */
	struct py_runtime rt;
	struct py_builds builds; /* of any process */

	struct py_codes codes;
	uint64_t codes_key;	   /* of the state in which codes are valid */
	uint64_t codes_generation; /* of the memory they were read from */

	struct arena texts; /* what the snapshot says in words */
	struct py_tp *tps;  /* sorted by tp */
	size_t ntps, tps_cap;
	struct py_inner *inners; /* sorted by inner */
	size_t ninners, inners_cap;

	struct py_names names;
	struct py_frozen frozen;
	struct py_mixer *mixer; /* made when native frames are first asked for, or NULL */
	struct jit *jit;	/* for them; borrowed, or NULL */

	struct py_snapshot snap;
	/* The walk that snap holds, to be given again within the same stop. */
	bool snap_valid;
	struct py_walk snap_walk;
	uint64_t snap_generation;
	const struct mem *snap_mem;
	size_t snap_nthreads;
	size_t interps_cap, threads_cap, frames_cap;
};

/* One walk over one space. */
struct py_walker {
	struct python *py;
	const struct space *space;
	struct mem *mem;
	const struct py_offsets *off;
	struct py_walk walk;
	size_t frames_read;  /* of all threads, whatever for; see py_frame_read() */
	uint64_t frame_type; /* to 3.10: of frame objects, once one was seen */
	size_t frames_tried; /* of those, to find out whether a chain is the right one */
};

/* What a frame says of itself, unchecked. */
struct py_raw_frame {
	uint64_t code, previous, instr;
	unsigned int owner;
	bool is_entry; /* to 3.11 */
	bool idle;     /* to 3.10: a generator's, while no loop evaluates it */
};

/*
 * Fails when the frame cannot be one, and for all frames once more were read than
 * any walk needs: threads of a hostile memory may share one chain without end.
 */
struct err *py_frame_read(struct py_walker *w, uint64_t addr, struct py_raw_frame *ret) MUST_CHECK;

/*
 * The frame at @addr, which need not be on any thread's stack, with its name and place.
 * ERR_NOT_FOUND: it is one of the interpreter's own.
 */
struct err *py_frame_single(struct py_walker *w, uint64_t addr, struct py_frame *ret) MUST_CHECK;

/* What was seen on the way down a chain of frames. */
struct py_chain {
	size_t n; /* frames, shims too */
	bool shim_first, shim_last;
	uint64_t first_previous; /* where the innermost frame points */
	bool level_ended;	 /* the first frame of the innermost evaluation loop was seen */
	uint64_t level_previous; /* and where it points: the frame that called that loop */
	bool cut;		 /* not followed to its end because no more was wanted */
	bool damaged;		 /* not followed to its end because it could not be */
	bool idle_last;		 /* py_raw_frame.idle of the last one seen */
};

void py_chain_note(const struct py_offsets *off, struct py_chain *c,
		   const struct py_raw_frame *raw);

/* Where a thread's frames begin, and what can tell whether they do. */
struct py_top {
	pid_t tid;
	uint64_t thread;	   /* the PyThreadState */
	uint64_t frame;		   /* the innermost frame, or 0 */
	uint64_t cframe;	   /* 3.11, 3.12: the innermost _PyCFrame, else 0 */
	uint64_t caller;	   /* the frame that called its evaluation loop */
	uint64_t stack, stack_top; /* the newest chunk of the data stack and its free part; or 0 */
};

/* Reads it from the thread state @ts. */
struct err *py_top_find(struct py_walker *w, struct obj *ts, pid_t tid,
			struct py_top *ret) MUST_CHECK;

/* Whether the chain is one that CPython leaves behind between two instructions. */
bool py_top_is_whole(const struct py_walker *w, const struct py_top *top,
		     const struct py_chain *chain);

/*
 * A stop may fall between the stores that enter or leave a frame.  Finds the
 * frame to begin with instead of @top's, as the thread stood just before or will
 * stand just after; false if there is none better.
 */
bool py_top_instead(struct py_walker *w, const struct py_top *top, const struct py_chain *chain,
		    uint64_t *ret);

/*
 * Appends to the snapshot the frames of @thread from @top on, without what needs
 * their code objects.  Only ERR_NOMEM.
 */
struct err *py_frames_collect(struct py_walker *w, struct py_thread *thread,
			      const struct py_top *top) MUST_CHECK;

/*
 * Fills in names and places of a collected thread's frames, and takes out those
 * that are not Python's own.  Only ERR_NOMEM.
 */
struct err *py_frames_resolve(struct py_walker *w, struct py_thread *thread) MUST_CHECK;

/*
 * Several thread states, each of its own interpreter, may belong to one thread of
 * the operating system: then gives their frames the place in the stack that they
 * make together.  Only ERR_NOMEM.
 */
struct err *py_stacks_merge(struct py_walker *w) MUST_CHECK;

/* ---- threads.c: which of the operating system's threads a thread state is of ---- */

/* Makes the space's threads ready to be found.  Only ERR_NOMEM. */
struct err *py_threads_index(struct py_walker *w) MUST_CHECK;

/* The thread whose pthread_self() is @ident, native id @native_id (0: not recorded); 0: none. */
pid_t py_threads_find(struct py_walker *w, uint64_t ident, uint64_t native_id);

/* ---- snapshot.c ---- */

/* Copies the thread state at @addr, if it is one of @interp. */
struct err *py_tstate_load(struct py_walker *w, uint64_t addr, uint64_t interp,
			   struct obj *ts) MUST_CHECK;

/* Appends what the thread is doing, and fills in @thread.  Only ERR_NOMEM. */
struct err *py_thread_read(struct py_walker *w, struct obj *ts,
			   struct py_thread *thread) MUST_CHECK;

/* ---- moving.c: an inferior that runs while it is looked at ---- */

/*
 * Reads the threads of @in that were listed.  Each as it was at some instant, and
 * marked as torn if that could not be had; those that ended meanwhile are taken
 * out.  Only ERR_NOMEM.
 */
struct err *py_moving_read(struct py_walker *w, struct py_interp *in) MUST_CHECK;

/* py_names_read() of names that may change meanwhile.  Only ERR_NOMEM. */
struct err *py_moving_names(struct py_walker *w, const struct py_interp *in) MUST_CHECK;

/* Gives the threads of @in the names that the threading module knows. */
void py_names_read(struct py_walker *w, const struct py_interp *in);

/* Whether @addr is what waiters for @in's GIL wait on. */
bool py_gil_has(const struct py_walker *w, const struct py_interp *in, uint64_t addr);
/* Whether the thread waits for @in's GIL, which another one holds. */
bool py_gil_wanted(const struct py_walker *w, const struct py_interp *in, pid_t tid);

/* Says in the snapshot why something ends early; NULL means out of memory.  Drops @err. */
const char *py_reason(struct py_walker *w, struct err *err);

/*
 * Brent's cycle finding over a foreign list: remember one element, and a later
 * one each time the distance has doubled.
 */
struct py_brent {
	uint64_t mark;
	size_t since, limit;
	size_t n; /* what was collected when the mark was set; so the period, when seen again */
};

static inline bool py_brent_seen(struct py_brent *b, uint64_t addr, size_t n)
{
	b->since++;
	if (addr == b->mark)
		return true;
	if (b->since >= b->limit) {
		b->mark = addr;
		b->since = 0;
		b->limit = b->limit ? b->limit * 2 : 1;
		b->n = n;
	}
	return false;
}

void py_mixer_free(struct py_mixer *mx);

/* Makes room for one more element; for arrays that count in @n and @cap. */
struct err *py_array_grow(void **array, size_t n, size_t *cap, size_t size) MUST_CHECK;

#endif
