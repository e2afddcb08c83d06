/* SPDX-License-Identifier: MIT */
/*
 * What the files locks*.c share.  Functions named lck_ belong to them alone.
 *
 * What cannot be read is a lock or a holder less, never an error: those are
 * ERR_NOMEM only, and when the reads allowed for all of it are used up.
 */
#ifndef QXFER_PYTHON_LOCKS_PRIV_H
#define QXFER_PYTHON_LOCKS_PRIV_H

#include "qxfer/python/locks.h"
#include "qxfer/python/locks_layout.h"
#include "qxfer/python/state.h"
#include "qxfer/python/values_priv.h"

/* Reads of the inferior for one answer, of whatever size. */
#define LCK_READS 2000000u

/* A lock object, and the word in memory that its waiters wait on. */
struct lck_lock {
	uint64_t object;
	uint64_t word;	/* of a PyMutex its own address, else that of the sem_t */
	uint64_t owner; /* RLock: the ident that it names, or 0 */
	bool rlock, locked;
};

/* A thread is said to hold a lock. */
struct lck_claim {
	uint64_t object;
	struct py_holder by;
};

struct py_locker {
	struct py_walker w;
	struct py_values v; /* v.reads counts down from LCK_READS */
	const struct py_lock_layout *lay;
	struct py_locks *out;
	struct lck_claim *claim;
	size_t nclaims, claims_cap;
	uint64_t table_of; /* the code object that `table' is the exception table of */
	struct buf table;
};

/* ---- locks_stack.c: what is on a frame ---- */

#define LCK_WITHS_MAX 32u

/* A with statement that a frame is inside of. */
struct lck_with {
	uint64_t manager; /* the object whose __exit__() is to be called */
	int32_t line;	  /* -1: not known */
};

/* Those of @f, outermost first; how many of at most LCK_WITHS_MAX. */
size_t lck_withs(struct py_locker *l, const struct py_frame *f, struct lck_with *ret);
/* The argument or variable @name of @f, which is not shared with inner functions; or 0. */
uint64_t lck_variable(struct py_locker *l, const struct py_frame *f, const char *name);
/*
 * The words in the variables, and with @stack those on the value stack, live or not;
 * how many of at most @n.
 */
size_t lck_words(struct py_locker *l, const struct py_frame *f, bool stack, uint64_t *ret,
		 size_t n);
/* The frame of a generator; false: it has none, or it cannot be read. */
bool lck_generator_frame(struct py_locker *l, uint64_t generator, struct py_frame *ret);

/* ---- locks_object.c: what objects are ---- */

/* Whether @addr is of the class @name (tp_name, or that of a class in its MRO). */
bool lck_is(struct py_locker *l, uint64_t addr, const char *name);
/* An attribute of an instance; 0: it has none. */
uint64_t lck_attr(struct py_locker *l, uint64_t addr, const char *name);
/* Reads the lock object at @addr; false: it is none. */
bool lck_lock(struct py_locker *l, uint64_t addr, struct lck_lock *ret);
/* As lck_lock() with the lock that a threading.Condition at @addr is made of. */
bool lck_condition_lock(struct py_locker *l, uint64_t addr, struct lck_lock *ret);
/* Of a method bound to an object, if it has this name, the object; or 0. */
uint64_t lck_bound_self(struct py_locker *l, uint64_t addr, const char *name);
/* Of an unbound method @addr called @name. */
bool lck_is_unbound(struct py_locker *l, uint64_t addr, const char *name);
/* The text of an object, or of a str, in the arena of the answer; NULL: no memory. */
const char *lck_text(struct py_locker *l, uint64_t addr);
const char *lck_str(struct py_locker *l, uint64_t addr);
/* Calls @visit with each attribute of the instance at @addr until it returns false. */
void lck_attrs(struct py_locker *l, uint64_t addr, bool (*visit)(void *arg, uint64_t value),
	       void *arg);

/* ---- locks_hold.c: who holds what ---- */

/* Collects the claims of all threads, or of one. */
struct err *lck_claims(struct py_locker *l) MUST_CHECK;
struct err *lck_claims_of(struct py_locker *l, const struct py_thread *t) MUST_CHECK;
/* Fills in the holders of what @wait waits for, the lock @lock. */
void lck_holders(struct py_locker *l, const struct lck_lock *lock, struct py_wait *wait);
/* Adds @thread as a holder unless it is there already. */
void lck_add_holder(struct py_wait *wait, const struct py_holder *by);
/* The thread with this ident, of its several states the innermost; or NULL. */
const struct py_thread *lck_by_ident(const struct py_locker *l, uint64_t ident);

/* ---- locks_moving.c: an inferior that runs ---- */

/* See struct space, thread_rest() and thread_rested(). */
uint64_t lck_rest(const struct py_locker *l, pid_t tid);
bool lck_rested(const struct py_locker *l, pid_t tid, uint64_t since);
/* Reads memory anew; whether the thread's frames are those of the snapshot. */
bool lck_is_unmoved(struct py_locker *l, const struct py_thread *t);
/* lck_claims_of() a thread that may run meanwhile. */
struct err *lck_claims_moving(struct py_locker *l, const struct py_thread *t) MUST_CHECK;

/* ---- locks_maybe.c: who may hold what ---- */

/* Adds to @wait the threads that have its lock in a variable where acquire() is called. */
void lck_guess(struct py_locker *l, const struct lck_lock *lock, struct py_wait *wait);

/* ---- locks_wait.c: what a thread waits for ---- */

/* Of wait->thread; kind PY_WAIT_NOTHING: nothing. */
void lck_wait(struct py_locker *l, struct py_wait *wait, struct lck_lock *lock);

#endif
