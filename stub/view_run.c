/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints and steps at synthetic addresses: what the client means by them is a byte of
 * a code object, and stub/pybreak.h stops there.
 */
#include <signal.h>
#include <stdlib.h>

#include "qxfer/python/describe.h"
#include "qxfer/python/functions.h"
#include "stub/view_priv.h"

#define POINTS_MAX 10000u
#define CACHES_MAX 24u /* bytes of inline caches behind any instruction, and some more */
#define UNIT	   2u  /* bytes of a code unit */

static struct view_point *find_point(struct view *v, uint64_t pc)
{
	for (size_t i = 0; i < v->npoints; i++)
		if (v->points[i].pc == pc)
			return &v->points[i];
	return NULL;
}

/*
 * A caller's pc is behind its call, where inline caches may be: it goes on behind those.
 */
static struct err *insert_near(struct session *s, struct view_point *p, pybreak_condition *holds,
			       void *arg)
{
	uint32_t last = p->offset + CACHES_MAX;
	struct err *err = NULL;

	for (p->offset += p->offset % UNIT; p->offset < last; p->offset += UNIT) {
		err = pybreak_insert(s->pybreak, PYBREAK_CLIENT, p->code, p->offset, holds, arg);
		if (!err || err->code != ERR_BAD_DATA || p->offset + UNIT >= last)
			break;
		err_drop(err);
		err = NULL;
	}
	return err;
}

static void pass_resume(struct session *s, struct pybreak_hit *hit);

/* A breakpoint before the RESUME stops behind it. */
static int32_t line_of(struct session *s, const struct view_point *p)
{
	struct pybreak_hit hit = { .code = p->code, .offset = p->offset };
	struct synth_place place;
	const struct synth_function *f = synth_find(s->view->synth, p->code);

	if (!f)
		return 0;
	pass_resume(s, &hit);
	bool found =
		synth_find_pc(s->view->synth, f->pc + hit.offset, &place) && place.function == f;
	return found ? place.line : 0;
}

static struct err *is_gone(const struct synth_function *f, uint64_t pc)
{
	return err_new(ERR_STATE, "the code object of %.40s at 0x%llx is gone", f->code.qualname,
		       (unsigned long long)pc);
}

/* Another one may have been made in its place since it was seen. */
static struct err *check_code(struct session *s, const struct synth_function *f, uint64_t pc)
{
	const struct synth_function *now = NULL;
	const struct space *space;
	struct arena arena = { 0 };
	struct synth_code code;

	struct err *err = target_space(s->target, &space);
	if (!err)
		err = python_describe_code(s->python, space, f->code.addr, &arena, &code);
	if (!err)
		err = synth_add(s->view->synth, &code, &now);
	arena_deinit(&arena);
	if (!err)
		return now == f ? NULL : is_gone(f, pc);
	if (err->code == ERR_NOMEM)
		return err;
	err_drop(err);
	return is_gone(f, pc);
}

static struct err *find_code(struct session *s, uint64_t pc, struct view_point *ret)
{
	struct synth_place place;

	if (!view_load(s) || !synth_find_pc(s->view->synth, pc, &place))
		return err_new(ERR_NOT_FOUND, "there is no Python code at 0x%llx",
			       (unsigned long long)pc);
	*ret = (struct view_point){ .pc = pc };
	/* Nothing of Python comes to where a thread began: there it never stops. */
	if (place.kind != SYNTH_FUNCTION)
		return NULL;
	if (place.function->stale)
		return is_gone(place.function, pc);
	struct err *err = check_code(s, place.function, pc);
	if (err)
		return err;
	ret->code = place.function->code.addr;
	ret->offset = place.offset;
	return NULL;
}

struct err *view_insert_point(struct session *s, uint64_t pc, pybreak_condition *holds, void *arg)
{
	struct view *v = s->view;
	struct view_point p;

	struct err *err = find_code(s, pc, &p);
	if (!err && v->npoints == POINTS_MAX)
		err = err_new(ERR_STATE, "more than %u breakpoints in Python", POINTS_MAX);
	if (!err && !view_grow((void **)&v->points, v->npoints, &v->points_cap, sizeof(p)))
		err = &err_nomem;
	if (!err && p.code)
		err = insert_near(s, &p, holds, arg);
	bool returns = view_return_insert(s, pc);
	view_pose_await(s, pc);
	if (returns) {
		/* Where C returns to, that is enough. */
		bool alone = err != NULL;
		err_drop(err);
		err = NULL;
		if (alone)
			return NULL;
	}
	if (err)
		return err;
	if (p.code)
		p.line = line_of(s, &p);
	struct view_point *old = find_point(v, pc);
	if (old)
		*old = p;
	else
		v->points[v->npoints++] = p;
	return NULL;
}

