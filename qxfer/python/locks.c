/* SPDX-License-Identifier: MIT */
/*
 * Waits, holders and cycles put together.
 */
#include "qxfer/python/locks_priv.h"

#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

const char *py_wait_name(enum py_wait_kind kind)
{
	static const char *const names[] = {
		[PY_WAIT_NOTHING] = "nothing",	   [PY_WAIT_GIL] = "gil",
		[PY_WAIT_LOCK] = "lock",	   [PY_WAIT_RLOCK] = "rlock",
		[PY_WAIT_THREAD] = "thread",	   [PY_WAIT_IMPORT] = "import",
		[PY_WAIT_CONDITION] = "condition", [PY_WAIT_EVENT] = "event",
		[PY_WAIT_SEMAPHORE] = "semaphore", [PY_WAIT_BARRIER] = "barrier",
		[PY_WAIT_QUEUE] = "queue",	   [PY_WAIT_FUTURE] = "future",
		[PY_WAIT_OTHER] = "other",
	};
	return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : "other";
}

const char *py_held_name(enum py_held held)
{
	static const char *const names[] = {
		[PY_HELD_OWNER] = "owner",
		[PY_HELD_WITH] = "with",
		[PY_HELD_ALIVE] = "alive",
		[PY_HELD_MAYBE] = "maybe",
	};
	return (size_t)held < ARRAY_SIZE(names) ? names[held] : "maybe";
}

/* ---- waits ---- */

/* A thread with several states waits in the innermost. */
static bool is_outer_state(const struct py_locker *l, const struct py_thread *t)
{
	return lck_by_ident(l, t->ident) != t;
}

static struct err *add_text(struct py_locker *l, struct py_wait *wait)
{
	if (wait->text)
		return NULL;
	wait->text = wait->object ? lck_text(l, wait->object) : "";
	return wait->text ? NULL : &err_nomem;
}

/* Of each of the snapshot's threads that waits for something a number for lck_rested(). */
static uint64_t *begin_rests(struct py_locker *l)
{
	const struct py_snapshot *snap = l->out->snap;
	const struct space *s = l->w.space;
	struct space_syscall call;
	uint64_t *since = calloc(snap->nthreads + 1, sizeof(*since));
	for (size_t i = 0; since && s->tries && s->thread_syscall && i < snap->nthreads; i++)
		if (snap->threads[i].tid && s->thread_syscall(s->ctx, snap->threads[i].tid, &call))
			since[i] = lck_rest(l, snap->threads[i].tid);
	return since;
}

static uint64_t since_of(const struct py_locker *l, const uint64_t *since,
			 const struct py_thread *t)
{
	return since[t - l->out->snap->threads];
}

/* Takes out the waits of threads that did anything since. */
static void end_rests(struct py_locker *l, const uint64_t *since)
{
	struct py_locks *out = l->out;
	size_t kept = 0;
	for (size_t i = 0; i < out->nwaits; i++) {
		const struct py_thread *t = out->wait[i].thread;
		if (!l->w.space->tries || lck_rested(l, t->tid, since_of(l, since, t)))
			out->wait[kept++] = out->wait[i];
	}
	out->nwaits = kept;
}

/* Appends what @t waits for, if it does, and to @lock the lock of that. */
static struct err *find_wait(struct py_locker *l, const struct py_thread *t, struct lck_lock *lock)
{
	struct py_locks *out = l->out;
	struct py_wait wait = { .thread = t };
	struct lck_lock found = { 0 };
	lck_wait(l, &wait, &found);
	if (wait.kind == PY_WAIT_NOTHING)
		return NULL;
	struct err *err = add_text(l, &wait);
	if (!err)
		err = py_array_grow((void **)&out->wait, out->nwaits, &out->waits_cap,
				    sizeof(*out->wait));
	if (err)
		return err;
	lock[out->nwaits] = found;
	out->wait[out->nwaits++] = wait;
	return NULL;
}

