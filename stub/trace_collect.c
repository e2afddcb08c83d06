/* SPDX-License-Identifier: MIT */
/* Recording: what happens when a thread gets to a tracepoint, and at each step after it. */
#include <stdlib.h>
#include <string.h>

#include "stub/pyregs.h"
#include "stub/trace_priv.h"
#include "stub/view.h"

#define PAGE 4096u

/* ---- what is recorded ---- */

/* From the hit itself where it has it: nothing has to be asked then. */
static struct err *get_reg(struct trace *t, uint16_t n, uint8_t ret[REG_MAX])
{
	const struct arch *a = t->session->target->arch;
	const struct reg *r = &a->regs[n];

	if (r->set != a->regs[a->pc].set || r->offset + r->size > t->hit->regset_size)
		return target_reg_get(t->session->target, t->hit->tid, n, ret);
	arch_reg_get(r, t->hit->regset, ret);
	return NULL;
}

/* All that `g' has; one that the thread lacks is zero here, and is known to be absent. */
static void put_registers(struct trace *t)
{
	const struct arch *a = t->session->target->arch;
	_cleanup_buf_ struct buf values = { 0 };

	for (uint16_t i = 0; i < a->nregs; i++) {
		uint8_t value[REG_MAX] = { 0 };
		struct err *err = get_reg(t, i, value);
		if (err && i / 8 < sizeof(t->absent))
			t->absent[i / 8] |= (uint8_t)(1u << i % 8);
		err_drop(err);
		buf_put(&values, value, a->regs[i].bits / 8u);
	}
	if (!values.failed && values.len <= UINT16_MAX)
		trace_put_registers(&t->buffer, values.data, values.len);
}

/* What can be read of it; the rest is not there for whoever looks at the frame. */
static void put_memory(struct trace *t, uint64_t addr, uint64_t len)
{
	struct mem *m = &t->session->target->mem;
	uint8_t bytes[PAGE];

	if (addr + len < addr)
		len = -addr;
	while (len) {
		size_t part = PAGE - addr % PAGE;
		if (part > len)
			part = (size_t)len;
		size_t n = m->ops->read(m->ctx, addr, bytes, part);
		if (n)
			trace_put_memory(&t->buffer, addr, bytes, n);
		addr += part;
		len -= part;
	}
}

static void collect_memory(struct trace *t, const struct trace_action *a)
{
	uint8_t value[REG_MAX] = { 0 };
	uint64_t base = 0;

	if (!a->absolute) {
		struct err *err = get_reg(t, a->reg, value);
		bool there = !err;
		err_drop(err);
		if (!there)
			return;
		memcpy(&base, value, sizeof(base));
	}
	put_memory(t, base + a->offset, a->len);
}

/* ---- what expressions act on ---- */

static struct err *read_reg(void *ctx, uint16_t n, uint64_t *ret)
{
	struct trace *t = ctx;
	const struct arch *a = t->session->target->arch;
	uint8_t value[REG_MAX] = { 0 };
	enum pyreg which;

	if (pyregs_find(t->session, n, &which))
		return pyregs_read_hit(t->session, t->hit, which, ret);
	if (n >= a->nregs)
		return err_new(ERR_NOT_FOUND, "no register %u", n);
	if (a->regs[n].bits > 64)
		return err_new(ERR_NOT_FOUND, "%s has %u bits", a->regs[n].name, a->regs[n].bits);
	struct err *err = get_reg(t, n, value);
	memcpy(ret, value, sizeof(*ret));
	return err;
}

static struct err *read_mem(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct trace *t = ctx;
	struct mem *m = &t->session->target->mem;

	if (m->ops->read(m->ctx, addr, buf, len) == len)
		return NULL;
	return err_new(ERR_FAULT, "cannot access memory at 0x%llx", (unsigned long long)addr);
}

static struct err *no_variable(uint16_t n)
{
	return err_new(ERR_NOT_FOUND, "there is no trace state variable %u", n);
}

static struct err *get_variable(void *ctx, uint16_t n, uint64_t *ret)
{
	struct trace *t = ctx;
	const struct trace_variable *v = trace_find_variable(t, n);

	if (!v)
		return no_variable(n);
	*ret = v->builtin ? trace_now() : v->value;
	return NULL;
}

static struct err *set_variable(void *ctx, uint16_t n, uint64_t value)
{
	struct trace_variable *v = trace_find_variable(ctx, n);

	if (!v)
		return no_variable(n);
	if (!v->builtin)
		v->value = value;
	return NULL;
}

static struct err *record_memory(void *ctx, uint64_t addr, uint64_t len)
{
	struct trace *t = ctx;

	if (len > MEMORY_MAX)
		return err_new(ERR_BAD_DATA, "%llu bytes are too many to be recorded at once",
			       (unsigned long long)len);
	put_memory(t, addr, len);
	return NULL;
}

static struct err *record_variable(void *ctx, uint16_t n)
{
	struct trace *t = ctx;
	uint64_t value;

