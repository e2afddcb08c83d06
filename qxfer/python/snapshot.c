/* SPDX-License-Identifier: MIT */
/*
 * Interpreters and threads, and what is kept from one stop to the next.
 *
 * CPython 3.6 to 3.15, Include/internal/pycore_interp.h (3.14 on:
 * pycore_interp_structs.h), Include/cpython/pystate.h, pycore_gil.h; 3.6:
 * Include/pystate.h, Python/ceval_gil.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/state.h"
#include "qxfer/python/text.h"
#include "qxfer/python/values.h"

#define EXC_ITEMS_MAX 100u /* handled exceptions one within the other */
#define TYPE_NAME_MAX 256u
#define CODES_MAX     20000u /* code objects kept from one stop to the next */

struct err *python_create(struct python **ret)
{
	struct python *py = calloc(1, sizeof(*py));
	if (!py)
		return &err_nomem;
	struct py_snapshot *snap = &py->snap;
	/* There from the first, so that an empty part of them has an address too. */
	struct err *err =
		py_array_grow((void **)&snap->threads, 0, &py->threads_cap, sizeof(*snap->threads));
	if (!err)
		err = py_array_grow((void **)&snap->frames, 0, &py->frames_cap,
				    sizeof(*snap->frames));
	if (err)
		python_destroy(py);
	else
		*ret = py;
	return err;
}

void python_set_jit(struct python *py, struct jit *jit)
{
	py->jit = jit;
}

void python_destroy(struct python *py)
{
	if (!py)
		return;
	py_codes_deinit(&py->codes);
	arena_deinit(&py->texts);
	free(py->tps);
	free(py->inners);
	free(py->snap.interps);
	free(py->snap.threads);
	free(py->snap.frames);
	py_mixer_free(py->mixer);
	free(py);
}

struct err *py_array_grow(void **array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return NULL;
	size_t want = *cap ? *cap * 2 : 16;
	void *p = reallocarray(*array, want, size);
	if (!p)
		return &err_nomem;
	*array = p;
	*cap = want;
	return NULL;
}

const char *py_reason(struct py_walker *w, struct err *err)
{
	const char *text = arena_strdup(&w->py->texts, err->msg, strlen(err->msg));
	err_drop(err);
	return text;
}

/* ---- exceptions ---- */

static bool read_ptr(struct mem *m, uint64_t addr, uint64_t *ret)
{
	struct err *err = mem_ptr(m, addr, ret);
	err_drop(err);
	return !err && *ret;
}

/* The name of the type at @type, without its module; NULL if unreadable or None's. */
static const char *type_name(struct py_walker *w, uint64_t type)
{
	struct buf *b = &w->py->codes.scratch;
	uint64_t name;

	if (!read_ptr(w->mem, type + w->off->type.name, &name))
		return NULL;
	buf_clear(b);
	struct err *err = py_text_cstr(w->mem, name, TYPE_NAME_MAX, b);
	err_drop(err);
	if (err || b->failed)
		return NULL;
	const char *text = arena_strdup(&w->py->texts, b->data, b->len);
	if (!text || strcmp(text, "NoneType") == 0)
		return NULL;
	const char *dot = strrchr(text, '.');
	return dot ? dot + 1 : text;
}

static const char *object_type_name(struct py_walker *w, uint64_t object)
{
	uint64_t type;
	return read_ptr(w->mem, object + w->off->object.type, &type) ? type_name(w, type) : NULL;
}

/* The innermost exception being handled: _PyErr_GetTopmostException(). */
static const char *handled_exception(struct py_walker *w, uint64_t item)
{
	const struct py_offsets *off = w->off;
	for (unsigned int i = 0; item && i < EXC_ITEMS_MAX; i++) {
		uint64_t value;
		if (read_ptr(w->mem, item + off->exc_item.value, &value)) {
			const char *name = object_type_name(w, value);
			if (name)
				return name;
		}
		if (!read_ptr(w->mem, item + off->exc_item.previous, &item))
			return NULL;
	}
	return NULL;
}

static void read_exceptions(struct py_walker *w, struct obj *ts, struct py_thread *thread)
{
	const struct py_offsets *off = w->off;
	uint64_t raising = py_field(ts, off->tstate.raising, 8);
	if (raising)
		thread->raising =
			off->raising_type ? type_name(w, raising) : object_type_name(w, raising);
	uint64_t handled = py_field(ts, off->tstate.handled, 8);
	if (handled)
		thread->handling = object_type_name(w, handled);
	if (off->exc_item.value != PY_NONE && off->exc_item.previous != PY_NONE)
		thread->handling = handled_exception(w, py_field(ts, off->tstate.exc_info, 8));
}

