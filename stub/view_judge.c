/* SPDX-License-Identifier: MIT */
/*
 * Conditions of breakpoints in Python: what the client compiled them to acts on the frame
 * as the client sees it, made of as little as the expression asks for.
 *
 * A stack pointer depends on how deep the stack is, which nobody counts here: what an
 * expression gets leads to the frame's descriptor and means nothing else.  One that
 * does something else with it is not believed when it is false.
 */
#include <string.h>

#include "stub/agent/agent.h"
#include "stub/conditions.h"
#include "stub/pyregs.h"
#include "stub/view_priv.h"

#define NO_FRAME_SP  (VIEW_STACKS + 8) /* below every thread's frames */
#define DWARF_EFLAGS 49

/* One hit of one breakpoint. */
struct judge {
	struct session *session;
	const struct pybreak_hit *hit;
	const struct view_point *point;
	struct space_thread thread;
	struct space space; /* the thread alone; .mem NULL: not made */
	unsigned int loose; /* stack pointers that led to no descriptor */
	const struct synth_function *function;
	struct view_frame frame;
	struct py_values values;
	struct arena arena;
	struct buf texts;
};

static struct err *make_space(struct judge *j)
{
	struct target *t = j->session->target;

	if (j->space.mem)
		return NULL;
	mem_invalidate(&t->mem);
	j->thread = (struct space_thread){ .tid = j->hit->tid };
	struct err *err = target_reg_uint(t, j->hit->tid, t->arch->tp, &j->thread.tp);
	if (err)
		return err;
	j->space = (struct space){ .mem = &t->mem,
				   .maps = &t->maps,
				   .threads = &j->thread,
				   .nthreads = 1,
				   .epoch = t->epoch };
	return NULL;
}

/* ---- registers ---- */

static struct err *read_pyreg(struct judge *j, enum pyreg which, uint64_t *ret)
{
	struct session *s = j->session;

	if (which == PYREG_LINE && j->point->line) {
		*ret = (uint64_t)(int64_t)j->point->line;
		return NULL;
	}
	if (which == PYREG_CODE || (which == PYREG_FRAME && j->hit->frame)) {
		*ret = which == PYREG_CODE ? j->hit->code : j->hit->frame;
		return NULL;
	}
	if (which == PYREG_FILE) {
		uint64_t len;
		*ret = view_put_text(&j->texts, j->function->code.file, &len);
		return NULL;
	}
	if (which != PYREG_DEPTH && which != PYREG_THREAD)
		return err_new(ERR_NOT_FOUND, "%s is not known while the program runs",
			       pyregs_name(which));
	struct err *err = make_space(j);
	return err ? err : pyregs_value(s->python, &j->space, j->hit->tid, which, true, ret);
}

static struct err *read_reg(void *ctx, uint16_t n, uint64_t *ret)
{
	struct judge *j = ctx;
	const struct arch *a = j->session->target->arch;
	enum pyreg which;

	if (pyregs_find(j->session, n, &which))
		return read_pyreg(j, which, ret);
	if (n >= a->nregs)
		return err_new(ERR_NOT_FOUND, "no register %u", n);
	if (n == a->pc) {
		*ret = j->point->pc;
	} else if (a->regs[n].dwarf == (int)SPACE_REG_SP) {
		*ret = NO_FRAME_SP;
		j->loose++;
	} else if (a->regs[n].dwarf == DWARF_EFLAGS) {
		*ret = 0;
	} else {
		return err_new(ERR_NOT_FOUND, "%s of a Python thread is not known while it runs",
			       a->regs[n].name);
	}
	return NULL;
}

/* ---- memory ---- */

static struct err *find_frame(struct judge *j)
{
	const struct py_walk walk = { .tid = j->hit->tid, .max_frames = 1, .in_passing = true };
	const struct py_snapshot *snap;

	struct err *err = make_space(j);
	if (!err)
		err = python_walk(j->session->python, &j->space, &walk, &snap);
	for (size_t i = 0; !err && i < snap->nframes; i++) {
		if (snap->frames[i].addr != j->hit->frame)
			continue;
		j->frame.frame = snap->frames[i];
		return NULL;
	}
	return err ? err : err_new(ERR_NOT_FOUND, "its frame is not to be found");
}

