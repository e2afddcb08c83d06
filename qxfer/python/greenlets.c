/* SPDX-License-Identifier: MIT */
/*
 * Greenlets that do not run: their Python stacks.
 *
 * greenlet 2.0 to 3.3, src/greenlet/TGreenlet.hpp: a PyGreenlet points to a C++ object
 * that has the Python frame it stopped in, and a StackState: where its C stack was, and
 * what was copied away of that.  Neither is at a place that stays, so both are known
 * by what they look like.  The evaluation loop's own frames lie in the C stack.
 *
 * greenlet 0.4 to 1.1, src/greenlet/greenlet.h: all of it is in the PyGreenlet.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/gc.h"

#define PIMPL	   32u /* struct _greenlet: head, weakreflist, dict, pimpl */
#define PIMPL_SIZE 40  /* bytes of all that; to 1.1 it is more than a hundred */
#define PLAIN	   16u /* to 1.1: where its StackState begins */
#define PLAIN_TOP  7u  /* and its words up to top_frame */
#define WORDS	   16u /* of the C++ object, whose frame is at 96 to 112 */
#define STACK_SIZE (64ull << 20)
#define BASES_MAX  64u

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

/* ---- what it keeps ---- */

/* How a type keeps it. */
enum { NO_GREENLET, BY_IMPL, BY_ITSELF };

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

/* That of a thread's first greenlet has no end. */
static bool is_state(const uint64_t *w)
{
	uint64_t most = w[STOP] == UINT64_MAX ? STACK_SIZE : w[STOP] - w[START];
	return w[START] > 4096 && w[STOP] > w[START] && most <= STACK_SIZE && w[COPY] > 4096 &&
	       w[SAVED] && w[SAVED] <= most;
}

static struct err *read_plain(struct task_reader *r, uint64_t greenlet, struct frozen *ret)
{
	uint64_t w[PLAIN_TOP + 1];
	struct err *err = mem_read(r->w->mem, greenlet + PLAIN, w, sizeof(w));
	*ret = (struct frozen){ 0 };
	if (err || !is_frame(r, w[PLAIN_TOP]))
		return err;
	ret->frame = w[PLAIN_TOP];
	memcpy(ret->state, w, sizeof(ret->state));
	return NULL;
}

static struct err *read_impl(struct task_reader *r, uint64_t greenlet, struct frozen *ret)
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

static bool lies_in(const struct map *m, uint64_t addr)
{
	return addr >= m->start && addr < m->end;
}

/* The thread in whose C stack it was; 0: unknown. */
static pid_t find_thread(struct task_reader *r, const struct frozen *frozen)
{
	const struct space *s = r->w->space;
	const struct map *m = maps_find(s->maps, frozen->state[STOP] - 1);
	if (!m) /* a thread's first greenlet has the whole stack */
		m = maps_find(s->maps, frozen->state[START]);
	const struct py_snapshot *snap = r->t->snap;
	struct space_regs regs;
	for (size_t i = 0; m && i < s->nthreads; i++)
		if (lies_in(m, s->threads[i].tp))
			return s->threads[i].tid;
	for (size_t i = 0; m && i < snap->nthreads; i++)
		if (lies_in(m, snap->threads[i].c_stack))
			return snap->threads[i].tid;
	for (size_t i = 0; m && s->dwarf_regs && i < s->nthreads; i++)
		if (s->dwarf_regs(s->ctx, s->threads[i].tid, &regs) &&
		    regs.known & 1u << SPACE_REG_SP && lies_in(m, regs.value[SPACE_REG_SP]))
			return s->threads[i].tid;
	return 0;
}

static struct err *add_greenlet(struct task_reader *r, uint64_t addr, size_t how)
{
	struct py_tasks *t = r->t;
	struct frozen frozen;
	task_allow(r);
	struct err *err =
		how == BY_IMPL ? read_impl(r, addr, &frozen) : read_plain(r, addr, &frozen);
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

/* How the class greenlet itself keeps it, of which @t is or is derived. */
static size_t kept_how(struct task_reader *r, const struct py_type *t)
{
	for (unsigned int i = 0; i < BASES_MAX; i++) {
		if (strcmp(t->tp_name, "greenlet.greenlet") == 0)
			return t->basicsize <= PIMPL_SIZE ? BY_IMPL : BY_ITSELF;
		if (!t->base)
			break;
		struct err *err = val_type(&r->v, t->base, &t);
		err_drop(err);
		if (err)
			break;
	}
	return NO_GREENLET;
}

/* The same by the type's address: there are many objects of few types. */
static struct err *look_up(struct task_reader *r, struct task_map *types, uint64_t type,
			   size_t *ret)
{
	const struct py_type *t;
	*ret = NO_GREENLET;
	if (!type || type % 8 || task_map_find(types, type, ret))
		return NULL;
	task_allow(r);
	struct err *err = val_type(&r->v, type, &t);
	*ret = err ? NO_GREENLET : kept_how(r, t);
	err_drop(err);
	return task_map_add(types, type, *ret);
}

static struct err *visit(struct task_reader *r, uint64_t object, uint64_t type, void *arg)
{
	size_t how;
	struct err *err = look_up(r, arg, type, &how);
	return err || how == NO_GREENLET ? err : add_greenlet(r, object, how);
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
