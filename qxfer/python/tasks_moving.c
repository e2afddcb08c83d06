/* SPDX-License-Identifier: MIT */
/*
 * Tasks of an inferior that runs while it is looked at.
 *
 * Whatever tasks are made of is only changed by a thread that has the GIL.  Whoever
 * takes it notes itself as its last holder before it does anything, and nobody takes
 * that back (take_gil(), Python/ceval_gil.c; to 3.11 .h).  So if the last holder is the
 * same before anything was read and after all was, and that thread executed nothing in
 * between (struct space, thread_rested), then no Python ran: what was read is as if the
 * process had been stopped.
 */
#include "qxfer/python/tasks_priv.h"

static bool last_holder(struct task_reader *r, const struct py_interp *in, uint64_t *ret)
{
	uint32_t at = r->w->off->gil.last_holder;
	mem_invalidate(r->w->mem);
	return in->gil && at != PY_NONE &&
	       mem_read_some(r->w->mem, in->gil + at, ret, sizeof(*ret)) == sizeof(*ret) && *ret;
}

static pid_t thread_of(const struct py_snapshot *snap, uint64_t tstate)
{
	for (size_t i = 0; i < snap->nthreads; i++)
		if (snap->threads[i].addr == tstate)
			return snap->threads[i].tid;
	return 0;
}

static bool begin_one(struct task_reader *r, const struct py_snapshot *snap,
		      const struct py_interp *in, struct task_quiet_interp *ret)
{
	const struct space *s = r->w->space;
	uint64_t again;
	*ret = (struct task_quiet_interp){ 0 };
	if (!s->thread_rest || !s->thread_rested || !last_holder(r, in, &ret->holder))
		return false;
	ret->gil = *in;
	ret->tid = thread_of(snap, ret->holder);
	ret->since = ret->tid ? s->thread_rest(s->ctx, ret->tid) : 0;
	return ret->since && last_holder(r, in, &again) && again == ret->holder;
}

static bool end_one(struct task_reader *r, const struct task_quiet_interp *q)
{
	const struct space *s = r->w->space;
	uint64_t now;
	if (!q->since)
		return false;
	bool same = last_holder(r, &q->gil, &now) && now == q->holder;
	/* To be called in any case: see struct space. */
	return s->thread_rested(s->ctx, q->tid, q->since) && same;
}

void task_quiet_begin(struct task_reader *r, const struct py_snapshot *snap, struct task_quiet *q)
{
	*q = (struct task_quiet){ .whole = !(r->w->off->build & PY_BUILD_FREE_THREADED) &&
					   snap->ninterps && snap->ninterps <= TASK_QUIET_MAX };
	for (size_t i = 0; q->whole && i < snap->ninterps; i++)
		q->whole = begin_one(r, snap, &snap->interps[i], &q->interp[q->n++]);
}

bool task_quiet_end(struct task_reader *r, struct task_quiet *q)
{
	bool whole = q->whole;
	for (size_t i = 0; i < q->n; i++)
		whole = end_one(r, &q->interp[i]) && whole;
	return whole && r->t->snap->ninterps == q->n;
}