/* ---- threads ---- */

struct err *py_tstate_load(struct py_walker *w, uint64_t addr, uint64_t interp, struct obj *ts)
{
	if (addr % 8)
		return err_new(ERR_BAD_DATA, "thread state at 0x%llx is not aligned",
			       (unsigned long long)addr);
	struct err *err = obj_load(w->mem, addr, py_offsets_tstate_span(w->off), ts);
	if (err)
		return err;
	if (obj_uint(ts, w->off->tstate.interp, 8) != interp)
		return err_new(ERR_BAD_DATA, "thread state at 0x%llx is of another interpreter",
			       (unsigned long long)addr);
	return NULL;
}

struct err *py_thread_read(struct py_walker *w, struct obj *ts, struct py_thread *thread)
{
	struct py_top top;
	thread->first_frame = w->py->snap.nframes;
	read_exceptions(w, ts, thread);
	struct err *err = py_top_find(w, ts, thread->tid, &top);
	if (err) {
		thread->corrupt = py_reason(w, err);
		return thread->corrupt ? NULL : &err_nomem;
	}
	err = py_frames_collect(w, thread, &top);
	if (top.cframe)
		thread->c_stack = top.cframe;
	if (!thread->nframes)
		thread->c_stack = 0;
	return err;
}

static struct err *append_thread(struct py_walker *w, struct obj *ts, const struct py_interp *in)
{
	struct py_snapshot *snap = &w->py->snap;
	struct py_thread thread = {
		.addr = ts->addr,
		.ident = obj_uint(ts, w->off->tstate.thread_id, 8),
		.native_id = py_field(ts, w->off->tstate.native_thread_id, 8),
		.gil = in->gil_holder == ts->addr,
		.collects = in->gc && (in->gil_holder == ts->addr || in->stopper == ts->addr),
	};
	thread.tid = py_threads_find(w, thread.ident, thread.native_id);
	if (w->walk.tid && thread.tid != w->walk.tid)
		return NULL;
	struct err *err = py_array_grow((void **)&snap->threads, snap->nthreads,
					&w->py->threads_cap, sizeof(*snap->threads));
	if (err)
		return err;
	thread.gil_wanted = !w->walk.in_passing && !thread.gil && py_gil_wanted(w, in, thread.tid);
	/* Of an inferior that runs the threads are listed first: the list may change. */
	if (!w->space->tries)
		err = py_thread_read(w, ts, &thread);
	if (!err)
		snap->threads[snap->nthreads++] = thread;
	return err;
}

/* Takes back what came twice: from @first on the threads repeat after @period. */
static void cut_cycle(struct py_snapshot *snap, size_t first, size_t period)
{
	const struct py_thread *t = snap->threads;
	while (first + period < snap->nthreads && t[first].addr != t[first + period].addr)
		first++;
	if (first + period < snap->nthreads)
		snap->nthreads = first + period;
}

/*
 * A stop can fall into the middle of a change of the list: next pointers and
 * interp are right at any instant, prev pointers are not, so they are not asked.
 */
static struct err *read_threads(struct py_walker *w, const struct py_interp *in, uint64_t addr)
{
	struct py_snapshot *snap = &w->py->snap;
	struct py_brent brent = { 0 };

	for (size_t i = 0; addr; i++) {
		struct obj ts;
		if (py_brent_seen(&brent, addr, snap->nthreads)) {
			cut_cycle(snap, in->first_thread, snap->nthreads - brent.n);
			return err_new(ERR_BAD_DATA, "the threads form a cycle at 0x%llx",
				       (unsigned long long)addr);
		}
		if (i >= PY_THREADS_MAX || snap->nthreads >= PY_THREADS_MAX)
			return err_new(ERR_BAD_DATA, "more threads than %u", PY_THREADS_MAX);
		struct err *err = py_tstate_load(w, addr, in->addr, &ts);
		if (!err)
			err = append_thread(w, &ts, in);
		if (err)
			return err;
		addr = obj_uint(&ts, w->off->tstate.next, 8);
	}
	return NULL;
}

/* ---- interpreters ---- */

