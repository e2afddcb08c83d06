/* SPDX-License-Identifier: MIT */
/*
 * Greenlets that do not run: their Python stacks.
 *
 * greenlet 2.0 to 3.3, src/greenlet/TGreenlet.hpp: a PyGreenlet points to a C++ object
 * that has the Python frame it stopped in, and a StackState: where its C stack was, and
 * what was copied away of that.  Neither is at a place that stays, so both are known
 * by what they look like.  The evaluation loop's own frames lie in the C stack.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/gc.h"

#define PIMPL	   32u /* struct _greenlet: head, weakreflist, dict, pimpl */
#define WORDS	   16u /* of the C++ object, whose frame is at 96 to 112 */
#define STACK_SIZE (64ull << 20)

enum { START, STOP, COPY, SAVED, STATE_WORDS }; /* class StackState */

struct frozen {
	uint64_t frame;		     /* the innermost PyFrameObject, 0: it runs, or never ran */
	uint64_t state[STATE_WORDS]; /* of the C stack; zeros: unknown */
};

/* Where an address of the greenlet's C stack is to be read. */
static uint64_t where(const struct frozen *g, uint64_t addr)
{
	return addr - g->state[START] < g->state[SAVED] ? g->state[COPY] + (addr - g->state[START])
							: addr;
}

/* ---- the C++ object ---- */

static bool is_frame(struct task_reader *r, uint64_t addr)
{
	const struct py_type *t;
	uint64_t type;
	if (addr < 4096 || addr % 8 ||
	    mem_read_some(r->w->mem, addr + r->v.off->object.type, &type, 8) != 8 || !type ||
	    type % 8)
		return false;
	struct err *err = val_type(&r->v, type, &t);
	err_drop(err);
	return !err && strcmp(t->tp_name, "frame") == 0;
}

static bool is_state(const uint64_t *w)
{
	return w[START] > 4096 && w[STOP] > w[START] && w[STOP] - w[START] < STACK_SIZE &&
	       w[COPY] > 4096 && w[SAVED] && w[SAVED] <= w[STOP] - w[START];
}

static struct err *read_frozen(struct task_reader *r, uint64_t greenlet, struct frozen *ret)
{
	uint64_t pimpl, w[WORDS] = { 0 };
	*ret = (struct frozen){ 0 };
	struct err *err = mem_ptr(r->w->mem, greenlet + PIMPL, &pimpl);
	if (err)
		return err;
	if (!pimpl || pimpl % 8)
		return NULL;
	size_t n = mem_read_some(r->w->mem, pimpl, w, sizeof(w)) / 8;
	bool stack = false;
	for (size_t i = 0; i < n && !ret->frame; i++) {
		if (!stack && i + STATE_WORDS <= n && is_state(w + i)) {
			memcpy(ret->state, w + i, sizeof(ret->state));
			stack = true;
		}
		if (is_frame(r, w[i]))
			ret->frame = w[i];
	}
	return NULL;
}

/* ---- its frames ---- */

static struct err *append_frame(struct task_reader *r, struct py_greenlet *g, uint64_t at)
{
	struct py_tasks *t = r->t;
	struct py_frame frame;
	struct err *err = py_frame_single(r->w, at, &frame);
	if (err_catch(&err, ERR_NOT_FOUND)) /* nobody wrote it */
		return NULL;
	if (!err && t->nframes >= PY_ALL_AWAITS_MAX)
		err = err_new(ERR_BAD_DATA, "more frames than are served");
	if (!err)
		err = py_array_grow((void **)&t->frames, t->nframes, &t->frames_cap,
				    sizeof(*t->frames));
	if (err)
		return err;
	t->frames[t->nframes++] = frame;
	g->nframes++;
	return NULL;
}

static struct err *read_frames(struct task_reader *r, struct py_greenlet *g,
			       const struct frozen *frozen)
{
	struct py_brent brent = { 0 };
	struct py_raw_frame raw;
	uint64_t addr = frozen->frame;
	struct err *err = NULL;
	if (r->lay.frame.of_object != PY_NONE)
		err = mem_ptr(r->w->mem, addr + r->lay.frame.of_object, &addr);
	for (size_t i = 0; !err && addr; i++) {
		if (py_brent_seen(&brent, addr, i))
			return err_new(ERR_BAD_DATA, "the frames form a cycle at 0x%" PRIx64, addr);
		if (i > PY_FRAMES_MAX)
			return err_new(ERR_BAD_DATA, "the frames do not end");
		addr = where(frozen, addr);
		err = py_frame_read(r->w, addr, &raw);
		if (!err && raw.owner < r->w->off->owner_shim)
			err = append_frame(r, g, addr);
		addr = raw.previous;
	}
	return err;
}

