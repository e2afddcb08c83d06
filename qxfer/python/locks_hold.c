/* SPDX-License-Identifier: MIT */
/*
 * Who holds what.
 *
 * An RLock names its owner.  A lock does not, so who is inside a with statement of
 * it is looked for on all stacks, through Condition, which passes both on to its
 * lock, and through functions made context managers by contextlib, whose
 * generator's frame has the with statements of its own.
 */
#include "qxfer/python/locks_priv.h"

#include <string.h>

#define RELEASED_MAX 16u
#define NEST_MAX     4u /* generators of context managers, one within the other */
#define EXITS_MAX    64u

/* ---- threads ---- */

/* Of two states of one thread the one whose C frames are further in. */
static bool is_inner(const struct py_thread *a, const struct py_thread *b)
{
	if (!a->nframes != !b->nframes)
		return a->nframes != 0;
	return a->c_stack < b->c_stack;
}

const struct py_thread *lck_by_ident(const struct py_locker *l, uint64_t ident)
{
	const struct py_snapshot *snap = l->out->snap;
	const struct py_thread *found = NULL;
	for (size_t i = 0; ident && i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		if (t->ident == ident && (!found || is_inner(t, found)))
			found = t;
	}
	return found;
}

/* ---- claims ---- */

/* One thread while its frames are looked through, innermost first. */
struct thread_scan {
	struct py_locker *l;
	const struct py_thread *thread;
	/* Locks that a Condition.wait() further in has given back for as long as it waits. */
	uint64_t released[RELEASED_MAX];
	size_t nreleased;
	const struct py_frame *frame;
	int32_t line;
	bool sure; /* no class in between of which only the name is known */
	struct err *err;
};

static bool is_released(const struct thread_scan *s, uint64_t lock)
{
	for (size_t i = 0; i < s->nreleased; i++)
		if (s->released[i] == lock)
			return true;
	return false;
}

static void add_claim(struct thread_scan *s, uint64_t lock)
{
	struct py_locker *l = s->l;
	if (s->err || is_released(s, lock))
		return;
	s->err = py_array_grow((void **)&l->claim, l->nclaims, &l->claims_cap, sizeof(*l->claim));
	if (s->err)
		return;
	l->claim[l->nclaims++] = (struct lck_claim){
		.object = lock,
		.by = { s->thread, s->sure ? PY_HELD_WITH : PY_HELD_MAYBE, s->frame, s->line },
	};
}

static bool claim_attribute(void *arg, uint64_t value)
{
	struct thread_scan *s = arg;
	struct lck_lock lock;
	if (lck_lock(s->l, value, &lock) || lck_condition_lock(s->l, value, &lock))
		add_claim(s, lock.object);
	return !s->err;
}

static void claim_manager(struct thread_scan *s, uint64_t manager, unsigned int nest);

static void claim_generator(struct thread_scan *s, uint64_t generator, unsigned int nest)
{
	struct lck_with with[LCK_WITHS_MAX];
	struct py_frame f;
	if (nest >= NEST_MAX || !lck_generator_frame(s->l, generator, &f))
		return;
	size_t n = lck_withs(s->l, &f, with);
	for (size_t i = 0; i < n; i++)
		claim_manager(s, with[i].manager, nest + 1);
}

/* To 3.7 what is to be called is a function, with the manager in an attribute. */
static uint64_t exit_self(struct py_locker *l, uint64_t item)
{
	uint64_t callback = item;
	if (lck_is(l, item, "tuple")) {
		struct err *err = val_word(&l->v, item + 8, l->v.lay.tuple.items, &callback);
		err_drop(err);
		if (err)
			return 0;
	}
	return lck_is_unbound(l, callback, "_exit_wrapper")
		       ? lck_attr(l, callback, "__self__")
		       : lck_bound_self(l, callback, "__exit__");
}

/*
 * contextlib.ExitStack keeps what it will call in a deque, from 3.7 on as {is_sync,
 * method}; collections' deque has 64 items a block, between two links.
 */
static void claim_exit_stack(struct thread_scan *s, uint64_t deque, unsigned int nest)
{
	struct py_values *v = &s->l->v;
	uint64_t n, block, index, item;
	if (nest >= NEST_MAX || !lck_is(s->l, deque, "deque"))
		return;
	struct err *err = val_word(v, deque, v->off->object.var_size, &n);
	if (!err)
		err = val_word(v, deque, v->lay.deque.leftblock, &block);
	if (!err)
		err = val_word(v, deque, v->lay.deque.leftindex, &index);
	for (uint64_t i = 0; !err && i < n && i < EXITS_MAX && index < 64; i++) {
		err = val_word(v, block + 8 + 8 * index, 0, &item);
		if (!err)
			claim_manager(s, exit_self(s->l, item), nest + 1);
		if (!err && ++index == 64) {
			index = 0;
			err = val_word(v, block + 8 + 8 * 64ul, 0, &block);
		}
	}
	err_drop(err);
}