static uint32_t read_int(struct mem *m, uint64_t addr)
{
	uint32_t v;
	return mem_read_some(m, addr, &v, sizeof(v)) == sizeof(v) ? v : 0;
}

static uint64_t gil_address(struct py_walker *w, uint64_t interp)
{
	const struct py_offsets *off = w->off;
	uint64_t gil;
	if (off->interp.gil != PY_NONE)
		return read_ptr(w->mem, interp + off->interp.gil, &gil) ? gil : 0;
	return off->runtime.gil == PY_NONE ? 0 : w->py->rt.addr + off->runtime.gil;
}

static void read_gil(struct py_walker *w, struct py_interp *in)
{
	uint64_t gil = gil_address(w, in->addr), holder;
	in->gil = gil;
	if (w->py->rt.current && read_ptr(w->mem, w->py->rt.current, &holder))
		in->gil_holder = holder;
	if (!gil || w->off->gil.locked == PY_NONE || w->off->gil.last_holder == PY_NONE)
		return;
	/* -1: not yet made */
	if (read_int(w->mem, gil + w->off->gil.locked) == 1 &&
	    read_ptr(w->mem, gil + w->off->gil.last_holder, &holder))
		in->gil_holder = holder;
}

/* Whether a garbage collection runs; it belongs to all interpreters before 3.9. */
static bool is_collecting(struct py_walker *w, uint64_t interp)
{
	const struct py_offsets *off = w->off;
	uint64_t at = off->interp.gc_collecting != PY_NONE ? interp + off->interp.gc_collecting
		      : off->runtime.gc_collecting != PY_NONE
			      ? w->py->rt.addr + off->runtime.gc_collecting
			      : w->py->rt.gc_collecting;
	return at && read_int(w->mem, at) == 1;
}

/* 3.6 gives none: the first interpreter made, which is the last of the list, is the main one. */
static void number_interps(struct py_snapshot *snap, const struct py_offsets *off)
{
	for (size_t i = 0; off->interp.id == PY_NONE && i < snap->ninterps; i++)
		snap->interps[i].id = (int64_t)(snap->ninterps - 1 - i);
}

static struct err *append_interp(struct py_walker *w, uint64_t addr, uint64_t *next)
{
	struct py_snapshot *snap = &w->py->snap;
	const struct py_offsets *off = w->off;
	struct py_interp in = { .addr = addr };
	uint64_t id = 0;

	struct err *err = mem_ptr(w->mem, addr + off->interp.next, next);
	if (!err && off->interp.id != PY_NONE)
		err = mem_ptr(w->mem, addr + off->interp.id, &id);
	if (err)
		return err;
	in.id = (int64_t)id;
	in.gc = is_collecting(w, addr);
	/* Python/gc_free_threading.c: it stops the world to collect. */
	if (off->interp.stopper != PY_NONE &&
	    !read_ptr(w->mem, addr + off->interp.stopper, &in.stopper))
		in.stopper = 0;
	read_gil(w, &in);
	err = py_array_grow((void **)&snap->interps, snap->ninterps, &w->py->interps_cap,
			    sizeof(*snap->interps));
	if (!err)
		snap->interps[snap->ninterps++] = in;
	return err;
}

static bool interp_seen(const struct py_snapshot *snap, uint64_t addr)
{
	for (size_t i = 0; i < snap->ninterps; i++)
		if (snap->interps[i].addr == addr)
			return true;
	return false;
}

static struct err *read_interps(struct py_walker *w)
{
	struct py_snapshot *snap = &w->py->snap;
	uint64_t addr;
	struct err *err =
		mem_ptr(w->mem, w->py->rt.addr + w->off->runtime.interpreters_head, &addr);
	while (!err && addr) {
		if (interp_seen(snap, addr))
			return err_new(ERR_BAD_DATA, "the interpreters form a cycle");
		if (snap->ninterps >= PY_INTERPS_MAX)
			return err_new(ERR_BAD_DATA, "more interpreters than %u", PY_INTERPS_MAX);
		err = append_interp(w, addr, &addr);
	}
	return err;
}

