/* SPDX-License-Identifier: MIT */
/*
 * Stacks of an inferior that runs while it is looked at.
 *
 * Reading twice and comparing does not tell a stack that held from one that was
 * pieced together: a loop comes back to the same frames in less time than a look
 * takes.  So a thread's stack counts only if the thread executed nothing from
 * before the first read to after the last (struct space, thread_rested): it waited,
 * or others had its processor.  Nobody else writes a thread's frames, nor frees the
 * code they run.  Reading twice and comparing is done all the same, and is what
 * there is where rest cannot be known.
 *
 * What threads share (lists, names, who holds the GIL) is each as of some instant.
 */
#include <string.h>

#include "qxfer/python/state.h"

/* Code objects are only sure to live while the thread that runs them rests. */
static void forget_codes(struct py_codes *c)
{
	for (size_t i = 0; i < c->nslots; i++)
		c->slot[i] = NULL;
	c->n = 0;
	c->last_file_text = NULL;
}

static uint64_t begin_rest(const struct py_walker *w, pid_t tid)
{
	const struct space *s = w->space;
	if (!s->thread_rest)
		return 1;
	return tid ? s->thread_rest(s->ctx, tid) : 0;
}

static bool end_rest(const struct py_walker *w, pid_t tid, uint64_t since)
{
	const struct space *s = w->space;
	return since && (!s->thread_rested || s->thread_rested(s->ctx, tid, since));
}

/* Reads the thread state again, and what it is doing. */
static struct err *read_once(struct py_walker *w, const struct py_interp *in,
			     struct py_thread *thread, bool *ret)
{
	struct obj ts;
	*ret = false;
	mem_invalidate(w->mem);
	thread->first_frame = w->py->snap.nframes;
	struct err *err = py_tstate_load(w, thread->addr, in->addr, &ts);
	if (err) {
		err_drop(err); /* it has ended, or is about to be another */
		return NULL;
	}
	*ret = obj_uint(&ts, w->off->tstate.thread_id, 8) == thread->ident;
	return *ret ? py_thread_read(w, &ts, thread) : NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_frame(const struct py_frame *a, const struct py_frame *b)
{
	return a->addr == b->addr && a->code_addr == b->code_addr && a->instr == b->instr &&
	       a->owner == b->owner && a->entry == b->entry;
}

static bool same_stack(const struct py_snapshot *snap, const struct py_thread *a,
		       const struct py_thread *b)
{
	if (a->nframes != b->nframes || a->c_stack != b->c_stack ||
	    !same_text(a->corrupt, b->corrupt))
		return false;
	for (size_t i = 0; i < a->nframes; i++)
		if (!same_frame(&snap->frames[a->first_frame + i],
				&snap->frames[b->first_frame + i]))
			return false;
	return true;
}

/* Reads the stack twice; *same: it was the same.  The first reading stays. */
static struct err *read_twice(struct py_walker *w, const struct py_interp *in,
			      struct py_thread *thread, bool *same)
{
	struct py_snapshot *snap = &w->py->snap;
	struct py_thread again = *thread;
	bool there;
	struct err *err = read_once(w, in, thread, &there);
	*same = false;
	if (err || !there)
		return err;
	size_t end = snap->nframes;
	err = read_once(w, in, &again, &there);
	if (err)
		return err;
	*same = there && same_stack(snap, thread, &again);
	snap->nframes = end;
	return py_frames_resolve(w, thread);
}

/* One try at a thread; *clean: what was read is what it was doing at one instant. */
static struct err *try_thread(struct py_walker *w, const struct py_interp *in,
			      struct py_thread *thread, bool *clean)
{
	uint64_t since = begin_rest(w, thread->tid);
	bool same;
	forget_codes(&w->py->codes);
	struct err *err = read_twice(w, in, thread, &same);
	*clean = end_rest(w, thread->tid, since) && same;
	return err;
}

static struct err *read_thread(struct py_walker *w, const struct py_interp *in,
			       struct py_thread *thread)
{
	const struct py_thread listed = *thread;
	size_t first = w->py->snap.nframes;
	bool clean = false;

	for (unsigned int i = 0; i < w->space->tries; i++) {
		w->py->snap.nframes = first;
		*thread = listed;
		struct err *err = try_thread(w, in, thread, &clean);
		if (err)
			return err;
		/* In the middle of a call: a moment later it will not be. */
		if (clean && !thread->corrupt)
			break;
	}
	/* No frame at all was one look at one word: there is nothing that may not fit. */
	thread->torn = !clean && (thread->nframes || thread->corrupt);
	return NULL;
}

/* ---- threads that ended meanwhile ---- */

/* Marks in @alive what of the interpreter's threads is on its list now; false: unreadable. */
static bool list_again(struct py_walker *w, const struct py_interp *in, bool *alive)
{
	const struct py_thread *t = &w->py->snap.threads[in->first_thread];
	size_t next = 0;
	uint64_t addr;

	memset(alive, 0, in->nthreads);
	mem_invalidate(w->mem);
	struct err *err = mem_ptr(w->mem, in->addr + w->off->interp.threads_head, &addr);
	for (size_t n = 0; !err && addr && n < 2ul * PY_THREADS_MAX; n++) {
		struct obj ts;
		err = py_tstate_load(w, addr, in->addr, &ts);
		if (err)
			break;
		size_t i = next; /* new threads come first, the others keep their order */
		while (i < in->nthreads && t[i].addr != addr)
			i++;
		if (i < in->nthreads) {
			alive[i] = obj_uint(&ts, w->off->tstate.thread_id, 8) == t[i].ident;
			next = i + 1;
		}
		addr = obj_uint(&ts, w->off->tstate.next, 8);
	}
	err_drop(err);
	return !err && !addr;
}

/* What was read of a thread state that is not on the list any more may be another's. */
static struct err *drop_ended(struct py_walker *w, struct py_interp *in)
{
	struct py_thread *t = &w->py->snap.threads[in->first_thread];
	bool *alive = arena_alloc(&w->py->texts, in->nthreads + 1);
	bool listed = false;
	size_t kept = 0;

	if (!alive)
		return &err_nomem;
	for (unsigned int i = 0; i < w->space->tries && !listed; i++)
		listed = list_again(w, in, alive);
	for (size_t i = 0; i < in->nthreads; i++) {
		if (listed && !alive[i])
			continue;
		t[i].torn |= !listed && t[i].nframes;
		t[kept++] = t[i];
	}
	w->py->snap.nthreads -= in->nthreads - kept;
	in->nthreads = kept;
	return NULL;
}

/* A name is believed if two looks at different times saw it. */
struct err *py_moving_names(struct py_walker *w, const struct py_interp *in)
{
	struct py_thread *t = &w->py->snap.threads[in->first_thread];
	const char **first = arena_alloc(&w->py->texts, (in->nthreads + 1) * sizeof(*first));

	if (!first)
		return &err_nomem;
	mem_invalidate(w->mem);
	py_names_read(w, in);
	for (size_t i = 0; i < in->nthreads; i++) {
		first[i] = t[i].name;
		t[i].name = NULL;
	}
	mem_invalidate(w->mem);
	py_names_read(w, in);
	for (size_t i = 0; i < in->nthreads; i++)
		if (!same_text(first[i], t[i].name))
			t[i].name = NULL;
	return NULL;
}

struct err *py_moving_read(struct py_walker *w, struct py_interp *in)
{
	struct err *err = NULL;
	for (size_t i = 0; i < in->nthreads && !err; i++)
		err = read_thread(w, in, &w->py->snap.threads[in->first_thread + i]);
	return err ? err : drop_ended(w, in);
}
