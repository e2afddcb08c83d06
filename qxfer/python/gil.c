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
#define COND_SIZE   48u /* pthread_cond_t */
#define NEAR	    (1u << 17)

/*
 * 3.6 has variables instead: gil_cond, and behind it gil_last_holder, not far from
 * _PyThreadState_Current.
 */
static bool is_cond(const struct py_walker *w, const struct py_interp *in, uint64_t addr)
{
	uint64_t current = w->py->rt.current, word[COND_SIZE / 8];
	uint64_t from = (addr & ~7ull) + 8;
	uint64_t far = addr > current ? addr - current : current - addr;
	if (!current || !in->gil_holder || far > NEAR ||
	    mem_read_some(w->mem, from, word, sizeof(word)) != sizeof(word))
		return false;
	for (size_t i = 0; i < COND_SIZE / 8; i++)
		if (word[i] == in->gil_holder)
			return true;
	return false;
}

bool py_gil_has(const struct py_walker *w, const struct py_interp *in, uint64_t addr)
{
	const struct py_lock_layout *lay = py_lock_layout_find(w->off);
	if (!in->gil)
		return is_cond(w, in, addr);
	return lay && lay->gil.cond != PY_NONE && addr >= in->gil + lay->gil.cond &&
	       addr < in->gil + lay->gil.switched;
}

bool py_gil_wanted(const struct py_walker *w, const struct py_interp *in, pid_t tid)
{
	const struct space *s = w->space;
	struct space_syscall call;
	return in->gil_holder && tid && s->thread_syscall &&
	       s->thread_syscall(s->ctx, tid, &call) &&
	       (call.nr == SYS_FUTEX || call.nr == SYS_RESTART) && py_gil_has(w, in, call.arg[0]);
}
