/* SPDX-License-Identifier: MIT */
/*
 * Generators, coroutines and async generators from outside: their state, their
 * frame, and what they have given control to.
 */
#ifndef QXFER_PYTHON_TASKS_GEN_H
#define QXFER_PYTHON_TASKS_GEN_H

#include "qxfer/python/tasks_priv.h"

enum gen_state { GEN_CREATED, GEN_SUSPENDED, GEN_RUNNING, GEN_FINISHED };

struct gen {
	enum py_await_kind kind;
	enum gen_state state;
	uint64_t frame;	   /* its _PyInterpreterFrame, to 3.10 its PyFrameObject; 0: finished */
	uint64_t qualname; /* a str object */
	uint64_t awaited;  /* what it awaits or yields from, or 0 */
};

/* Whether the object is one, by its type. */
bool gen_is(struct task_reader *r, uint64_t addr, enum py_await_kind *kind);
struct err *gen_read(struct task_reader *r, uint64_t addr, enum py_await_kind kind,
		     struct gen *ret) MUST_CHECK;
/* The object whose frame it is, if it is a generator's; else 0. */
uint64_t gen_of_frame(struct task_reader *r, const struct py_frame *f);

#endif