static struct err *read_interp_threads(struct py_walker *w, struct py_interp *in)
{
	struct py_snapshot *snap = &w->py->snap;
	struct err *err = NULL;
	in->first_thread = snap->nthreads;
	for (unsigned int i = 0; i == 0 || (err && i < w->space->tries); i++) {
		uint64_t addr;
		err_drop(err);
		snap->nthreads = in->first_thread;
		if (w->space->tries)
			mem_invalidate(w->mem);
		err = mem_ptr(w->mem, in->addr + w->off->interp.threads_head, &addr);
		if (!err)
			err = read_threads(w, in, addr);
		if (err && err->code == ERR_NOMEM)
			return err;
	}
	in->nthreads = snap->nthreads - in->first_thread;
	if (err && !(in->corrupt = py_reason(w, err)))
		return &err_nomem;
	return w->space->tries ? py_moving_read(w, in) : NULL;
}

/* ---- what stays from stop to stop ---- */

/*
 * A number that stays the same while no code object was freed (3.14 and later),
 * so that one seen before cannot have become another; 0 if there is none such.
 */
static uint64_t codes_key(struct py_walker *w)
{
	const struct py_snapshot *snap = &w->py->snap;
	uint64_t key = w->py->rt.addr | 1;
	if (w->off->interp.code_generation == PY_NONE)
		return 0;
	for (size_t i = 0; i < snap->ninterps; i++) {
		uint64_t n = 0;
		read_ptr(w->mem, snap->interps[i].addr + w->off->interp.code_generation, &n);
		key = (key ^ snap->interps[i].addr) * 0x9e3779b97f4a7c15ull + n;
	}
	return key | 1;
}

static void refresh_codes(struct py_walker *w)
{
	struct python *py = w->py;
	uint64_t key = codes_key(w);
	bool same_stop = py->codes_generation == w->mem->generation;
	if (w->space->tries || (!same_stop && (!key || key != py->codes_key)) ||
	    py->codes.n > CODES_MAX)
		py_codes_reset(&py->codes, false);
	py->codes_key = key;
	py->codes_generation = w->mem->generation;
}

/* FNV-1a over where things are mapped. */
static uint64_t fingerprint(const struct maps *maps)
{
	uint64_t h = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < maps->n; i++) {
		h = (h ^ maps->map[i].start) * 0x100000001b3ull;
		h = (h ^ maps->map[i].end) * 0x100000001b3ull;
	}
	return h | 1;
}

/*
 * Which ways to try.  A program that loads one library after the other is looked
 * through again each time: in passing, only every so often by all means.
 */
static unsigned int ways_to_try(struct python *py, bool in_passing)
{
	py->looks++;
	bool due = (py->looks & (py->looks - 1)) == 0;
	return in_passing && !due ? (unsigned int)PY_BY_DYNSYM : (unsigned int)PY_BY_ANY;
}

/* Once for each stop: a list asks for every one of a thousand threads. */
static uint64_t maps_now(struct python *py, const struct space *s)
{
	if (!py->printed || py->printed != s->mem->generation) {
		py->printed = s->mem->generation;
		py->print = fingerprint(s->maps);
	}
	return py->print;
}

static struct err *search(struct python *py, const struct space *s, bool in_passing)
{
	bool later = false;
	uint64_t now = maps_now(py, s);
	if (py->absent == now || (in_passing && py->not_seen == now))
		return err_new(ERR_NOT_FOUND, "no Python in this process");
	py->found = py_builds_find(&py->builds, s, &py->rt);
	if (py->found)
		return NULL;
	unsigned int ways = ways_to_try(py, in_passing);
	struct err *err = py_runtime_find(s, ways, &py->rt, &later);
	py->found = !err;
	if (py->found)
		py_builds_note(&py->builds, s, &py->rt);
	if (!err || later)
		return err;
	py->not_seen = now;
	if (err->code != ERR_NOT_FOUND) /* who asks for it is told each time */
		return err;
	if (ways == PY_BY_ANY)
		py->absent = now;
	return err;
}

static struct err *find_runtime(struct python *py, const struct space *s, bool in_passing)
{
	if (py->epoch != s->epoch || (py->found && !py_runtime_alive(s, &py->rt))) {
		py->epoch = s->epoch;
		py->found = py->snap_valid = false;
		py->absent = py->not_seen = py->printed = 0;
		py->looks = 0;
		py->names = (struct py_names){ 0 };
		py_codes_reset(&py->codes, true);
	}
	if (py->found)
		return NULL;
	return search(py, s, in_passing);
}

