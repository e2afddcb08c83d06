/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the GIL: Python/ceval_gil.c, take_gil().  A waiter sleeps on the
 * condition variable in struct _gil_runtime_state, for some milliseconds at a time.
 */
#include "qxfer/python/locks_layout.h"
#include "qxfer/python/state.h"

/* x86-64's */
#define SYS_FUTEX   202
#define SYS_RESTART 219

bool py_gil_has(const struct py_offsets *off, const struct py_interp *in, uint64_t addr)
{
	const struct py_lock_layout *lay = py_lock_layout_find(off);
	return in->gil && lay && lay->gil.cond != PY_NONE && addr >= in->gil + lay->gil.cond &&
	       addr < in->gil + lay->gil.switched;
}

bool py_gil_wanted(const struct py_walker *w, const struct py_interp *in, pid_t tid)
{
	const struct space *s = w->space;
	struct space_syscall call;
	return in->gil && in->gil_holder && tid && s->thread_syscall &&
	       s->thread_syscall(s->ctx, tid, &call) &&
	       (call.nr == SYS_FUTEX || call.nr == SYS_RESTART) &&
	       py_gil_has(w->off, in, call.arg[0]);
}
