/* SPDX-License-Identifier: MIT */
/*
 * Who may hold a lock that was taken by acquire(): nothing in the process says it.
 * A thread that has the lock in a variable, in an attribute of one, or among its
 * globals, in a function that calls something named acquire, and that does not
 * wait for it, is one that may.
 */
#include "qxfer/python/locks_priv.h"

#include <string.h>

#define FRAMES_MAX  200u /* of one thread */
#define WORDS_MAX   256u
#define NAMES_MAX   500u
#define GLOBALS_MAX 5000u

struct guess {
	struct py_locker *l;
	uint64_t lock;
	bool found;
};

static bool word(struct py_locker *l, uint64_t addr, uint32_t offset, uint64_t *ret)
{
	struct err *err = val_word(&l->v, addr, offset, ret);
	err_drop(err);
	return !err;
}

/* Whether the code has that name for an attribute or a global. */
static bool has_name(struct py_locker *l, uint64_t code, const char *name, uint64_t same)
{
	uint64_t names, n, at;
	if (!word(l, code, l->lay->code.names, &names) ||
	    !word(l, names, l->w.off->object.var_size, &n))
		return false;
	for (uint64_t i = 0; i < n && i < NAMES_MAX; i++) {
		if (!word(l, names + 8 * i, l->v.lay.tuple.items, &at))
			return false;
		if (name ? val_str_is(&l->v, at, name) : at == same)
			return true;
	}
	return false;
}

static bool is_lock(struct guess *g, uint64_t value)
{
	struct lck_lock lock;
	g->found = g->found || value == g->lock ||
		   (lck_condition_lock(g->l, value, &lock) && lock.object == g->lock);
	return g->found;
}

static bool visit_attribute(void *arg, uint64_t value)
{
	return !is_lock(arg, value);
}

static bool in_variables(struct guess *g, const struct py_frame *f)
{
	uint64_t words[WORDS_MAX];
	size_t n = lck_words(g->l, f, false, words, WORDS_MAX);
	for (size_t i = 0; i < n && !g->found; i++) {
		if (lck_is(g->l, words[i], "cell") &&
		    !word(g->l, words[i], g->l->v.lay.cell.ref, &words[i]))
			continue;
		if (!is_lock(g, words[i]))
			lck_attrs(g->l, words[i], visit_attribute, g);
	}
	return g->found;
}

/* Global names that the code has are the same str objects, being interned. */
static bool in_globals(struct guess *g, const struct py_frame *f)
{
	struct val_dict d;
	uint64_t globals, key, value;
	if (!word(g->l, f->addr, g->l->lay->frame.globals, &globals))
		return false;
	struct err *err = val_dict_open(&g->l->v, globals, &d);
	for (uint32_t i = 0; !err && i < GLOBALS_MAX && !g->found; i++) {
		err = val_dict_next(&g->l->v, &d, &key, &value);
		if (err || !key)
			break;
		if (value == g->lock)
			g->found = has_name(g->l, f->code_addr, NULL, key);
	}
	err_drop(err);
	return g->found;
}

static void guess_thread(struct py_locker *l, const struct lck_lock *lock,
			 const struct py_thread *t, struct py_wait *wait)
{
	for (size_t i = 0; i < t->nframes && i < FRAMES_MAX && l->v.reads; i++) {
		const struct py_frame *f = &l->out->snap->frames[t->first_frame + i];
		struct guess g = { l, lock->object, false };
		if (f->corrupt || f->incomplete || !has_name(l, f->code_addr, "acquire", 0))
			continue;
		if (!in_variables(&g, f) && !in_globals(&g, f))
			continue;
		lck_add_holder(wait, &(struct py_holder){ t, PY_HELD_MAYBE, f, -1 });
		return;
	}
}

static bool waits_for_it(const struct py_locker *l, const struct py_thread *t, uint64_t lock)
{
	for (size_t i = 0; i < l->out->nwaits; i++)
		if (l->out->wait[i].thread == t)
			return l->out->wait[i].lock == lock;
	return false;
}

void lck_guess(struct py_locker *l, const struct lck_lock *lock, struct py_wait *wait)
{
	const struct py_snapshot *snap = l->out->snap;
	for (size_t i = 0; i < snap->nthreads; i++)
		if (!waits_for_it(l, &snap->threads[i], lock->object) &&
		    (!l->w.space->tries || lck_is_unmoved(l, &snap->threads[i])))
			guess_thread(l, lock, &snap->threads[i], wait);
}
