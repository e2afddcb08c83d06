/* SPDX-License-Identifier: MIT */
/*
 * Which of the operating system's threads a thread state belongs to.
 *
 * A thread state's ident is pthread_self(), which in glibc and musl on x86-64 is
 * the thread pointer, and on AArch64 ends where that points to: where those are known (the inferior was stopped) that is
 * exact and needs no ids.  Where they are not, a thread's own id stands at its
 * ident: both libraries keep it in struct pthread, which begins with a pointer to
 * itself (glibc: sysdeps/x86_64/nptl/tls.h, tcbhead_t; nptl/descr.h; musl:
 * src/internal/pthread_impl.h).  Last comes what CPython recorded (3.11 and later).
 */
#include <stdlib.h>

#include "qxfer/python/state.h"

/* Bytes into struct pthread. */
enum { GLIBC_SELF = 0x10, GLIBC_TID = 0x2d0, MUSL_TID = 0x30 };

static int compare_tp(const void *a, const void *b)
{
	const struct py_tp *x = a, *y = b;
	return x->tp < y->tp ? -1 : x->tp > y->tp;
}

static int compare_inner(const void *a, const void *b)
{
	const struct py_inner *x = a, *y = b;
	return x->inner < y->inner ? -1 : x->inner > y->inner;
}

static struct err *add_tp(struct python *py, const struct space_thread *t)
{
	struct err *err =
		py_array_grow((void **)&py->tps, py->ntps, &py->tps_cap, sizeof(*py->tps));
	if (!err)
		py->tps[py->ntps++] = (struct py_tp){ t->tp, t->tid };
	return err;
}

static struct err *add_inner(struct python *py, const struct space_thread *t)
{
	struct err *err = py_array_grow((void **)&py->inners, py->ninners, &py->inners_cap,
					sizeof(*py->inners));
	if (!err)
		py->inners[py->ninners++] = (struct py_inner){ t->inner, t->tid };
	return err;
}

struct err *py_threads_index(struct py_walker *w)
{
	struct python *py = w->py;
	struct err *err = NULL;
	py->ntps = py->ninners = 0;
	for (size_t i = 0; i < w->space->nthreads && !err; i++) {
		const struct space_thread *t = &w->space->threads[i];
		if (t->tp)
			err = add_tp(py, t);
		else if (t->inner)
			err = add_inner(py, t);
	}
	if (py->ntps)
		qsort(py->tps, py->ntps, sizeof(*py->tps), compare_tp);
	if (py->ninners)
		qsort(py->inners, py->ninners, sizeof(*py->inners), compare_inner);
	return err;
}

/*
 * The thread pointer of the thread whose struct pthread is at @ident.  Where the two
 * differ the one ends at the other, so no other thread's lies between them.
 */
static pid_t find_tp(const struct python *py, uint64_t ident, uint32_t gap)
{
	size_t lo = 0, hi = py->ntps;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (py->tps[mid].tp < ident)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < py->ntps && py->tps[lo].tp - ident <= gap ? py->tps[lo].tid : 0;
}

static pid_t find_inner(const struct python *py, uint64_t id)
{
	const struct py_inner key = { .inner = (pid_t)id };
	if (!py->ninners || !id || id > INT32_MAX)
		return 0;
	const struct py_inner *found =
		bsearch(&key, py->inners, py->ninners, sizeof(key), compare_inner);
	return found ? found->tid : 0;
}

static uint64_t read_uint(struct py_walker *w, uint64_t addr, size_t size)
{
	uint64_t v = 0;
	return mem_read_some(w->mem, addr, &v, size) == size ? v : 0;
}

/* The id in the struct pthread at @ident; 0 if there is none. */
static uint64_t read_own_id(struct py_walker *w, uint64_t ident)
{
	if (!ident || ident % 8 || read_uint(w, ident, 8) != ident)
		return 0;
	bool glibc = read_uint(w, ident + GLIBC_SELF, 8) == ident;
	return read_uint(w, ident + (glibc ? GLIBC_TID : MUSL_TID), 4);
}

pid_t py_threads_find(struct py_walker *w, uint64_t ident, uint64_t native_id)
{
	const struct python *py = w->py;
	pid_t tid = ident ? find_tp(py, ident, w->space->tp_gap) : 0;
	if (!tid && py->ninners)
		tid = find_inner(py, read_own_id(w, ident));
	/* After a fork it may be stale, and another's: only for want of better. */
	if (!tid && py->ninners && read_uint(w, ident, 8) != ident)
		tid = find_inner(py, native_id);
	return tid;
}
