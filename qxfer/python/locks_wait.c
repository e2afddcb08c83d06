/* SPDX-License-Identifier: MIT */
/*
 * What a thread waits for, from the word that the kernel has it waiting on.
 *
 * A lock that is a sem_t is waited for on that word.  A PyMutex is waited for in the
 * parking lot (Python/parking_lot.c, 3.13 on): on a semaphore in a wait_entry on the
 * waiter's own stack, which says what it is parked at, and is in a list while it has
 * not been woken.  The GIL has a condition variable (Python/ceval_gil.c).  From the
 * frames around it is then known what for: an Event, a Queue, a thread's end, ...
 */
#include "qxfer/python/locks_priv.h"

#include <string.h>

/* x86-64's; <linux/futex.h> */
#define SYS_FUTEX	   202
#define SYS_RESTART	   219
#define FUTEX_FLAGS	   (128u | 256u) /* private, by the real time clock */
#define FUTEX_WAIT	   0u
#define FUTEX_WAIT_BITSET  9u
#define WORDS_MAX	   512u
#define SEM_SIZE	   32u /* sem_t of glibc and of musl */
#define LIBRARY_FRAMES_MAX 12u
#define THREADS_MAX	   1000u
#define QUEUE_WORDS	   16u

struct futex {
	uint64_t addr;
	bool timed;
};

static bool word(struct py_locker *l, uint64_t addr, uint32_t offset, uint64_t *ret)
{
	struct err *err = val_word(&l->v, addr, offset, ret);
	err_drop(err);
	return !err;
}

/* The futex that @tid waits on, if it does. */
static bool find_futex(struct py_locker *l, pid_t tid, struct futex *ret)
{
	const struct space *s = l->w.space;
	struct space_syscall call;
	if (!tid || !s->thread_syscall || !s->thread_syscall(s->ctx, tid, &call))
		return false;
	uint64_t op = call.arg[1] & ~(uint64_t)FUTEX_FLAGS;
	if ((call.nr != SYS_FUTEX && call.nr != SYS_RESTART) ||
	    (op != FUTEX_WAIT && op != FUTEX_WAIT_BITSET) || call.arg[0] % 4)
		return false;
	*ret = (struct futex){ call.arg[0], call.arg[3] != 0 };
	return true;
}

/* ---- the parking lot ---- */

/* struct wait_entry { park_arg, addr, sema, node { next, prev }, .. } */
static bool find_parked(struct py_locker *l, uint64_t sema, uint64_t *ret)
{
	uint64_t node = sema + SEM_SIZE, next, prev, back, forth;
	return PY_MINOR(l->w.off->version_hex) >= 0x030d && word(l, sema - 8, 0, ret) &&
	       word(l, node, 0, &next) && word(l, node, 8, &prev) && next && prev &&
	       word(l, next, 8, &back) && word(l, prev, 0, &forth) && back == node && forth == node;
}

/* ---- what the word belongs to ---- */

struct waiting {
	struct py_locker *l;
	struct py_wait *wait;
	struct lck_lock *lock;
	const struct py_frame *frame; /* the innermost, or NULL */
	uint64_t at;		      /* the futex, or what it is parked at */
	bool parked;
};

static void wait_for_thread(struct waiting *w, const struct py_thread *t, uint64_t object)
{
	w->wait->kind = PY_WAIT_THREAD;
	w->wait->object = object;
	w->wait->text = t && t->name ? t->name : "";
	if (t)
		lck_add_holder(w->wait, &(struct py_holder){ t, PY_HELD_ALIVE, NULL, -1 });
}

/* ThreadHandle, Modules/_threadmodule.c: its ident twice, and where joiners are parked. */
static bool is_handle(struct waiting *w, uint64_t addr)
{
	struct py_locker *l = w->l;
	uint64_t ident, os;
	if (l->lay->handle.ident == PY_NONE || !word(l, addr, l->lay->handle.ident, &ident) ||
	    !word(l, addr, l->lay->handle.ident + 8, &os) || ident != os)
		return false;
	const struct py_thread *t = lck_by_ident(l, ident);
	if (t)
		wait_for_thread(w, t, 0);
	return t != NULL;
}

static bool is_join(struct waiting *w)
{
	const struct py_lock_layout *lay = w->l->lay;
	return w->parked && lay->handle.exiting != PY_NONE &&
	       ((w->at % 8 == lay->handle.exiting % 8 &&
		 is_handle(w, w->at - lay->handle.exiting)) ||
		(w->at % 8 == lay->handle.once % 8 && is_handle(w, w->at - lay->handle.once)));
}

/* Whether the lock object at @addr is the one, or the one that a method is bound to. */
static bool is_this_lock(struct waiting *w, uint64_t addr)
{
	struct lck_lock lock;
	uint64_t self;
	if (lck_lock(w->l, addr, &lock) && lock.word == w->at) {
		*w->lock = lock;
		return true;
	}
	return word(w->l, addr, w->l->v.lay.builtin.self, &self) &&
	       lck_is(w->l, addr, "builtin_function_or_method") && lck_lock(w->l, self, &lock) &&
	       lock.word == w->at && (*w->lock = lock, true);
}

