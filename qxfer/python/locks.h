/* SPDX-License-Identifier: MIT */
/*
 * Who waits for which lock, and who holds it: deadlocks, from memory and from the
 * system calls that threads are in.
 *
 * A wait is shown only where the kernel has the thread waiting on the very word in
 * memory that belongs to the lock.  A holder is shown where the lock names its
 * owner, or where a thread is inside a `with' statement of that lock: its pending
 * __exit__() lies on the frame's value stack below what a handler would keep of it.
 * A lock that was taken by acquire() says of nobody; then there are at best
 * PY_HELD_MAYBE threads.  Of an inferior that runs, the waits of threads that do
 * anything meanwhile are left out, and what such threads hold.
 */
#ifndef QXFER_PYTHON_LOCKS_H
#define QXFER_PYTHON_LOCKS_H

#include "qxfer/python/python.h"
#include "stub/base/arena.h"

#define PY_HOLDERS_MAX 8u /* of one lock */

enum py_wait_kind {
	PY_WAIT_NOTHING, /* nothing of Python's that is known */
	PY_WAIT_GIL,
	PY_WAIT_LOCK,
	PY_WAIT_RLOCK,
	PY_WAIT_THREAD,	   /* its end */
	PY_WAIT_IMPORT,	   /* of a module, by another thread */
	PY_WAIT_CONDITION, /* to be notified; this and what follows is held by nobody */
	PY_WAIT_EVENT,
	PY_WAIT_SEMAPHORE,
	PY_WAIT_BARRIER,
	PY_WAIT_QUEUE,
	PY_WAIT_FUTURE,
	PY_WAIT_OTHER, /* a lock of C code: at the address py_wait.lock, or 0 */
};

/* "lock", "rlock", "thread", ...: what documents call it. */
const char *py_wait_name(enum py_wait_kind kind);

enum py_held {
	PY_HELD_OWNER, /* the lock says so */
	PY_HELD_WITH,  /* the thread is inside a with statement of it */
	PY_HELD_ALIVE, /* it is the thread itself that is waited for */
	PY_HELD_MAYBE, /* has the lock in a variable where acquire() is called, no more */
};

/* "owner", "with", "alive", "maybe" */
const char *py_held_name(enum py_held held);

struct py_holder {
	const struct py_thread *thread;
	enum py_held held;
	const struct py_frame *frame; /* that is inside the with statement, or NULL */
	int32_t line;		      /* of the with statement; -1: not known */
};

struct py_wait {
	const struct py_thread *thread;
	enum py_wait_kind kind;
	bool timed; /* it will give up in the end */
	/* What the program waits for: the lock, Event, Queue, Thread, ...; 0: not known. */
	uint64_t object;
	const char *text; /* of the object; of an import the module's name */
	uint64_t lock;	  /* what is blocked on: a lock object, else an address in it */
	uint64_t owner;	  /* of an RLock: the ident that it names, which may have ended */
	/* The innermost frame that is not the standard library's own part of waiting. */
	const struct py_frame *frame;
	struct py_holder holder[PY_HOLDERS_MAX];
	size_t nholders;
};

/* Threads each of which waits for the next, and the last for the first. */
struct py_cycle {
	const struct py_wait *const *wait;
	size_t n;
	bool certain; /* no holder in it is a PY_HELD_MAYBE */
	bool timed;   /* one of them will give up */
};

struct py_locks {
	const struct py_snapshot *snap; /* lent until the next walk, as all threads and frames */
	struct py_wait *wait;		/* by tid */
	size_t nwaits, waits_cap;
	struct py_cycle *cycle;
	size_t ncycles, cycles_cap;
	const char *incomplete; /* why holders may be missing, or NULL */
	struct arena arena;	/* what the above points to */
};

/*
 * Finds out for every thread of @space.  As python_walk(), and ERR_BAD_DATA if
 * nothing is known of this version's locks.  To be freed in any case.
 */
struct err *python_locks(struct python *py, const struct space *space,
			 struct py_locks *ret) MUST_CHECK;
void py_locks_free(struct py_locks *l);

#endif