static void claim_manager(struct thread_scan *s, uint64_t manager, unsigned int nest)
{
	struct py_locker *l = s->l;
	struct lck_lock lock;
	if (lck_lock(l, manager, &lock) || lck_condition_lock(l, manager, &lock)) {
		add_claim(s, lock.object);
	} else if (lck_is(l, manager, "_GeneratorContextManager")) {
		claim_generator(s, lck_attr(l, manager, "gen"), nest);
	} else if (lck_is(l, manager, "ExitStack")) {
		claim_exit_stack(s, lck_attr(l, manager, "_exit_callbacks"), nest);
	} else {
		s->sure = false;
		lck_attrs(l, manager, claim_attribute, s);
		s->sure = true;
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);
	return len >= n && strcmp(text + len - n, end) == 0;
}

/* A frame of Condition.wait() has given back the condition's lock. */
static void note_released(struct thread_scan *s, const struct py_frame *f)
{
	struct lck_lock lock;
	if (strcmp(f->name, "wait") != 0 || !ends_with(f->file, "threading.py") ||
	    s->nreleased == RELEASED_MAX)
		return;
	if (lck_condition_lock(s->l, lck_variable(s->l, f, "self"), &lock))
		s->released[s->nreleased++] = lock.object;
}

struct err *lck_claims_of(struct py_locker *l, const struct py_thread *t)
{
	struct thread_scan s = { .l = l, .thread = t, .sure = true };
	struct lck_with with[LCK_WITHS_MAX];
	for (size_t i = 0; i < t->nframes && l->v.reads && !s.err; i++) {
		const struct py_frame *f = &l->out->snap->frames[t->first_frame + i];
		size_t n = lck_withs(l, f, with);
		for (size_t k = 0; k < n && !s.err; k++) {
			s.frame = f;
			s.line = with[k].line;
			claim_manager(&s, with[k].manager, 0);
		}
		note_released(&s, f);
	}
	return s.err;
}

struct err *lck_claims(struct py_locker *l)
{
	const struct py_snapshot *snap = l->out->snap;
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		struct err *err = l->w.space->tries ? lck_claims_moving(l, t) : lck_claims_of(l, t);
		if (err)
			return err;
	}
	return NULL;
}

/* ---- holders ---- */

static bool is_same_thread(const struct py_thread *a, const struct py_thread *b)
{
	return a == b || (a->tid && a->tid == b->tid);
}

void lck_add_holder(struct py_wait *wait, const struct py_holder *by)
{
	for (size_t i = 0; i < wait->nholders; i++) {
		struct py_holder *h = &wait->holder[i];
		if (!is_same_thread(h->thread, by->thread))
			continue;
		/* The outermost with statement is the one that took it. */
		if (by->frame && h->held != PY_HELD_MAYBE) {
			h->frame = by->frame;
			h->line = by->line;
		}
		return;
	}
	if (wait->nholders < PY_HOLDERS_MAX)
		wait->holder[wait->nholders++] = *by;
}

static void add_claims(struct py_locker *l, const struct lck_lock *lock, enum py_held held,
		       struct py_wait *wait)
{
	for (size_t i = 0; i < l->nclaims; i++) {
		const struct lck_claim *c = &l->claim[i];
		if (c->object == lock->object && c->by.held == held &&
		    (!lock->owner || c->by.thread->ident == lock->owner))
			lck_add_holder(wait, &c->by);
	}
}

/* Only one thread can hold a lock: if several seem to, nothing is certain. */
static void weaken(struct py_wait *wait)
{
	for (size_t i = 0; wait->nholders > 1 && i < wait->nholders; i++)
		wait->holder[i].held = PY_HELD_MAYBE;
}

void lck_holders(struct py_locker *l, const struct lck_lock *lock, struct py_wait *wait)
{
	const struct py_thread *owner = lck_by_ident(l, lock->owner);
	if (!lock->locked)
		return;
	if (owner)
		lck_add_holder(wait, &(struct py_holder){ owner, PY_HELD_OWNER, NULL, -1 });
	if (owner || !lock->rlock)
		add_claims(l, lock, PY_HELD_WITH, wait);
	weaken(wait);
	if (wait->nholders || lock->rlock)
		return;
	add_claims(l, lock, PY_HELD_MAYBE, wait);
	if (!wait->nholders)
		lck_guess(l, lock, wait);
}