static int compare_threads(const void *a, const void *b)
{
	const struct py_thread *x = *(const struct py_thread *const *)a;
	const struct py_thread *y = *(const struct py_thread *const *)b;
	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Whether what is read of the thread now is worth something. */
static bool is_to_be_asked(struct py_locker *l, const struct py_thread *t, const uint64_t *since)
{
	if (is_outer_state(l, t))
		return false;
	return !l->w.space->tries || (since_of(l, since, t) && lck_is_unmoved(l, t));
}

/* The waits of all threads, and the lock of each in @lock. */
static struct err *find_waits(struct py_locker *l, const uint64_t *since, struct lck_lock *lock)
{
	const struct py_snapshot *snap = l->out->snap;
	const struct py_thread **thread = calloc(snap->nthreads + 1, sizeof(struct py_thread *));
	struct err *err = thread ? NULL : &err_nomem;
	size_t n = 0;
	for (size_t i = 0; i < snap->nthreads && !err; i++)
		if (is_to_be_asked(l, &snap->threads[i], since))
			thread[n++] = &snap->threads[i];
	if (n)
		qsort((void *)thread, n, sizeof(struct py_thread *), compare_threads);
	for (size_t i = 0; i < n && !err; i++)
		err = find_wait(l, thread[i], lock);
	free((void *)thread);
	return err;
}

static void find_holders(struct py_locker *l, const struct lck_lock *lock)
{
	for (size_t i = 0; i < l->out->nwaits; i++) {
		struct py_wait *w = &l->out->wait[i];
		if (w->kind != PY_WAIT_LOCK && w->kind != PY_WAIT_RLOCK)
			continue;
		w->owner = lock[i].owner;
		lck_holders(l, &lock[i], w);
	}
}

/* ---- cycles ---- */

/* The one thread that @wait depends on, if it is known; NULL: none, or one of several. */
static const struct py_holder *depends_on(const struct py_wait *wait)
{
	return wait->nholders == 1 ? &wait->holder[0] : NULL;
}

static const struct py_wait *wait_of(const struct py_locks *l, const struct py_thread *t)
{
	for (size_t i = 0; i < l->nwaits; i++)
		if (l->wait[i].thread == t || (t->tid && l->wait[i].thread->tid == t->tid))
			return &l->wait[i];
	return NULL;
}

/* For each wait the number of the one it depends on, SIZE_MAX: none. */
static void link_waits(const struct py_locks *l, size_t *next)
{
	for (size_t i = 0; i < l->nwaits; i++) {
		const struct py_holder *h = depends_on(&l->wait[i]);
		const struct py_wait *w = h ? wait_of(l, h->thread) : NULL;
		next[i] = w ? (size_t)(w - l->wait) : SIZE_MAX;
	}
}

static struct err *add_cycle(struct py_locks *l, const size_t *next, size_t from)
{
	struct py_cycle c = { .n = 1, .certain = true };
	for (size_t i = next[from]; i != from; i = next[i])
		c.n++;
	const struct py_wait **wait = arena_alloc(&l->arena, c.n * sizeof(struct py_wait *));
	struct err *err =
		wait ? py_array_grow((void **)&l->cycle, l->ncycles, &l->cycles_cap, sizeof(c))
		     : &err_nomem;
	if (err)
		return err;
	for (size_t k = 0, i = from; k < c.n; k++, i = next[i]) {
		wait[k] = &l->wait[i];
		c.certain = c.certain && depends_on(wait[k])->held != PY_HELD_MAYBE;
		c.timed = c.timed || wait[k]->timed;
	}
	c.wait = wait;
	l->cycle[l->ncycles++] = c;
	return NULL;
}

/* Each wait depends on one other at most, so the walk from each ends in at most one cycle. */
static struct err *find_cycles(struct py_locks *l)
{
	size_t *next = calloc(2 * l->nwaits + 1, sizeof(*next));
	struct err *err = next ? NULL : &err_nomem;
	if (err)
		return err;
	size_t *seen = next + l->nwaits; /* 1 + the number of the walk that came by */
	link_waits(l, next);
	for (size_t i = 0; i < l->nwaits && !err; i++) {
		size_t at = i;
		while (at != SIZE_MAX && !seen[at]) {
			seen[at] = i + 1;
			at = next[at];
		}
		if (at != SIZE_MAX && seen[at] == i + 1)
			err = add_cycle(l, next, at);
	}
	free(next);
	return err;
}

/* ---- all of it ---- */

static struct err *find_all(struct py_locker *l)
{
	struct lck_lock *lock = calloc(l->out->snap->nthreads + 1, sizeof(*lock));
	uint64_t *since = begin_rests(l);
	struct err *err = lock && since ? lck_claims(l) : &err_nomem;
	if (!err)
		err = find_waits(l, since, lock);
	if (!err) {
		find_holders(l, lock);
		end_rests(l, since);
		err = find_cycles(l->out);
	}
	free(lock);
	free(since);
	if (!l->v.reads)
		l->out->incomplete = "more reads than are allowed";
	return err;
}

struct err *python_locks(struct python *py, const struct space *space, struct py_locks *ret)
{
	struct py_locker l = { .out = ret };
	const struct py_limits limits = { .depth = 1, .reads = LCK_READS };
	*ret = (struct py_locks){ 0 };
	struct err *err = python_walk(py, space, NULL, &ret->snap);
	if (err)
		return err;
	l.w = (struct py_walker){ .py = py, .space = space, .mem = space->mem, .off = &py->rt.off };
	l.lay = py_lock_layout_find(l.w.off);
	if (!l.lay)
		return err_new(ERR_BAD_DATA, "the locks of Python %s are not supported",
			       ret->snap->version);
	err = py_values_begin(space->mem, py->rt.addr, l.w.off, &limits, &l.v);
	l.v.reads = LCK_READS;
	if (!err)
		err = find_all(&l);
	py_values_end(&l.v);
	free(l.claim);
	buf_deinit(&l.table);
	return err;
}

void py_locks_free(struct py_locks *l)
{
	free(l->wait);
	free(l->cycle);
	arena_deinit(&l->arena);
	*l = (struct py_locks){ 0 };
}
