/* SPDX-License-Identifier: MIT */
/*
 * What a `struct python` is made of; for the files of this folder only.
 */
#ifndef QXFER_PYTHON_STATE_H
#define QXFER_PYTHON_STATE_H

#include "qxfer/python/code.h"
#include "qxfer/python/python.h"
#include "qxfer/python/runtime.h"

/* A live thread by its thread pointer, for looking up idents. */
struct py_tp {
	uint64_t tp;
	pid_t tid;
};

struct python {
	uint64_t epoch;	 /* of the space that the following is about */
	bool found;	 /* rt is valid */
	uint64_t absent; /* fingerprint of the mappings in which there is no Python, or 0 */
	struct py_runtime rt;

	struct py_codes codes;
	uint64_t codes_key;	   /* of the state in which codes are valid */
	uint64_t codes_generation; /* of the memory they were read from */

	struct arena texts; /* what the snapshot says in words */
	struct py_tp *tps;  /* sorted by tp */
	size_t ntps, tps_cap;

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
};

/*
 * Appends to the snapshot the frames of @thread from @frame on, without what
 * needs their code objects.  Only ERR_NOMEM.
 */
struct err *py_frames_collect(struct py_walker *w, struct py_thread *thread,
			      uint64_t frame) MUST_CHECK;

/*
 * Fills in names and places of a collected thread's frames, and takes out those
 * that are not Python's own.  Only ERR_NOMEM.
 */
struct err *py_frames_resolve(struct py_walker *w, struct py_thread *thread) MUST_CHECK;

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

/* Makes room for one more element; for arrays that count in @n and @cap. */
struct err *py_array_grow(void **array, size_t n, size_t *cap, size_t size) MUST_CHECK;

#endif
