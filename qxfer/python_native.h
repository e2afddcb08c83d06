/* SPDX-License-Identifier: MIT */
/*
 * Native frames, as the documents and the texts about Python show them.
 */
#ifndef QXFER_PYTHON_NATIVE_H
#define QXFER_PYTHON_NATIVE_H

#include "qxfer/python/mixed.h"
#include "qxfer/tree.h"

/* To be filled up to `tid' by whoever makes it, and ended. */
struct pynative {
	struct python *python;
	const struct space *space;
	pid_t tid; /* the only thread asked for; 0: all */

	struct py_mixed mixed; /* of the thread read last */
	pid_t read;	       /* that thread, or 0 */
	struct buf text;
	struct err *err; /* out of memory, or NULL: to be taken by the caller */
};

/*
 * As python_walk(), but if native frames are @wanted a process or a thread without
 * Python is a snapshot without threads, which is constant.
 */
struct err *pynative_walk(struct python *py, const struct space *s, const struct py_walk *walk,
			  bool wanted, const struct py_snapshot **ret) MUST_CHECK;

/* Gives @err, or if there is none the error that @n met. */
struct err *pynative_end(struct pynative *n, struct err *err) MUST_CHECK;

/* Makes n->mixed that of @tid; false: it has none, being no live thread. */
bool pynative_read(struct pynative *n, pid_t tid);

/* Fields of an element for a native frame; of @n the text alone is used. */
void pynative_put_fields(struct tree *t, struct pynative *n, const struct native_frame *f);

/* The element native or cut.  @at: its place in the stack, -1: not known. */
void pynative_put(struct tree *t, struct pynative *n, const struct py_mixed_item *item, int64_t at);

/* Those threads that are in no state of @snap.  @max: bytes of the document to end at. */
void pynative_put_others(struct tree *t, struct pynative *n, const struct py_snapshot *snap,
			 size_t max);

bool pynative_has_thread(const struct space *s, pid_t tid);
bool pynative_has_state(const struct py_snapshot *snap, pid_t tid);

/* @name as it may be shown; lent until the next call. */
const char *pynative_safe(struct pynative *n, const char *name);

#endif