	struct err *err = get_variable(t, n, &value);
	if (!err)
		trace_put_variable(&t->buffer, n, value);
	return err;
}

static const struct agent_ops judging = {
	.reg = read_reg,
	.read = read_mem,
	.var_get = get_variable,
	.var_set = set_variable,
};
static const struct agent_ops recording = {
	.reg = read_reg,
	.read = read_mem,
	.var_get = get_variable,
	.var_set = set_variable,
	.trace = record_memory,
	.trace_var = record_variable,
};

/* ---- a hit ---- */

static void end_by_error(struct trace *t, const struct tracepoint *p, struct err *err)
{
	trace_end_run(t, TRACE_ERROR, p->number, err->msg);
	err_drop(err);
}

static bool holds(struct trace *t, const struct tracepoint *p)
{
	uint64_t value = 1;

	struct err *err = p->condition ? agent_run(p->condition, &judging, t, &value) : NULL;
	if (!err)
		return value != 0;
	end_by_error(t, p, err);
	return false;
}

/* Registers come first, once, whatever the order of actions. */
static void record(struct trace *t, struct tracepoint *p, bool step)
{
	struct err *err = NULL;
	uint64_t value;
	bool registers = false;

	trace_frame_begin(&t->buffer, (uint16_t)p->number, t->hit->addr);
	for (size_t i = 0; i < p->nactions; i++)
		registers |= p->action[i].kind == 'R' && p->action[i].stepping == step;
	if (registers)
		put_registers(t);
	for (size_t i = 0; i < p->nactions && !err; i++) {
		const struct trace_action *a = &p->action[i];
		if (a->stepping != step)
			continue;
		if (a->kind == 'M')
			collect_memory(t, a);
		else if (a->kind == 'X')
			err = agent_run(a->code, &recording, t, &value);
	}
	p->usage += trace_frame_end(&t->buffer);
	if (err)
		end_by_error(t, p, err);
	else if (t->buffer.full)
		trace_end_run(t, TRACE_FULL, 0, "");
}

static void check_passes(struct trace *t, const struct tracepoint *p)
{
	if (p->passes && p->hits >= p->passes)
		trace_end_run(t, TRACE_PASSES, p->number, "");
}

/* Without the memory for it there are no steps. */
static void start_walk(struct trace *t, const struct tracepoint *p)
{
	size_t i = 0;

	while (i < t->nwalks && !(t->walk[i].tid == t->hit->tid && t->walk[i].number == p->number &&
				  t->walk[i].addr == p->addr))
		i++;
	if (i == FOLLOWED_MAX)
		t->nwalks = i = 0; /* most of them are of threads that have ended */
	if (i == t->walks_cap) {
		size_t cap = t->walks_cap ? t->walks_cap * 2 : 16;
		struct trace_walk *walk = reallocarray(t->walk, cap, sizeof(*walk));
		if (!walk)
			return;
		t->walk = walk;
		t->walks_cap = cap;
	}
	t->walk[i] = (struct trace_walk){ t->hit->tid, p->number, p->addr, p->steps };
	if (i == t->nwalks)
		t->nwalks++;
}

static void visit(struct trace *t, struct tracepoint *p)
{
	if (!holds(t, p))
		return;
	p->hits++;
	record(t, p, false);
	if (p->steps && t->running)
		start_walk(t, p);
	else
		check_passes(t, p);
}

bool trace_is_told(void *ctx, const struct target_hit *hit)
{
	struct trace *t = ctx;

	t->hit = hit;
	for (size_t i = 0; hit->traced && t->running && i < t->npoints; i++) {
		struct tracepoint *p = t->point[i];
		if (p->addr == hit->addr && p->enabled && p->installed)
			visit(t, p);
	}
	t->hit = NULL;
	if (!hit->client)
		return false;
	const struct target_judge *next = view_target_judge(t->session);
	return !next || next->is_told(next->ctx, hit);
}

bool trace_follows(void *ctx, pid_t tid)
{
	const struct trace *t = ctx;

	for (size_t i = 0; t->running && i < t->nwalks; i++)
		if (t->walk[i].tid == tid)
			return true;
	return false;
}

/* False: it was the last step. */
static bool walk_on(struct trace *t, struct trace_walk *w)
{
	struct tracepoint *p = trace_find(t, w->number, w->addr);

	if (!p)
		return false;
	record(t, p, true);
	if (t->running && !--w->left)
		check_passes(t, p);
	return w->left != 0;
}

bool trace_was_stepped(void *ctx, const struct target_hit *hit)
{
	struct trace *t = ctx;

	t->hit = hit;
	for (size_t i = 0; t->running && i < t->nwalks;) {
		if (t->walk[i].tid != hit->tid || walk_on(t, &t->walk[i]))
			i++;
		else if (t->running)
			t->walk[i] = t->walk[--t->nwalks];
	}
	t->hit = NULL;
	return trace_follows(t, hit->tid);
}