static void name_version(const struct py_runtime *rt, struct py_snapshot *snap)
{
	static const char *const levels[16] = { [0xa] = "a", [0xb] = "b", [0xc] = "rc" };
	uint32_t v = rt->off.version_hex;
	const char *level = levels[v >> 4 & 15];

	snap->version_hex = v;
	if (!rt->exact)
		snprintf(snap->version, sizeof(snap->version), "%u.%u", v >> 24, v >> 16 & 0xff);
	else if (!level)
		snprintf(snap->version, sizeof(snap->version), "%u.%u.%u", v >> 24, v >> 16 & 0xff,
			 v >> 8 & 0xff);
	else
		snprintf(snap->version, sizeof(snap->version), "%u.%u.%u%s%u", v >> 24,
			 v >> 16 & 0xff, v >> 8 & 0xff, level, v & 15);
}

static void begin_snapshot(struct python *py, unsigned int tries)
{
	struct py_snapshot *snap = &py->snap;
	arena_reset(&py->texts);
	snap->ninterps = snap->nthreads = snap->nframes = 0;
	snap->corrupt = NULL;
	snap->runtime = py->rt.addr;
	snap->verified = py->rt.verified;
	snap->found_by = py_way_name(py->rt.way);
	snap->tries = tries;
	name_version(&py->rt, snap);
}

static struct err *read_names(struct py_walker *w)
{
	struct py_snapshot *snap = &w->py->snap;
	struct err *err = NULL;
	for (size_t i = 0; i < snap->ninterps && !err; i++) {
		if (w->space->tries)
			err = py_moving_names(w, &snap->interps[i]);
		else
			py_names_read(w, &snap->interps[i]);
	}
	return err;
}

static struct err *take_snapshot(struct py_walker *w)
{
	struct py_snapshot *snap = &w->py->snap;
	struct err *err = py_threads_index(w);
	if (err)
		return err;
	err = read_interps(w);
	if (err && err->code == ERR_NOMEM)
		return err;
	if (err && !(snap->corrupt = py_reason(w, err)))
		return &err_nomem;
	refresh_codes(w);
	number_interps(snap, w->off);
	for (size_t i = 0; i < snap->ninterps; i++) {
		err = read_interp_threads(w, &snap->interps[i]);
		if (err)
			return err;
	}
	for (size_t i = 0; i < snap->nthreads && !w->space->tries; i++) {
		err = py_frames_resolve(w, &snap->threads[i]);
		if (err)
			return err;
	}
	if (!w->walk.in_passing)
		err = read_names(w);
	return err ? err : py_stacks_merge(w);
}

static bool is_remembered(const struct python *py, const struct py_walker *w)
{
	return py->snap_valid && py->snap_mem == w->mem &&
	       py->snap_generation == w->mem->generation &&
	       py->snap_nthreads == w->space->nthreads && py->snap_walk.tid == w->walk.tid &&
	       py->snap_walk.max_frames == w->walk.max_frames &&
	       py->snap_walk.in_passing == w->walk.in_passing;
}

static void remember(struct python *py, const struct py_walker *w)
{
	py->snap_valid = true;
	py->snap_mem = w->mem;
	py->snap_generation = w->mem->generation;
	py->snap_nthreads = w->space->nthreads;
	py->snap_walk = w->walk;
}

struct err *python_find(struct python *py, const struct space *space)
{
	return find_runtime(py, space, false);
}

struct err *python_walk(struct python *py, const struct space *space, const struct py_walk *walk,
			const struct py_snapshot **ret)
{
	struct err *err = find_runtime(py, space, walk && walk->in_passing);
	if (err)
		return err;
	struct py_walker w = {
		.py = py,
		.space = space,
		.mem = space->mem,
		.off = &py->rt.off,
		.walk = walk ? *walk : (struct py_walk){ 0 },
	};
	if (!is_remembered(py, &w)) {
		begin_snapshot(py, space->tries);
		py->snap_valid = false;
		err = take_snapshot(&w);
		if (err)
			return err;
		remember(py, &w);
	}
	*ret = &py->snap;
	return NULL;
}

struct err *python_values(struct python *py, const struct space *space,
			  const struct py_limits *limits, struct py_values *ret)
{
	if (space->tries)
		return err_new(ERR_STATE,
			       "the process runs: its variables may change while they are read");
	return py_values_begin(space->mem, py->rt.addr, &py->rt.off, limits, ret);
}

struct err *python_runtime(struct python *py, const struct space *space,
			   const struct py_runtime **ret)
{
	struct err *err = find_runtime(py, space, false);
	*ret = &py->rt;
	return err;
}
