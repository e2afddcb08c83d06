/* SPDX-License-Identifier: MIT */
/*
 * Locks of an inferior that runs while it is looked at.
 *
 * A thread that waits executes nothing: it is asked before anything is read whether it
 * rests, and at the end whether it has rested ever since; else its wait does not count.
 * What is read of a holder in between counts if that thread executed nothing while it
 * was read, with the frames that it had in the snapshot.  So at the instant at which
 * the one held the lock the other waited for it, and all waits that are shown were
 * there at one time.
 */
#include "qxfer/python/locks_priv.h"

uint64_t lck_rest(const struct py_locker *l, pid_t tid)
{
	const struct space *s = l->w.space;
	if (!s->thread_rest)
		return 1;
	return tid ? s->thread_rest(s->ctx, tid) : 0;
}

bool lck_rested(const struct py_locker *l, pid_t tid, uint64_t since)
{
	const struct space *s = l->w.space;
	return since && (!s->thread_rested || s->thread_rested(s->ctx, tid, since));
}

bool lck_is_unmoved(struct py_locker *l, const struct py_thread *t)
{
	mem_invalidate(l->w.mem);
	for (size_t i = 0; i < t->nframes; i++) {
		const struct py_frame *f = &l->out->snap->frames[t->first_frame + i];
		struct py_raw_frame raw;
		struct err *err = py_frame_read(&l->w, f->addr, &raw);
		if (err) {
			err_drop(err);
			return false;
		}
		if (raw.code != f->code_addr || raw.instr != f->instr)
			return false;
	}
	return !t->torn;
}

struct err *lck_claims_moving(struct py_locker *l, const struct py_thread *t)
{
	size_t n = l->nclaims;
	bool whole = false;
	for (unsigned int i = 0; i < l->w.space->tries && !whole; i++) {
		struct err *err = NULL;
		uint64_t since = lck_rest(l, t->tid);
		bool same = lck_is_unmoved(l, t);
		l->nclaims = n;
		if (same)
			err = lck_claims_of(l, t);
		whole = lck_rested(l, t->tid, since) && same;
		if (err)
			return err;
		if (!same)
			break; /* nor will it be again */
	}
	if (!whole)
		l->nclaims = n;
	return NULL;
}