/* The thread in whose C stack it was; 0: unknown. */
static pid_t find_thread(struct task_reader *r, const struct frozen *frozen)
{
	const struct space *s = r->w->space;
	const struct map *m = maps_find(s->maps, frozen->state[STOP] - 1);
	const struct py_snapshot *snap = r->t->snap;
	for (size_t i = 0; m && i < s->nthreads; i++)
		if (s->threads[i].tp >= m->start && s->threads[i].tp < m->end)
			return s->threads[i].tid;
	for (size_t i = 0; m && i < snap->nthreads; i++)
		if (snap->threads[i].c_stack >= m->start && snap->threads[i].c_stack < m->end)
			return snap->threads[i].tid;
	return 0;
}

static struct err *add_greenlet(struct task_reader *r, uint64_t addr)
{
	struct py_tasks *t = r->t;
	struct frozen frozen;
	task_allow(r);
	struct err *err = read_frozen(r, addr, &frozen);
	if (err || !frozen.frame)
		return err;
	if (t->ngreenlets >= PY_TASKS_MAX)
		return err_new(ERR_BAD_DATA, "more greenlets than %u", PY_TASKS_MAX);
	err = py_array_grow((void **)&t->greenlets, t->ngreenlets, &t->greenlets_cap,
			    sizeof(*t->greenlets));
	if (err)
		return err;
	struct py_greenlet g = { .addr = addr, .first_frame = t->nframes };
	const char *type = task_type_name(r, addr);
	g.type = arena_strdup(&t->texts, type, strlen(type));
	if (!g.type)
		return &err_nomem;
	g.tid = find_thread(r, &frozen);
	err = read_frames(r, &g, &frozen);
	if (err && err->code == ERR_NOMEM)
		return err;
	task_say(r, &g.corrupt, err);
	t->greenlets[t->ngreenlets++] = g;
	return NULL;
}

/* ---- all of them ---- */

/* Whether a type is a greenlet's, by its address: there are many objects of few types. */
static struct err *is_greenlet(struct task_reader *r, struct task_map *types, uint64_t type,
			       bool *ret)
{
	const struct py_type *t;
	size_t is = 0;
	*ret = false;
	if (!type || type % 8)
		return NULL;
	if (!task_map_find(types, type, &is)) {
		task_allow(r);
		struct err *err = val_type(&r->v, type, &t);
		is = !err && task_type_is(r, t, "greenlet.greenlet");
		err_drop(err);
		err = task_map_add(types, type, is);
		if (err)
			return err;
	}
	*ret = is != 0;
	return NULL;
}

static struct err *visit(struct task_reader *r, uint64_t object, uint64_t type, void *arg)
{
	bool is;
	struct err *err = is_greenlet(r, arg, type, &is);
	return err || !is ? err : add_greenlet(r, object);
}

static int compare(const void *x, const void *y)
{
	const struct py_greenlet *a = x, *b = y;
	if (a->tid != b->tid)
		return a->tid < b->tid ? -1 : 1;
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

struct err *task_greenlets_read(struct task_reader *r)
{
	struct py_tasks *t = r->t;
	struct task_map types = { 0 };
	struct err *err = NULL;
	for (size_t i = 0; !err && i < t->snap->ninterps; i++) {
		const struct py_interp *in = &t->snap->interps[i];
		uint64_t dict = 0;
		err = task_module(r, in->addr, "greenlet", &dict);
		if (!err && dict)
			err = py_gc_visit(r, in, visit, &types);
		if (dict && in->gc && !t->no_greenlets)
			t->no_greenlets = "a garbage collection has objects put aside";
		if (err && err->code != ERR_NOMEM) {
			task_say(r, &t->no_greenlets, err);
			err = NULL;
		}
	}
	free(types.slot);
	if (t->ngreenlets)
		qsort(t->greenlets, t->ngreenlets, sizeof(*t->greenlets), compare);
	return err;
}