/* queue.SimpleQueue in C: waits on a lock that it points to, or on a byte of its own. */
static bool is_this_queue(struct waiting *w, uint64_t addr)
{
	uint64_t words[QUEUE_WORDS];
	if (!lck_is(w->l, addr, "_queue.SimpleQueue"))
		return false;
	bool is = w->parked && w->at - addr < sizeof(words);
	struct err *err = val_read(&w->l->v, addr, words, 8 * sizeof(words[0]));
	for (size_t i = 2; !err && !w->parked && i < 8; i++)
		is = is || words[i] == w->at;
	err_drop(err);
	return is;
}

/* Looks among the variables and on the value stack of the innermost frame. */
static bool search_frame(struct waiting *w)
{
	uint64_t words[WORDS_MAX];
	size_t n = w->frame ? lck_words(w->l, w->frame, true, words, WORDS_MAX) : 0;
	for (size_t i = n; i-- > 0;) {
		if (words[i] < 4096 || words[i] % 8)
			continue;
		if (is_this_lock(w, words[i]))
			return true;
		if (is_this_queue(w, words[i])) {
			w->wait->kind = PY_WAIT_QUEUE;
			w->wait->object = words[i];
			return true;
		}
	}
	return false;
}

static bool search_claims(struct waiting *w)
{
	for (size_t i = 0; i < w->l->nclaims; i++)
		if (is_this_lock(w, w->l->claim[i].object))
			return true;
	return false;
}

static bool find_lock(struct waiting *w)
{
	uint64_t header = w->l->w.off->object.var_size;
	if (w->parked && is_this_lock(w, w->at - header))
		return true;
	return search_frame(w) || search_claims(w);
}

/* ---- what it is for ---- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);
	return len >= n && strcmp(text + len - n, end) == 0;
}

/*
 * The files of the standard library that have waiting for others done in Python.  An
 * interpreter that is not installed runs those of its sources, in the folder Lib.
 */
static bool is_library(const struct py_frame *f)
{
	static const char *const files[] = {
		"/threading.py",
		"/queue.py",
		"/concurrent/futures/_base.py",
		"/concurrent/futures/thread.py",
		"/contextlib.py",
		"<frozen importlib._bootstrap>",
		"<frozen importlib._bootstrap_external>",
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (ends_with(f->file, files[i]))
			return files[i][0] == '<' || strstr(f->file, "/python3") ||
			       strstr(f->file, "/Lib/") || strstr(f->file, ".zip/");
	}
	return false;
}

/* A function of a class that waits by means of a Condition. */
static const struct sort {
	const char *function, *class;
	enum py_wait_kind kind;
} sorts[] = {
	{ "wait", "Condition", PY_WAIT_CONDITION },
	{ "wait", "Event", PY_WAIT_EVENT },
	{ "acquire", "Semaphore", PY_WAIT_SEMAPHORE },
	{ "wait", "Barrier", PY_WAIT_BARRIER },
	{ "_wait", "Barrier", PY_WAIT_BARRIER },
	{ "_enter", "Barrier", PY_WAIT_BARRIER },
	{ "get", "Queue", PY_WAIT_QUEUE },
	{ "put", "Queue", PY_WAIT_QUEUE },
	{ "join", "Queue", PY_WAIT_QUEUE },
	{ "result", "Future", PY_WAIT_FUTURE },
	{ "exception", "Future", PY_WAIT_FUTURE },
};

static void sort_frame(struct waiting *w, const struct py_frame *f)
{
	uint64_t self = 0;
	for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
		if (strcmp(f->name, sorts[i].function) != 0)
			continue;
		if (!self)
			self = lck_variable(w->l, f, "self");
		if (!lck_is(w->l, self, sorts[i].class))
			continue;
		w->wait->kind = sorts[i].kind;
		w->wait->object = self;
	}
}

static const struct py_frame *frame_at(const struct waiting *w, size_t i)
{
	const struct py_thread *t = w->wait->thread;
	return i < t->nframes ? &w->l->out->snap->frames[t->first_frame + i] : NULL;
}

/* Condition.wait() waits on a lock of its own until somebody gives that back. */
static bool is_notification(struct waiting *w)
{
	if (!w->frame || strcmp(w->frame->name, "wait") != 0 || !is_library(w->frame) ||
	    lck_variable(w->l, w->frame, "waiter") != w->lock->object)
		return false;
	for (size_t i = 0; i < LIBRARY_FRAMES_MAX; i++) {
		const struct py_frame *f = frame_at(w, i);
		if (!f || f->corrupt || !is_library(f))
			break;
		sort_frame(w, f);
	}
	return w->wait->kind != PY_WAIT_NOTHING;
}