static struct err *make_variables(struct judge *j)
{
	static const struct py_limits limits = { .bytes = VIEW_TEXT_MAX };

	if (j->frame.slot)
		return NULL;
	struct err *err = find_frame(j);
	if (!err)
		err = python_values(j->session->python, &j->space, &limits, &j->values);
	if (!err)
		err = view_fill_slots(&j->frame, &j->values, &j->arena, &j->texts);
	py_values_end(&j->values);
	if (err)
		j->frame.slot = NULL;
	return err;
}

/* All of a range out of the @size bytes of @data that are at @start. */
static bool copy(uint64_t start, const void *data, uint64_t size, uint64_t addr, void *buf,
		 size_t len)
{
	if (addr < start || addr - start > size || len > size - (addr - start))
		return false;
	memcpy(buf, (const uint8_t *)data + (addr - start), len);
	return true;
}

static bool read_descriptor(struct judge *j, uint64_t addr, void *buf, size_t len)
{
	const uint64_t locals = VIEW_SLOTS + j->function->code.nvariables * (uint64_t)SYNTH_SLOT;
	const uint64_t at =
		(NO_FRAME_SP << SYNTH_DESCRIPTOR_SHIFT) + offsetof(struct synth_descriptor, locals);

	if (!copy(at, &locals, sizeof(locals), addr, buf, len))
		return false;
	j->loose -= j->loose > 0;
	return true;
}

static struct err *read_shown(struct judge *j, uint64_t addr, void *buf, size_t len)
{
	const struct view *v = j->session->view;
	uint64_t slots = j->function->code.nvariables * (uint64_t)SYNTH_SLOT;

	if (read_descriptor(j, addr, buf, len) || synth_read(v->synth, addr, buf, len) == len)
		return NULL;
	if (copy(VIEW_TEXTS, j->texts.data, j->texts.len, addr, buf, len))
		return NULL;
	if (addr >= VIEW_SLOTS && addr < VIEW_TEXTS) {
		struct err *err = make_variables(j);
		if (err)
			return err;
		if (copy(VIEW_SLOTS, j->frame.slot, slots, addr, buf, len))
			return NULL;
	}
	return err_new(ERR_FAULT, "0x%llx is not to be seen while the program runs",
		       (unsigned long long)addr);
}

static struct err *read_mem(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct judge *j = ctx;
	struct mem *m = &j->session->target->mem;

	if (view_covers(j->session, addr, len))
		return read_shown(j, addr, buf, len);
	/* Past the cache: a page would be read for a word. */
	if (m->ops->read(m->ctx, addr, buf, len) == len)
		return NULL;
	return err_new(ERR_FAULT, "cannot access memory at 0x%llx", (unsigned long long)addr);
}

static void print(void *ctx, const char *text, size_t len)
{
	const struct judge *j = ctx;

	/* Not what is made up. */
	if (!j->loose)
		session_print_running(j->session, text, len);
}

/* ---- judging ---- */

static bool is_told(struct session *s, const struct pybreak_hit *hit, const struct view_point *p)
{
	static const struct agent_ops ops = { .reg = read_reg, .read = read_mem, .print = print };
	struct judge j = { .session = s, .hit = hit, .point = p };
	struct synth_place place;

	if (!synth_find_pc(s->view->synth, p->pc, &place) || place.kind != SYNTH_FUNCTION)
		return true;
	j.function = j.frame.function = place.function;
	bool ret = conditions_tell(s->conditions, POINT_SW, p->pc, &ops, &j);
	arena_deinit(&j.arena);
	buf_deinit(&j.texts);
	return ret || j.loose;
}

/* Each is asked: one that has commands runs them whatever the others say. */
bool view_judge(void *session, struct target *t, const struct pybreak_hit *hit)
{
	struct session *s = session;
	const struct view *v = s->view;
	bool known = false, ret = false;

	(void)t;
	for (size_t i = 0; i < v->npoints; i++) {
		const struct view_point *p = &v->points[i];
		if (p->code != hit->code || p->offset != hit->offset)
			continue;
		known = true;
		ret |= is_told(s, hit, p);
	}
	return ret || !known;
}
