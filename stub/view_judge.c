/* SPDX-License-Identifier: MIT */
/*
 * Conditions of breakpoints in Python: what the client compiled them to acts on the frame
 * as the client sees it, made of as little as the expression asks for.
 * Of variables and stacks nothing is made here: what asks for them is told.
 */
#include <string.h>

#include "stub/agent/agent.h"
#include "stub/conditions.h"
#include "stub/pyregs.h"
#include "stub/view_priv.h"

#define DWARF_EFLAGS 49

/* One hit of one breakpoint. */
struct judge {
	struct session *session;
	const struct pybreak_hit *hit;
	const struct view_point *point;
	struct space_thread thread;
	struct space space; /* the thread alone; .mem NULL: not made */
	const struct synth_function *function;
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
	} else if (a->regs[n].dwarf == DWARF_EFLAGS) {
		*ret = 0;
	} else {
		return err_new(ERR_NOT_FOUND, "%s of a Python thread is not known while it runs",
			       a->regs[n].name);
	}
	return NULL;
}

/* ---- memory ---- */

/* All of a range out of the @size bytes of @data that are at @start. */
static bool copy(uint64_t start, const void *data, uint64_t size, uint64_t addr, void *buf,
		 size_t len)
{
	if (addr < start || addr - start > size || len > size - (addr - start))
		return false;
	memcpy(buf, (const uint8_t *)data + (addr - start), len);
	return true;
}

static struct err *read_shown(struct judge *j, uint64_t addr, void *buf, size_t len)
{
	const struct view *v = j->session->view;

	if (synth_read(v->synth, addr, buf, len) == len)
		return NULL;
	if (copy(VIEW_TEXTS, j->texts.data, j->texts.len, addr, buf, len))
		return NULL;
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
	j.function = place.function;
	bool ret = conditions_tell(s->conditions, POINT_SW, p->pc, &ops, &j);
	buf_deinit(&j.texts);
	return ret;
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