static bool is_shared(const struct view *v, const struct view_point *p)
{
	for (size_t i = 0; i < v->npoints; i++)
		if (&v->points[i] != p && v->points[i].code == p->code &&
		    v->points[i].offset == p->offset)
			return true;
	return false;
}

struct err *view_remove_point(struct session *s, uint64_t pc)
{
	struct view *v = s->view;
	struct view_point *p = find_point(v, pc);
	struct err *err = view_return_remove(s, pc);

	view_pose_awaited(v, pc, false);
	if (!p || err)
		return err;
	if (p->code && !is_shared(v, p))
		err = pybreak_remove(s->pybreak, PYBREAK_CLIENT, p->code, p->offset);
	*p = v->points[--v->npoints];
	return err;
}

void view_forget_points(struct view *v)
{
	v->npoints = v->nlocals = 0;
	v->known = (struct pylocals){ 0 };
	v->nwaits = 0;
	view_return_forget_points(v);
}

/* ---- steps ---- */

/* The bytes of the line that the innermost frame is at. */
static bool line_range(struct session *s, const struct view_thread *t, uint64_t *start,
		       uint64_t *end)
{
	struct synth_place place;
	if (!t->n || !synth_find_pc(s->view->synth, s->view->frames[t->first].pc, &place) ||
	    place.kind != SYNTH_FUNCTION)
		return false;
	*start = place.start;
	*end = place.end;
	return true;
}

struct err *view_step(struct session *s, pid_t id, uint64_t start, uint64_t end)
{
	const struct view_thread *t = view_find_thread(s, id);
	const struct synth_function *f = t ? s->view->frames[t->first].function : NULL;

	if (!f)
		return err_new(ERR_STATE, "thread %d is at no Python code", (int)id);
	bool inside = start >= f->pc && end > start && end <= f->pc + f->code.len;
	if (!inside && !line_range(s, t, &start, &end))
		return err_new(ERR_STATE, "thread %d is at no Python line", (int)id);
	s->view->stepping = true;
	s->view->step_depth = t->n;
	/*
	 * In a stack that is mixed gdb takes a function that was called through C for no
	 * subroutine of the line: its `next' would stop there.
	 */
	return pybreak_step(s->pybreak, t->tid, view_poses(s, t->tid) ? PYBREAK_NEAR : PYBREAK_INTO,
			    (uint32_t)(start - f->pc), (uint32_t)(end - f->pc));
}

/* s->stop: @id, or the real thread that poses as it, stopped without having run. */
static void tell(struct session *s, pid_t id, uint64_t pc, enum stop_kind kind)
{
	struct view *v = s->view;
	const struct view_thread *t = view_find_thread(s, id);

	if (t && t->n)
		v->frames[t->first].pc = pc;
	if (v->pose.id == id) {
		v->pose.pc = pc;
		id = v->pose.tid;
	}
	s->stop = (struct stop_event){ .tid = id, .kind = kind, .signo = SIGTRAP };
	s->g_tid = id;
}

/*
 * The client believes the thread at the begin of a function that it has entered.  It is
 * further on: if something is to happen on the way there, that is now.
 */
static bool catch_up(struct session *s, pid_t id, bool step, uint64_t start, uint64_t end)
{
	struct view *v = s->view;
	uint64_t pc = v->actual;
	bool point = find_point(v, pc) != NULL;

	if (!pc || (!point && !(step && id == v->actual_id && (pc < start || pc >= end))))
		return false;
	v->actual = 0;
	tell(s, v->actual_id, pc, point ? STOP_SWBREAK : STOP_SIGNAL);
	return true;
}

/*
 * gdb steps off the place where it has a breakpoint before it goes on.  Nothing need be
 * done for that: the thread is past the trap.  So it is told that it is one byte further.
 */
static bool nudge(struct session *s, pid_t id)
{
	struct view *v = s->view;
	const struct view_thread *t = view_find_thread(s, id);

	if (!t || !t->n || s->peer.lldb || v->nudged == id)
		return false;
	v->nudged = id;
	tell(s, id, v->frames[t->first].pc + 1, STOP_SIGNAL);
	return true;
}

bool view_resume_is_told(struct session *s, const struct rsp_vcont_list *list)
{
	const struct rsp_vcont *a = &list->action[0];
	const struct view_thread *t;
	uint64_t start = a->start, end = a->end;

	if (!view_is_on(s) || !list->n)
		return false;
	if (s->view->deferred)
		return view_take_deferred(s);
	pid_t id = view_steps_as(s, a->thread.tid);
	bool step = id && (a->kind == 'r' || a->kind == 's');
	t = step ? view_find_thread(s, id) : NULL;
	if (a->kind == 's' && list->n == 1 && t && !s->view->actual)
		return nudge(s, id);
	if (t && a->kind == 's' && !line_range(s, t, &start, &end))
		return false;
	return catch_up(s, id, step, start, end);
}