/* importlib's _ModuleLock: waits on another lock until the owner is done. */
static bool is_import(struct waiting *w)
{
	if (!w->frame || strcmp(w->frame->name, "acquire") != 0 || w->frame->file[0] != '<' ||
	    !is_library(w->frame))
		return false;
	uint64_t self = lck_variable(w->l, w->frame, "self");
	int64_t owner;
	if (!self || lck_attr(w->l, self, "wakeup") != w->lock->object)
		return false;
	w->wait->kind = PY_WAIT_IMPORT;
	w->wait->object = self;
	w->wait->text = lck_str(w->l, lck_attr(w->l, self, "name"));
	if (!val_int(&w->l->v, lck_attr(w->l, self, "owner"), &owner))
		return true;
	const struct py_thread *t = lck_by_ident(w->l, (uint64_t)owner);
	if (t)
		lck_add_holder(w->wait, &(struct py_holder){ t, PY_HELD_OWNER, NULL, -1 });
	return true;
}

static bool is_thread_of(struct waiting *w, uint64_t thread)
{
	int64_t ident;
	if (!thread || lck_attr(w->l, thread, "_tstate_lock") != w->lock->object)
		return false;
	if (!val_int(&w->l->v, lck_attr(w->l, thread, "_ident"), &ident))
		ident = 0;
	wait_for_thread(w, lck_by_ident(w->l, (uint64_t)ident), thread);
	return true;
}

/* To 3.12 a Thread has a lock that is given back when the thread ends. */
static bool is_old_join(struct waiting *w)
{
	uint64_t globals, active = 0, key, thread;
	struct val_dict d;
	if (!w->frame || PY_MINOR(w->l->w.off->version_hex) >= 0x030d || !is_library(w->frame))
		return false;
	if (is_thread_of(w, lck_variable(w->l, w->frame, "self")))
		return true;
	/* threading._shutdown() has the locks alone. */
	if (strcmp(w->frame->name, "_shutdown") != 0 ||
	    !word(w->l, w->frame->addr, w->l->lay->frame.globals, &globals))
		return false;
	struct err *err = val_dict_find(&w->l->v, globals, "_active", &active);
	if (!err)
		err = active ? val_dict_open(&w->l->v, active, &d)
			     : err_new(ERR_NOT_FOUND, "no threading._active");
	for (uint32_t i = 0; !err && i < THREADS_MAX; i++) {
		err = val_dict_next(&w->l->v, &d, &key, &thread);
		if (err || !key || is_thread_of(w, thread))
			break;
	}
	err_drop(err);
	return w->wait->kind == PY_WAIT_THREAD;
}

static void sort_lock(struct waiting *w)
{
	w->wait->lock = w->lock->object;
	if (is_notification(w) || is_import(w) || is_old_join(w))
		return;
	w->wait->kind = w->lock->rlock ? PY_WAIT_RLOCK : PY_WAIT_LOCK;
	w->wait->object = w->lock->object;
}

/* ---- one thread ---- */

static bool is_gil(struct waiting *w)
{
	const struct py_snapshot *snap = w->l->out->snap;
	const struct py_thread *t = w->wait->thread;
	for (size_t i = 0; i < snap->ninterps; i++) {
		const struct py_interp *in = &snap->interps[i];
		if (!py_gil_has(&w->l->w, in, w->at))
			continue;
		w->wait->kind = PY_WAIT_GIL;
		w->wait->timed = false; /* it asks again and again */
		w->wait->lock = in->gil;
		for (size_t k = 0; k < snap->nthreads && in->gil_holder; k++)
			if (snap->threads[k].addr == in->gil_holder && &snap->threads[k] != t)
				lck_add_holder(w->wait,
					       &(struct py_holder){ &snap->threads[k],
								    PY_HELD_OWNER, NULL, -1 });
		return true;
	}
	return false;
}

/* The innermost frame that is the program's own; without one, the innermost. */
static const struct py_frame *program_frame(const struct waiting *w)
{
	const struct py_frame *f;
	for (size_t i = 0; (f = frame_at(w, i)); i++)
		if (f->corrupt || !is_library(f))
			return f;
	return w->frame;
}

void lck_wait(struct py_locker *l, struct py_wait *wait, struct lck_lock *lock)
{
	struct waiting w = { .l = l, .wait = wait, .lock = lock };
	struct futex futex;
	wait->kind = PY_WAIT_NOTHING;
	if (!find_futex(l, wait->thread->tid, &futex))
		return;
	w.at = futex.addr;
	w.frame = frame_at(&w, 0);
	w.frame = w.frame && w.frame->corrupt ? NULL : w.frame;
	wait->timed = futex.timed;
	wait->frame = program_frame(&w);
	if (is_gil(&w))
		return;
	w.parked = find_parked(l, futex.addr, &w.at);
	if (!w.parked)
		w.at = futex.addr;
	if (is_join(&w))
		return;
	bool found = find_lock(&w);
	if (found && wait->kind == PY_WAIT_NOTHING)
		sort_lock(&w);
	if (found || !w.frame)
		return;
	wait->kind = PY_WAIT_OTHER;
	wait->lock = w.at;
}
