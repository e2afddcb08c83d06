/* SPDX-License-Identifier: MIT */
/*
 * Conditions of breakpoints in Python: what the client compiled them to acts on the frame
 * as the client sees it, made of as little as the expression asks for.
 *
 * A variable is found as the client finds it: by the stack pointer, a descriptor and a slot.
 * Where the stack lies is not known here, and only that asks for it: a stack of one
 * frame does.  An expression that asks for its address otherwise is not judged.
 */
#include <string.h>

#include "stub/agent/agent.h"
#include "stub/conditions.h"
#include "stub/pyregs.h"
#include "stub/view_priv.h"

#define DWARF_EFLAGS 49
#define DWARF_RSP    7

#define JUDGE_SP VIEW_STACKS

static const struct py_limits limits = { .bytes = VIEW_TEXT_MAX };

/* One hit of one breakpoint. */
struct judge {
	struct session *session;
	const struct pybreak_hit *hit;
	const struct view_point *point;
	struct space_thread thread;
	struct space space; /* the thread alone; .mem NULL: not made */
	const struct synth_function *function;
	struct buf texts;
	unsigned int sp_asked, sp_used; /* how often the stack pointer was, and for variables */
	struct synth_slot slot;		/* of the variable that was asked for last */
	size_t variable;
	bool has_slot;
};

static struct err *make_space(struct judge *j)
{
	if (j->space.mem)
		return NULL;
	struct err *err = pylocal_space(j->session->target, j->hit, &j->thread, &j->space);
	if (err)
		j->space.mem = NULL;
	return err;
}

/* ---- variables ---- */

/* Where it is looked up once. */
static struct err *find_local(struct judge *j, size_t variable, uint32_t *ret)
{
	struct view *v = j->session->view;
	const struct synth_function *f = j->function;

	for (size_t i = 0; i < v->nlocals; i++)
		if (v->locals[i].function == f->number && v->locals[i].variable == variable) {
			*ret = v->locals[i].slot;
			return NULL;
		}
	struct err *err = make_space(j);
	if (!err && !view_grow((void **)&v->locals, v->nlocals, &v->locals_cap, sizeof(*v->locals)))
		err = &err_nomem;
	if (!err)
		err = pylocal_slot(&v->known, j->session->python, &j->space, j->hit->code,
				   f->code.variables[variable].name, ret);
	if (err_catch(&err, ERR_NOT_FOUND))
		*ret = VIEW_NO_SLOT;
	if (!err)
		v->locals[v->nlocals++] =
			(struct view_local){ f->number, (uint32_t)variable, *ret };
	return err;
}

static void fill(void *arg, const struct py_local *local)
{
	struct judge *j = arg;
	const char *text = *local->repr ? local->repr : "<not set>";

	if (local->kind == PY_LOCAL_NAME || j->slot.text ||
	    strcmp(local->name, j->function->code.variables[j->variable].name) != 0)
		return;
	j->slot.text = view_put_text(&j->texts, text, &j->slot.len);
	synth_slot_parse(text, &j->slot);
}

/* What takes a walk: anything but ints. */
static struct err *read_any(struct judge *j, uint32_t local)
{
	struct session *s = j->session;
	const struct py_frame *f = NULL;
	struct py_values v = { 0 };

	struct err *err = make_space(j);
	if (!err)
		err = pylocal_open(s->python, &j->space, j->hit, &limits, &v, &f);
	if (err)
		return err;
	err = py_locals_visit(&v, f, fill, j);
	if (!err && local != VIEW_NO_SLOT && j->slot.kind == SYNTH_NUMBER)
		pylocal_learn(&s->view->known, &v, j->hit->frame, local);
	py_values_end(&v);
	if (!err && !j->slot.text)
		err = err_new(ERR_NOT_FOUND, "%.40s is not to be seen while the program runs",
			      j->function->code.variables[j->variable].name);
	return err;
}

/* The text of an int is not made: gdb asks for the number. */
static struct err *read_variable(struct judge *j, size_t variable, bool number)
{
	struct session *s = j->session;
	uint32_t local = VIEW_NO_SLOT;

	if (j->has_slot && j->variable == variable && (number || j->slot.text))
		return NULL;
	j->has_slot = false;
	j->variable = variable;
	j->slot = (struct synth_slot){ .kind = SYNTH_NUMBER };
	struct err *err = find_local(j, variable, &local);
	if (err)
		return err;
	if (!number || local == VIEW_NO_SLOT ||
	    !pylocal_read_int(&s->view->known, s->target, j->hit->frame, local, &j->slot.number))
		err = read_any(j, local);
	j->has_slot = !err;
	return err;
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
	} else if (a->regs[n].dwarf == DWARF_RSP) {
		*ret = JUDGE_SP;
		j->sp_asked++;
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

#define JUDGE_LOCALS \
	((JUDGE_SP << SYNTH_DESCRIPTOR_SHIFT) + offsetof(struct synth_descriptor, locals))

static uint64_t slots_end(const struct judge *j)
{
	return VIEW_SLOTS + j->function->code.nvariables * (uint64_t)SYNTH_SLOT;
}

static struct err *read_slot(struct judge *j, uint64_t addr, void *buf, size_t len)
{
	uint64_t left = slots_end(j) - addr, off = SYNTH_SLOT - 1 - (left - 1) % SYNTH_SLOT;

	if (off + len > SYNTH_SLOT)
		return err_new(ERR_UNSUPPORTED, "more than one variable at a time");
	struct err *err = read_variable(j, (size_t)((left - 1) / SYNTH_SLOT),
					off >= offsetof(struct synth_slot, number));
	if (!err)
		memcpy(buf, (const uint8_t *)&j->slot + off, len);
	return err;
}

static struct err *read_shown(struct judge *j, uint64_t addr, void *buf, size_t len)
{
	const struct view *v = j->session->view;
	uint64_t locals = slots_end(j);

	if (addr == JUDGE_LOCALS && len == sizeof(locals)) {
		j->sp_used++;
		memcpy(buf, &locals, sizeof(locals));
		return NULL;
	}
	if (addr >= VIEW_SLOTS && addr < locals)
		return read_slot(j, addr, buf, len);

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
	ret |= j.sp_asked != j.sp_used;
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