/* ---- stops ---- */

/*
 * The address that the client has a breakpoint at: where the frame waited, or mostly that of the
 * place itself.
 */
static uint64_t pc_of_hit(const struct view *v, pid_t tid, const struct synth_function *f)
{
	uint64_t pc = f->pc + v->hit.offset;
	for (size_t i = 0; i < v->npoints; i++)
		if (v->points[i].code == v->hit.code && v->points[i].offset == v->hit.offset &&
		    view_pose_awaits(v, tid, v->points[i].pc))
			return v->points[i].pc;
	for (size_t i = 0; i < v->npoints; i++)
		if (v->points[i].pc == pc)
			return pc;
	for (size_t i = 0; i < v->npoints; i++)
		if (v->points[i].code == v->hit.code && v->points[i].offset == v->hit.offset)
			return v->points[i].pc;
	return pc;
}

/* Where a line begins: gdb takes a thread in the middle of one to be on its way to its end. */
static uint64_t begin_of_line(struct session *s, uint64_t pc)
{
	struct synth_place place;
	bool found = synth_find_pc(s->view->synth, pc, &place) && place.kind == SYNTH_FUNCTION;
	return found ? place.start : pc;
}

/*
 * A step that entered a frame is told as at the begin of its function, wherever it is: gdb
 * goes there first.  One that came to a line of the same frame is at its begin, a return
 * where it is.
 */
static uint64_t pc_of_step(struct session *s, const struct view_thread *t,
			   const struct synth_function *f)
{
	struct view *v = s->view;
	uint64_t pc = f->pc + v->hit.offset;

	if (t->n < v->step_depth)
		return pc;
	if (t->n == v->step_depth)
		return begin_of_line(s, pc);
	if (begin_of_line(s, pc) != f->pc) {
		v->actual = pc;
		v->actual_id = t->id;
	}
	return f->pc;
}

static void place_hit(struct session *s, const struct view_thread *t)
{
	struct view *v = s->view;
	struct view_frame *f = &v->frames[t->first];

	if (f->function && f->function->code.addr == v->hit.code)
		f->pc = v->hit.users & PYBREAK_CLIENT ? pc_of_hit(v, t->tid, f->function)
						      : pc_of_step(s, t, f->function);
}

static const struct view_thread *thread_of_hit(const struct view *v)
{
	for (size_t i = 0; i < v->nthreads; i++) {
		const struct view_thread *t = &v->threads[i];
		if (t->tid == v->hit.tid && t->n && v->frames[t->first].frame.addr == v->hit.frame)
			return t;
	}
	return NULL;
}

/* A step into a function tells of its RESUME, and is past it: there its first line begins. */
static void pass_resume(struct session *s, struct pybreak_hit *hit)
{
	const struct space *space;
	struct py_code *code;

	struct err *err = target_space(s->target, &space);
	if (!err)
		err = python_code(s->python, space, hit->code, &code);
	if (!err && code->first_traceable >= 0 && hit->offset <= (uint32_t)code->first_traceable)
		hit->offset = (uint32_t)code->first_traceable + UNIT;
	err_drop(err);
}

static void tell_of_hit(struct session *s)
{
	struct view *v = s->view;

	if (!view_is_on(s) || !pybreak_stopped_at(s->pybreak, &s->stop, &v->hit))
		return;
	/* Those of `monitor py-break' are told of as the real thread's. */
	bool ours =
		(v->hit.users & PYBREAK_CLIENT) || (v->stepping && (v->hit.users & PYBREAK_STEP));
	if (!ours || !v->listed)
		return;
	if (!(v->hit.users & PYBREAK_CLIENT))
		pass_resume(s, &v->hit);
	v->stepping = false;
	const struct view_thread *t = view_load(s) ? thread_of_hit(v) : NULL;
	if (!t)
		return;
	place_hit(s, t);
	s->stop.kind = v->hit.users & PYBREAK_CLIENT ? STOP_SWBREAK : STOP_SIGNAL;
	s->stop.signo = SIGTRAP;
	s->stop.addr = 0;
	s->stop.tid = s->g_tid = view_pose(s, t) ? t->tid : t->id;
}

void view_stopped(struct session *s)
{
	view_return_stopped(s);
	tell_of_hit(s);
	view_pose_stopped(s);
}
